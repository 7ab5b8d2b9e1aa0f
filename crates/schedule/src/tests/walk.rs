//! The next occurrence is what somebody finds who looks at the clock each minute.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil::DateTime};
use proptest::prelude::*;

use super::{ms, schedule};
use crate::{Expression, Schedule, Zone};

/// Zones with changes of an hour, of half an hour, and with none.
const ZONES: [&str; 4] = ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/New_York"];
/// Beside which it is looked: a leap day, the two changes of each zone, the turn of a year.
const MOMENTS: [&str; 8] = [
    "2028-02-28T20:00:00Z",
    "2026-03-28T20:00:00Z",
    "2026-10-24T20:00:00Z",
    "2026-03-07T20:00:00Z",
    "2026-10-31T20:00:00Z",
    "2026-04-04T08:00:00Z",
    "2026-10-03T08:00:00Z",
    "2026-12-31T08:00:00Z",
];
const WALK_MINUTES: i64 = 2 * 24 * 60;
const MINUTE_MS: i64 = 60_000;

#[derive(Clone, Debug)]
struct Fields {
    minutes: BTreeSet<i8>,
    hours: BTreeSet<i8>,
    months: BTreeSet<i8>,
    /// Days of month, or else of week, Sunday being 1.
    days: Result<BTreeSet<i8>, BTreeSet<i8>>,
}

impl Fields {
    fn expression(&self) -> String {
        let list = |numbers: &BTreeSet<i8>| numbers.iter().map(i8::to_string).collect::<Vec<_>>().join(",");
        let (of_month, of_week) = match &self.days {
            Ok(days) => (list(days), "?".to_owned()),
            Err(days) => ("?".to_owned(), list(days)),
        };
        format!("cron({} {} {of_month} {} {of_week} *)", list(&self.minutes), list(&self.hours), list(&self.months))
    }

    fn has(&self, shown: DateTime) -> bool {
        let is_day = match &self.days {
            Ok(days) => days.contains(&shown.day()),
            Err(days) => days.contains(&shown.weekday().to_sunday_one_offset()),
        };
        is_day
            && self.minutes.contains(&shown.minute())
            && self.hours.contains(&shown.hour())
            && self.months.contains(&shown.month())
    }
}

fn fields() -> impl Strategy<Value = Fields> {
    let some = |range: std::ops::RangeInclusive<i8>, most: usize| prop::collection::btree_set(range, 1..=most);
    let days = prop_oneof![some(1..=31, 31).prop_map(Ok), some(1..=7, 7).prop_map(Err)];
    (some(0..=59, 20), some(0..=23, 12), some(1..=12, 12), days).prop_map(|(minutes, hours, months, days)| Fields {
        minutes,
        hours,
        months,
        days,
    })
}

/// Looks at the clock each minute.
fn walk(fields: &Fields, zone: &TimeZone, after_ms: i64) -> Option<i64> {
    let first = after_ms.div_euclid(MINUTE_MS) + 1;
    (first..first + WALK_MINUTES).map(|minute| minute * MINUTE_MS).find(|at_ms| {
        let instant = Timestamp::from_millisecond(*at_ms).expect("a time");
        let shown = zone.to_datetime(instant);
        // What clocks show for the second time does not count.
        let is_first = zone.to_ambiguous_timestamp(shown).earlier().is_ok_and(|earlier| earlier == instant);
        is_first && fields.has(shown)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_next_occurrence_has_the_fields_and_nothing_before_it_has(
        fields in fields(),
        zone in prop::sample::select(&ZONES[..]),
        moment in prop::sample::select(&MOMENTS[..]),
        later_ms in 0..MINUTE_MS * 60 * 12,
    ) {
        let after_ms = ms(moment) + later_ms;
        let schedule = schedule(&fields.expression(), zone);
        let next = schedule.next_after(after_ms);
        match walk(&fields, &TimeZone::get(zone).expect(zone), after_ms) {
            Some(walked) => prop_assert_eq!(next, Some(walked)),
            None => prop_assert!(next.is_none_or(|at_ms| at_ms > after_ms + WALK_MINUTES * MINUTE_MS)),
        }
    }

    #[test]
    fn whatever_is_said_is_read_or_refused_and_answers(
        fields in prop::collection::vec("[0-9A-Za-z*?,/#-]{1,6}", 6..=6),
        noise in "\\PC{0,24}",
        after_ms in 0..4_102_444_800_000_i64,
    ) {
        let cron = format!("cron({})", fields.join(" "));
        for text in [cron, format!("rate({noise})"), format!("at({noise})"), format!("cron({noise})"), noise] {
            if let Ok(expression) = Expression::parse(&text) {
                let schedule = Schedule { expression, zone: Zone::UTC, anchor_ms: 0, start_ms: None, end_ms: None };
                prop_assert!(schedule.next_after(after_ms).is_none_or(|at_ms| at_ms > after_ms), "{}", text);
            }
        }
    }

    #[test]
    fn the_last_that_was_missed_is_the_last_of_a_walk(
        expression in prop::sample::select(&["cron(0/7 * * * ? *)", "rate(7 minutes)", "at(2026-03-29T10:00:00)"][..]),
        after_ms in 0..MINUTE_MS * 60,
        span_ms in 0..MINUTE_MS * 60 * 30,
    ) {
        let mut schedule = schedule(expression, "Europe/Berlin");
        schedule.anchor_ms = ms("2026-03-28T20:03:10Z");
        schedule.end_ms = Some(ms("2026-03-29T18:00:00Z"));
        let after_ms = ms("2026-03-28T20:00:00Z") + after_ms;
        let until_ms = after_ms + span_ms;
        let mut last = None;
        while let Some(at_ms) = schedule.next_after(last.unwrap_or(after_ms)).filter(|at_ms| *at_ms <= until_ms) {
            last = Some(at_ms);
        }
        prop_assert_eq!(schedule.last_between(after_ms, until_ms), last);
    }
}
