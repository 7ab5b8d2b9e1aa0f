//! Time as a parameter. Only [`SystemClock`] reads the machine's clock.
//!
//! Two clocks exist (see docs/time.md): the wall's for signatures, deadlines and log timestamps, the service's for
//! retries, event age and delays. Both are a [`Clock`]; which one a timer uses is decided where it is wired.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::units::Millis;

/// A source of time in milliseconds since the Unix epoch.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> i64;

    /// How much of the machine's time goes by while that much of this clock's does.
    fn machine_time(&self, span: Millis) -> Millis {
        span
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now_ms(&self) -> i64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A clock that tests move by hand.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    #[must_use]
    pub fn at(now_ms: i64) -> Self {
        Self(AtomicI64::new(now_ms))
    }

    pub fn advance(&self, by_ms: i64) {
        self.0.fetch_add(by_ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// What another clock showed when this one did: where a service clock goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    pub wall_ms: i64,
    pub service_ms: i64,
}

/// The clock of retries, ages, delays and schedules: another clock, some times as fast since an anchor.
pub struct ServiceClock {
    wall: Arc<dyn Clock>,
    anchor: Anchor,
    scale: u32,
}

impl ServiceClock {
    /// `scale`: seconds of this clock in one of the wall's; at least 1.
    #[must_use]
    pub fn new(wall: Arc<dyn Clock>, anchor: Anchor, scale: u32) -> Self {
        Self { wall, anchor, scale: scale.max(1) }
    }

    /// Both clocks at this moment.
    #[must_use]
    pub fn anchor(&self) -> Anchor {
        let wall_ms = self.wall.now_ms();
        let passed = wall_ms.saturating_sub(self.anchor.wall_ms).saturating_mul(self.scale.into());
        Anchor { wall_ms, service_ms: self.anchor.service_ms.saturating_add(passed) }
    }
}

impl Clock for ServiceClock {
    fn now_ms(&self) -> i64 {
        self.anchor().service_ms
    }

    fn machine_time(&self, span: Millis) -> Millis {
        Millis(self.wall.machine_time(span).0.div_ceil(self.scale.into()))
    }
}

/// `2026-01-12T15:37:12.000+0000`, the form of Lambda's `LastModified`.
#[must_use]
pub fn lambda_timestamp(now_ms: i64) -> String {
    format_utc(now_ms, "%Y-%m-%dT%H:%M:%S%.3f+0000")
}

/// `2026-01-12T15:37:12.000Z`.
#[must_use]
pub fn iso8601_ms(now_ms: i64) -> String {
    format_utc(now_ms, "%Y-%m-%dT%H:%M:%S%.3fZ")
}

/// Formats a UTC instant with a strftime-like pattern.
#[must_use]
pub fn format_utc(now_ms: i64, pattern: &str) -> String {
    jiff::Timestamp::from_millisecond(now_ms)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .to_zoned(jiff::tz::TimeZone::UTC)
        .strftime(pattern)
        .to_string()
}

/// Milliseconds since the Unix epoch of a time such as `2026-01-12T15:37:12.5+01:00` (RFC 3339); `None` for what is none.
#[must_use]
pub fn parse_rfc3339_ms(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_clock_goes_on_from_its_anchor_some_times_as_fast() {
        let wall = Arc::new(ManualClock::at(10_000));
        let anchor = Anchor { wall_ms: 4_000, service_ms: 50_000 };
        let service = ServiceClock::new(Arc::clone(&wall) as _, anchor, 60);
        assert_eq!(service.now_ms(), 50_000 + 6_000 * 60);
        wall.advance(1_000);
        assert_eq!(service.anchor(), Anchor { wall_ms: 11_000, service_ms: 50_000 + 7_000 * 60 });
        assert_eq!(service.machine_time(Millis::from_secs(60)), Millis::from_secs(1));
        assert_eq!(service.machine_time(Millis(1)), Millis(1), "never too early");
        let plain = ServiceClock::new(wall, anchor, 1);
        assert_eq!((plain.now_ms(), plain.machine_time(Millis(7))), (57_000, Millis(7)));
    }

    #[test]
    fn rfc_3339_times_are_read_and_nothing_else() {
        for text in ["2026-01-12T15:37:12Z", "2026-01-12T16:37:12.000+01:00", "2026-01-12T15:37:12.000999Z"] {
            assert_eq!(parse_rfc3339_ms(text), Some(1_768_232_232_000), "{text}");
        }
        for text in ["", "1768232232", "2026-01-12", "2026-01-12T15:37:12", "yesterday"] {
            assert_eq!(parse_rfc3339_ms(text), None, "{text}");
        }
    }

    #[test]
    fn last_modified_has_millis_and_numeric_zone() {
        assert_eq!(lambda_timestamp(1_768_232_232_000), "2026-01-12T15:37:12.000+0000");
    }
}
