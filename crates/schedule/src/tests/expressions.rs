//! What is an expression and what is not; rates and single times.

use super::{ms, next, schedule};
use crate::{Expression, Unit, Zone};

#[test]
fn documented_expressions_are_read() {
    for text in [
        // EventBridge Scheduler user guide.
        "rate(5 minutes)",
        "rate(1 hour)",
        "rate(1 hours)",
        "rate(3 day)",
        "at(2022-11-20T13:00:00)",
        "cron(15 10 ? * 6L 2022-2023)",
        "cron(15 8 ? * MON-FRI *)",
        // EventBridge user guide.
        "cron(0 10 * * ? *)",
        "cron(0/10 * ? * MON-FRI *)",
        "cron(0/30 20-2 ? * MON-FRI *)",
        "cron(0 8 1 * ? *)",
        // Reported to be taken by the real service.
        "cron(0-15/1 8-8 ? * 2,3,4,5,6,7 *)",
        "cron(30-30 13-13 ? * 2,4,6 *)",
        "cron(1-31/30 1-1 ? * 1,7 *)",
    ] {
        assert!(Expression::parse(text).is_ok(), "{text}");
    }
    assert_eq!(Expression::parse("rate(5 minutes)"), Ok(Expression::Rate { value: 5, unit: Unit::Minute }));
}

#[test]
fn nothing_else_is_an_expression() {
    for text in [
        // Recorded from the real service.
        " rate(10 minutes)",
        "at(2021-12-31)",
        "at(2021-12-31T23:59:59Z)",
        "cron()",
        "cron(0 1 * * * *)",
        "cron(0 dummy ? * MON-FRI *)",
        "cron(7 20 * * NOT *)",
        "cron(71 8 1 * ? *)",
        "cron(INVALID)",
        "rate( 10 minutes )",
        "rate()",
        "rate(-10 minutes)",
        "rate(10 minutess)",
        "rate(10 seconds)",
        "rate(10 years)",
        "rate(10)",
        "rate(foo minutes)",
        // Of the guides: "If you use '#', you can define only one expression in the day-of-week field."
        "cron(0 9 ? * 3#1,6#3 *)",
        // Of the guides: one of the two is `?`, and only one.
        "cron(0 9 ? * ? *)",
        "cron(0 9 1 * MON *)",
        "",
        "rate",
        "rate(0 minutes)",
        "rate(+5 minutes)",
        "rate(5  minutes)",
        "rate(5 minutes))",
        "Rate(5 minutes)",
        "at(2021-02-29T00:00:00)",
        "at(2021-12-31T24:00:00)",
        "at(2021-12-31 23:59:59)",
        "cron(0 9 * * ?)",
        "cron(0 9 * * ? * *)",
        "cron( 0 9 * * ? *)",
        "cron(0 9 * * ? 1969)",
        "cron(0 9 * * ? 2200)",
        "cron(0 9 * * ? 2023-2022)",
        "cron(0 24 * * ? *)",
        "cron(0 9 0 * ? *)",
        "cron(0 9 32 * ? *)",
        "cron(0 9 * 13 ? *)",
        "cron(0 9 ? * 0 *)",
        "cron(0 9 ? * 8 *)",
        "cron(0 9 ? * 2#6 *)",
        "cron(0 9 ? * 2#0 *)",
        "cron(0 9 1W,15 * ? *)",
        "cron(0 9 1,L * ? *)",
        "cron(0/0 9 * * ? *)",
        "cron(0/60 9 * * ? *)",
        "cron(0, 9 * * ? *)",
        "cron(? 9 * * ? *)",
        "cron(0 9 ? * 2/2 *)",
        "cron(JAN 9 * * ? *)",
    ] {
        assert!(Expression::parse(text).is_err(), "{text}");
    }
}

#[test]
fn rules_want_the_unit_of_a_rate_as_its_number_and_know_no_single_time() {
    for text in ["rate(1 minute)", "rate(5 minutes)", "rate(1 day)", "cron(0 12 * * ? *)"] {
        assert!(Expression::parse_rule(text).is_ok(), "{text}");
    }
    for text in ["rate(1 minutes)", "rate(5 minute)", "rate(2 day)", "at(2022-11-20T13:00:00)"] {
        assert!(Expression::parse_rule(text).is_err(), "{text}");
    }
}

#[test]
fn a_rate_goes_from_its_anchor_in_equal_steps() {
    let mut rate = schedule("rate(90 minutes)", "UTC");
    rate.anchor_ms = ms("2026-01-01T10:00:30Z");
    let first = ["2026-01-01T10:00:30Z", "2026-01-01T11:30:30Z", "2026-01-01T13:00:30Z"];
    assert_eq!(next(&rate, "2025-12-31T00:00:00Z", 3), first);
    assert_eq!(next(&rate, "2026-01-01T10:00:30Z", 1), first[1..2]);
    assert_eq!(next(&rate, "2026-01-01T10:00:29.999Z", 1), first[..1]);
}

#[test]
fn occurrences_are_not_before_the_start_nor_after_the_end() {
    let mut noon = schedule("cron(0 12 * * ? *)", "UTC");
    noon.start_ms = Some(ms("2026-01-02T12:00:00Z"));
    noon.end_ms = Some(ms("2026-01-04T12:00:00Z"));
    let all = ["2026-01-02T12:00:00Z", "2026-01-03T12:00:00Z", "2026-01-04T12:00:00Z"];
    assert_eq!(next(&noon, "2025-12-31T00:00:00Z", 9), all);
    noon.start_ms = Some(ms("2026-01-02T12:00:01Z"));
    noon.end_ms = Some(ms("2026-01-04T11:59:59Z"));
    assert_eq!(next(&noon, "2025-12-31T00:00:00Z", 9), all[1..2]);
    let mut rate = schedule("rate(1 day)", "UTC");
    rate.anchor_ms = ms("2026-01-02T12:00:00Z");
    rate.end_ms = Some(ms("2026-01-03T13:00:00Z"));
    assert_eq!(next(&rate, "2025-12-31T00:00:00Z", 9), all[..2]);
}

#[test]
fn a_single_time_comes_once_and_takes_no_notice_of_start_and_end() {
    let mut once = schedule("at(2026-07-01T09:30:15)", "America/New_York");
    once.start_ms = Some(ms("2027-01-01T00:00:00Z"));
    once.end_ms = Some(ms("2025-01-01T00:00:00Z"));
    assert_eq!(next(&once, "2026-01-01T00:00:00Z", 9), ["2026-07-01T13:30:15Z"]);
    assert!(next(&once, "2026-07-01T13:30:15Z", 9).is_empty());
}

#[test]
fn the_last_of_many_that_were_missed_is_found() {
    let mut rate = schedule("rate(1 minute)", "UTC");
    rate.anchor_ms = ms("2020-01-01T00:00:10Z");
    let last = |rate: &crate::Schedule, after, until| rate.last_between(ms(after), ms(until)).map(super::text);
    let missed = last(&rate, "2020-01-01T00:00:10Z", "2026-01-01T00:00:09Z");
    assert_eq!(missed.as_deref(), Some("2025-12-31T23:59:10Z"));
    assert_eq!(last(&rate, "2026-01-01T00:00:10Z", "2026-01-01T00:01:09Z"), None);
    let exact = last(&rate, "2026-01-01T00:00:10Z", "2026-01-01T00:01:10Z");
    assert_eq!(exact.as_deref(), Some("2026-01-01T00:01:10Z"));
    rate.end_ms = Some(ms("2025-01-01T00:00:00Z"));
    let ended = last(&rate, "2024-06-01T00:00:00Z", "2026-01-01T00:00:00Z");
    assert_eq!(ended.as_deref(), Some("2024-12-31T23:59:10Z"));
    assert_eq!(last(&rate, "2025-06-01T00:00:00Z", "2026-01-01T00:00:00Z"), None);
    let cron = schedule("cron(0 12 * * ? *)", "UTC");
    let missed = last(&cron, "2026-01-01T12:00:00Z", "2026-01-05T11:00:00Z");
    assert_eq!(missed.as_deref(), Some("2026-01-04T12:00:00Z"));
    let once = schedule("at(2026-01-02T00:00:00)", "UTC");
    assert_eq!(last(&once, "2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z").as_deref(), Some("2026-01-02T00:00:00Z"));
    assert_eq!(last(&once, "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"), None);
}

#[test]
fn zones_are_known_by_their_exact_names_whatever_the_machine_has() {
    for name in ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Chatham", "Etc/GMT+5"] {
        assert!(Zone::named(name).is_some(), "{name}");
    }
    for name in ["", "europe/berlin", "Mars/Olympus", "+01:00", "Europe/Berlin "] {
        assert!(Zone::named(name).is_none(), "{name}");
    }
}
