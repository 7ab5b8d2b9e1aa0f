//! Time as a parameter. Only [`SystemClock`] reads the machine's clock.
//!
//! Two clocks exist (see ARCHITECTURE.md): `Wall` for signatures, deadlines and log timestamps, `Service` for
//! retries, event age and retention. Both are a [`Clock`]; which one a timer uses is decided where it is wired.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A source of time in milliseconds since the Unix epoch.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> i64;
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
