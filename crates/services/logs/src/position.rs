//! Where an event stands among the others: by its time, then by its arrival. Pure.

use std::fmt;

/// Digits of a position's text: as many as an event id of the real service has.
const DIGITS: usize = 56;
/// Digits of the time among them.
const TIME_DIGITS: usize = 15;

/// Orders events by timestamp, and those of the same millisecond by arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) timestamp_ms: i64,
    pub(crate) sequence: u64,
}

impl Position {
    /// Behind everything: the largest time that still has its digits.
    pub(crate) const LAST: Self = Self { timestamp_ms: 999_999_999_999_999, sequence: u64::MAX };

    /// Before everything of that time.
    pub(crate) fn at(timestamp_ms: i64) -> Self {
        Self { timestamp_ms: timestamp_ms.clamp(0, Self::LAST.timestamp_ms), sequence: 0 }
    }

    /// The position directly behind.
    pub(crate) fn next(self) -> Self {
        match self.sequence.checked_add(1) {
            Some(sequence) => Self { sequence, ..self },
            None => Self { timestamp_ms: self.timestamp_ms + 1, sequence: 0 },
        }
    }

    /// Reads what `Display` writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() != DIGITS || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (time, sequence) = text.split_at(TIME_DIGITS);
        Some(Self { timestamp_ms: time.parse().ok()?, sequence: sequence.parse().ok()? })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { timestamp_ms, sequence } = self;
        write!(f, "{timestamp_ms:0time$}{sequence:0rest$}", time = TIME_DIGITS, rest = DIGITS - TIME_DIGITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_its_text_and_sorts_as_it() {
        let all = [Position::at(0), Position::at(7), Position { timestamp_ms: 7, sequence: 3 }, Position::LAST];
        for pair in all.windows(2) {
            assert!(pair[0] < pair[1] && pair[0].to_string() < pair[1].to_string());
        }
        for position in all {
            assert_eq!(position.to_string().len(), DIGITS);
            assert_eq!(Position::parse(&position.to_string()), Some(position));
        }
        for text in ["", "7", &"x".repeat(DIGITS), &"9".repeat(DIGITS)] {
            assert_eq!(Position::parse(text), None, "{text}");
        }
        assert_eq!(Position { timestamp_ms: 7, sequence: u64::MAX }.next(), Position::at(8));
    }
}
