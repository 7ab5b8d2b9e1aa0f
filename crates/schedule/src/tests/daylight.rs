//! Clocks that are set forward and back. Source: EventBridge Scheduler user guide, "Daylight savings time on EventBridge
//! Scheduler"; the days are those of the zones' laws.

use super::{ms, next, schedule};

#[test]
fn a_time_that_does_not_exist_is_skipped() {
    // Berlin's clocks go from 02:00 to 03:00 on 2026-03-29, New York's on 2026-03-08.
    let half_past_two = schedule("cron(30 2 * * ? *)", "Europe/Berlin");
    let around = ["2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z"];
    assert_eq!(next(&half_past_two, "2026-03-28T00:00:00Z", 3), around);
    let half_past_two = schedule("cron(30 2 * * ? *)", "America/New_York");
    let around = ["2026-03-07T07:30:00Z", "2026-03-09T06:30:00Z"];
    assert_eq!(next(&half_past_two, "2026-03-07T00:00:00Z", 2), around);
    let once = schedule("at(2026-03-29T02:30:00)", "Europe/Berlin");
    assert!(next(&once, "2026-01-01T00:00:00Z", 1).is_empty());
}

#[test]
fn a_time_that_comes_twice_happens_once() {
    // Berlin's clocks go from 03:00 to 02:00 on 2026-10-25, New York's from 02:00 to 01:00 on 2026-11-01.
    let half_past_two = schedule("cron(30 2 * * ? *)", "Europe/Berlin");
    let around = ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"];
    assert_eq!(next(&half_past_two, "2026-10-24T00:00:00Z", 3), around);
    let half_past_one = schedule("cron(30 1 * * ? *)", "America/New_York");
    let around = ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"];
    assert_eq!(next(&half_past_one, "2026-11-01T00:00:00Z", 2), around);
    let once = schedule("at(2026-10-25T02:30:00)", "Europe/Berlin");
    assert_eq!(next(&once, "2026-01-01T00:00:00Z", 9), ["2026-10-25T00:30:00Z"]);
}

#[test]
fn days_around_a_change_have_their_hours() {
    let hourly = schedule("cron(0 * * * ? *)", "Europe/Berlin");
    // 01:00, 03:00, 04:00 of the clocks.
    let spring = ["2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"];
    assert_eq!(next(&hourly, "2026-03-28T23:30:00Z", 3), spring);
    // 02:00, and 03:00 two hours later.
    let autumn = ["2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z"];
    assert_eq!(next(&hourly, "2026-10-24T23:30:00Z", 2), autumn);
}

#[test]
fn a_rate_of_days_is_one_of_24_hours_whatever_clocks_show() {
    let mut daily = schedule("rate(1 day)", "Europe/Berlin");
    daily.anchor_ms = ms("2026-03-28T11:00:00Z");
    let days = ["2026-03-28T11:00:00Z", "2026-03-29T11:00:00Z", "2026-03-30T11:00:00Z"];
    assert_eq!(next(&daily, "2026-03-28T00:00:00Z", 3), days);
}

#[test]
fn a_zone_that_leaves_out_a_day_skips_it() {
    // Samoa went from the end of the 29th to the 31st of December 2011.
    let noon = schedule("cron(0 12 * * ? *)", "Pacific/Apia");
    assert_eq!(next(&noon, "2011-12-29T00:00:00Z", 2), ["2011-12-29T22:00:00Z", "2011-12-30T22:00:00Z"]);
}
