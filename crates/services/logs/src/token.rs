//! What stands in a `nextToken`. Pure.

use std::fmt;

use crate::error::LogsError;
use crate::position::Position;

/// Of GetLogEvents and FilterLogEvents: a direction and where to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventToken {
    /// Events from this position on.
    Forward(Position),
    /// Events before this position.
    Backward(Position),
}

impl EventToken {
    /// # Errors
    /// [`LogsError::InvalidToken`].
    pub(crate) fn parse(text: &str) -> Result<Self, LogsError> {
        let position = |text: &str| Position::parse(text.strip_suffix("/s")?);
        let token = match text.split_at_checked(2) {
            Some(("f/", rest)) => position(rest).map(Self::Forward),
            Some(("b/", rest)) => position(rest).map(Self::Backward),
            _ => None,
        };
        token.ok_or(LogsError::InvalidToken)
    }
}

impl fmt::Display for EventToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forward(position) => write!(f, "f/{position}/s"),
            Self::Backward(position) => write!(f, "b/{position}/s"),
        }
    }
}

/// Of a list in the order of names: the last name that was shown.
pub(crate) fn of_name(name: &str) -> String {
    format!("n/{name}")
}

/// # Errors
/// [`LogsError::InvalidToken`].
pub(crate) fn name(token: Option<&str>) -> Result<Option<&str>, LogsError> {
    token.map(|token| token.strip_prefix("n/").ok_or(LogsError::InvalidToken)).transpose()
}

/// Of a list in the order of times: the last one that was shown, and its name.
pub(crate) fn of_time(time_ms: i64, name: &str) -> String {
    format!("t/{time_ms}/{name}")
}

/// # Errors
/// [`LogsError::InvalidToken`].
pub(crate) fn time(token: Option<&str>) -> Result<Option<(i64, &str)>, LogsError> {
    let Some(token) = token else { return Ok(None) };
    let parts = token.strip_prefix("t/").and_then(|rest| rest.split_once('/'));
    let parsed = parts.and_then(|(time, name)| Some((time.parse().ok()?, name)));
    parsed.map(Some).ok_or(LogsError::InvalidToken)
}
