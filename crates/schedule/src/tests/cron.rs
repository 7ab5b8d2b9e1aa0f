//! What the fields of a cron expression ask for. The meaning of each is written out in AWS's guides; the dates are from a
//! calendar.

use super::{next, schedule};

#[track_caller]
fn check(expression: &str, after: &str, expected: &[&str]) {
    assert_eq!(next(&schedule(expression, "UTC"), after, expected.len()), expected, "{expression}");
}

#[test]
fn the_documented_examples_mean_what_is_documented() {
    // EventBridge user guide, "Cron expressions reference". 2026-01-01 is a Thursday.
    let after = "2026-01-01T00:00:00Z";
    check("cron(0 10 * * ? *)", after, &["2026-01-01T10:00:00Z", "2026-01-02T10:00:00Z"]);
    check("cron(15 12 * * ? *)", after, &["2026-01-01T12:15:00Z", "2026-01-02T12:15:00Z"]);
    check("cron(0 18 ? * MON-FRI *)", after, &["2026-01-01T18:00:00Z", "2026-01-02T18:00:00Z", "2026-01-05T18:00:00Z"]);
    check("cron(0 8 1 * ? *)", after, &["2026-01-01T08:00:00Z", "2026-02-01T08:00:00Z"]);
    check(
        "cron(0/15 * * * ? *)",
        after,
        &["2026-01-01T00:15:00Z", "2026-01-01T00:30:00Z", "2026-01-01T00:45:00Z", "2026-01-01T01:00:00Z"],
    );
    check(
        "cron(0/10 * ? * MON-FRI *)",
        "2026-01-02T23:45:00Z",
        &["2026-01-02T23:50:00Z", "2026-01-05T00:00:00Z", "2026-01-05T00:10:00Z"],
    );
    check(
        "cron(0/5 8-17 ? * MON-FRI *)",
        "2026-01-02T17:50:00Z",
        &["2026-01-02T17:55:00Z", "2026-01-05T08:00:00Z", "2026-01-05T08:05:00Z"],
    );
    // Over midnight, on the days that are asked for.
    check(
        "cron(0/30 20-2 ? * MON-FRI *)",
        "2026-01-02T23:00:00Z",
        &["2026-01-02T23:30:00Z", "2026-01-05T00:00:00Z", "2026-01-05T00:30:00Z"],
    );
    check("cron(0/30 20-2 ? * MON-FRI *)", "2026-01-05T02:00:00Z", &["2026-01-05T02:30:00Z", "2026-01-05T20:00:00Z"]);
    // "1/10 … the 11th, 21st, and 31st minute".
    check(
        "cron(1/10 9 * * ? *)",
        after,
        &["2026-01-01T09:01:00Z", "2026-01-01T09:11:00Z", "2026-01-01T09:21:00Z", "2026-01-01T09:31:00Z"],
    );
    // EventBridge Scheduler user guide: 10:15 on the last Friday of each month of 2022 and 2023.
    check("cron(15 10 ? * 6L 2022-2023)", "2023-11-01T00:00:00Z", &["2023-11-24T10:15:00Z", "2023-12-29T10:15:00Z"]);
    assert!(next(&schedule("cron(15 10 ? * 6L 2022-2023)", "UTC"), "2023-12-29T10:15:00Z", 1).is_empty());
    // "3#2 would be the second Tuesday of the month".
    check("cron(0 9 ? * 3#2 *)", after, &["2026-01-13T09:00:00Z", "2026-02-10T09:00:00Z", "2026-03-10T09:00:00Z"]);
}

#[test]
fn last_days_are_those_of_the_month_or_the_week() {
    check(
        "cron(0 9 L * ? *)",
        "2028-01-31T10:00:00Z",
        &["2028-02-29T09:00:00Z", "2028-03-31T09:00:00Z", "2028-04-30T09:00:00Z"],
    );
    check("cron(0 9 L FEB ? *)", "2026-01-01T00:00:00Z", &["2026-02-28T09:00:00Z", "2027-02-28T09:00:00Z"]);
    // 2026-01-31 is a Saturday, 2026-05-31 a Sunday.
    check(
        "cron(0 9 LW 1,5,6 ? 2026)",
        "2026-01-01T00:00:00Z",
        &["2026-01-30T09:00:00Z", "2026-05-29T09:00:00Z", "2026-06-30T09:00:00Z"],
    );
    check("cron(0 9 ? * L *)", "2026-01-01T00:00:00Z", &["2026-01-03T09:00:00Z", "2026-01-10T09:00:00Z"]);
    check("cron(0 9 ? * THUL *)", "2026-01-01T00:00:00Z", &["2026-01-29T09:00:00Z", "2026-02-26T09:00:00Z"]);
}

#[test]
fn a_weekday_near_a_day_stays_in_its_month() {
    // 2026-08-15 is a Saturday, 2026-11-15 a Sunday, 2026-12-15 a Tuesday.
    check(
        "cron(0 9 15W 8,11,12 ? 2026)",
        "2026-01-01T00:00:00Z",
        &["2026-08-14T09:00:00Z", "2026-11-16T09:00:00Z", "2026-12-15T09:00:00Z"],
    );
    // 2026-08-01 is a Saturday: the Monday after it, not the Friday of July.
    check("cron(0 9 1W AUG ? 2026)", "2026-01-01T00:00:00Z", &["2026-08-03T09:00:00Z"]);
    // 2026-05-31 is a Sunday: the Friday before it, not the Monday of June; and June has no 31st.
    check("cron(0 9 31W 5,6 ? 2026)", "2026-01-01T00:00:00Z", &["2026-05-29T09:00:00Z"]);
    assert_eq!(next(&schedule("cron(0 9 31W 5,6 ? 2026)", "UTC"), "2026-01-01T00:00:00Z", 9).len(), 1);
}

#[test]
fn a_fifth_of_a_month_that_has_four_is_skipped() {
    // Thursdays of 2026: five in January, April, July, October and December.
    check(
        "cron(0 9 ? * 5#5 2026)",
        "2026-01-01T00:00:00Z",
        &[
            "2026-01-29T09:00:00Z",
            "2026-04-30T09:00:00Z",
            "2026-07-30T09:00:00Z",
            "2026-10-29T09:00:00Z",
            "2026-12-31T09:00:00Z",
        ],
    );
}

#[test]
fn the_leap_day_comes_every_four_years_but_not_in_2100() {
    check("cron(0 0 29 2 ? *)", "2026-01-01T00:00:00Z", &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]);
    check("cron(0 0 29 2 ? *)", "2096-02-29T00:00:00Z", &["2104-02-29T00:00:00Z"]);
    check(
        "cron(59 23 28-1 2,3 ? 2028)",
        "2028-01-01T00:00:00Z",
        &["2028-02-01T23:59:00Z", "2028-02-28T23:59:00Z", "2028-02-29T23:59:00Z", "2028-03-01T23:59:00Z"],
    );
}

#[test]
fn what_no_calendar_has_never_comes() {
    for expression in ["cron(0 0 30 FEB ? *)", "cron(0 0 31 4,6,9,11 ? *)", "cron(0 0 1 1 ? 2020)"] {
        assert!(next(&schedule(expression, "UTC"), "2026-01-01T00:00:00Z", 1).is_empty(), "{expression}");
    }
    assert!(next(&schedule("cron(0 0 1 1 ? *)", "UTC"), "2199-01-01T00:00:00Z", 1).is_empty());
}

#[test]
fn names_lists_ranges_and_steps_may_be_mixed() {
    check(
        "cron(0 0 1 JAN,MAR-APR,10/2 ? 2026)",
        "2026-01-01T00:00:00Z",
        &["2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z", "2026-10-01T00:00:00Z", "2026-12-01T00:00:00Z"],
    );
    check(
        "cron(0 0 ? * fri-mon *)",
        "2026-01-01T00:00:00Z",
        &[
            "2026-01-02T00:00:00Z",
            "2026-01-03T00:00:00Z",
            "2026-01-04T00:00:00Z",
            "2026-01-05T00:00:00Z",
            "2026-01-09T00:00:00Z",
        ],
    );
}
