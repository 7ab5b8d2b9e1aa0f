//! Points in time as the protocols write them: epoch seconds, ISO 8601 (`date-time`) and RFC 7231 (`http-date`).
//! Source of the forms: Smithy specification, "timestampFormat trait".

use jiff::fmt::{rfc2822, temporal};
use jiff::tz::TimeZone;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// Milliseconds since the Unix epoch, for model members of type timestamp.
///
/// Outside this crate's codec it serialises as epoch seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// How a timestamp is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampFormat {
    /// Seconds since the epoch, fractional when needed.
    EpochSeconds,
    /// `2019-12-16T23:48:18Z`
    DateTime,
    /// `Mon, 16 Dec 2019 23:48:18 GMT`
    HttpDate,
}

/// The newtype name by which this crate's serializer recognises a timestamp.
pub(crate) const NEWTYPE: &str = "$hearth_wire::Timestamp";

impl Timestamp {
    #[must_use]
    pub const fn from_ms(epoch_ms: i64) -> Self {
        Self(epoch_ms)
    }

    #[must_use]
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// Seconds since the epoch; `None` when out of range or not a number.
    #[must_use]
    pub fn from_seconds(seconds: f64) -> Option<Self> {
        let ms = (seconds * 1000.0).round();
        // Years beyond 9999 have no text form in any of the formats.
        (ms.abs() <= 253_402_300_799_999.0).then_some(Self(ms as i64))
    }

    #[must_use]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// Reads any of the formats; epoch seconds only when they are a plain number.
    #[must_use]
    pub fn parse(text: &str, format: TimestampFormat) -> Option<Self> {
        match format {
            TimestampFormat::EpochSeconds => text.parse().ok().and_then(Self::from_seconds),
            TimestampFormat::DateTime => temporal::DateTimeParser::new().parse_timestamp(text).ok().map(Self::of),
            TimestampFormat::HttpDate => rfc2822::DateTimeParser::new().parse_timestamp(text).ok().map(Self::of),
        }
    }

    /// Writes it; epoch seconds have a fraction only when it is not zero.
    #[must_use]
    pub fn format(self, format: TimestampFormat) -> String {
        match format {
            TimestampFormat::EpochSeconds if self.0 % 1000 == 0 => (self.0 / 1000).to_string(),
            TimestampFormat::EpochSeconds => self.seconds().to_string(),
            TimestampFormat::DateTime if self.0 % 1000 == 0 => self.strftime("%Y-%m-%dT%H:%M:%SZ"),
            TimestampFormat::DateTime => self.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"),
            TimestampFormat::HttpDate => self.strftime("%a, %d %b %Y %H:%M:%S GMT"),
        }
    }

    fn of(timestamp: jiff::Timestamp) -> Self {
        Self(timestamp.as_millisecond())
    }

    fn strftime(self, pattern: &str) -> String {
        jiff::Timestamp::from_millisecond(self.0)
            .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
            .to_zoned(TimeZone::UTC)
            .strftime(pattern)
            .to_string()
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(NEWTYPE, &self.seconds())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seconds;
        impl Visitor<'_> for Seconds {
            type Value = Timestamp;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("seconds since the epoch")
            }
            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Timestamp, E> {
                Timestamp::from_seconds(seconds).ok_or_else(|| E::custom("timestamp out of range"))
            }
            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Timestamp, E> {
                self.visit_f64(seconds as f64)
            }
            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Timestamp, E> {
                self.visit_f64(seconds as f64)
            }
        }
        deserializer.deserialize_f64(Seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The examples of the Smithy specification's timestampFormat trait.
    #[test]
    fn every_format_is_read_and_written() {
        let at = Timestamp::from_ms(1_576_540_098_000);
        for (format, text) in [
            (TimestampFormat::EpochSeconds, "1576540098"),
            (TimestampFormat::DateTime, "2019-12-16T23:48:18Z"),
            (TimestampFormat::HttpDate, "Mon, 16 Dec 2019 23:48:18 GMT"),
        ] {
            assert_eq!(at.format(format), text);
            assert_eq!(Timestamp::parse(text, format), Some(at), "{text}");
        }
    }

    #[test]
    fn fractions_and_offsets_survive() {
        let at = Timestamp::parse("2000-01-02T20:34:56.123Z", TimestampFormat::DateTime).expect("valid");
        assert_eq!(at.ms(), 946_845_296_123);
        assert_eq!(at.format(TimestampFormat::EpochSeconds), "946845296.123");
        assert_eq!(at.format(TimestampFormat::DateTime), "2000-01-02T20:34:56.123Z");
        let east = Timestamp::parse("2019-12-17T00:48:18+01:00", TimestampFormat::DateTime).expect("valid");
        assert_eq!(east.ms(), 1_576_540_098_000);
    }

    #[test]
    fn nonsense_is_no_time() {
        for format in [TimestampFormat::EpochSeconds, TimestampFormat::DateTime, TimestampFormat::HttpDate] {
            for text in ["", "x", "NaN", "inf", "1e300", "2019-13-01T00:00:00Z"] {
                assert_eq!(Timestamp::parse(text, format), None, "{text} {format:?}");
            }
        }
    }
}
