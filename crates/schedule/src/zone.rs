//! Time zones by their IANA names, from the database that is compiled in.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, Zoned};

/// A time zone of the IANA database.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone(TimeZone);

impl Zone {
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The zone of exactly that name; `None` when there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let zone = TimeZone::get(name).ok()?;
        (zone.iana_name() == Some(name)).then_some(Self(zone))
    }

    /// What clocks in this zone show at that moment.
    pub(crate) fn civil(&self, instant_ms: i64) -> Option<DateTime> {
        let instant = Timestamp::from_millisecond(instant_ms).ok()?;
        Some(Zoned::new(instant, self.0.clone()).datetime())
    }

    /// The moment when clocks in this zone show that, for the first time if they show it twice; `None` if they never do.
    /// Source: EventBridge Scheduler user guide, "Daylight savings time on EventBridge Scheduler": an invocation at a time
    /// that does not exist is skipped, one at a time that comes twice happens once.
    pub(crate) fn instant_ms(&self, civil: DateTime) -> Option<i64> {
        let ambiguous = self.0.to_ambiguous_timestamp(civil);
        if matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. }) {
            return None;
        }
        Some(ambiguous.earlier().ok()?.as_millisecond())
    }
}
