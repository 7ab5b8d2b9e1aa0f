//! What an error of the database means for us.

use std::error::Error as _;
use std::io;

use tokio_postgres::Error;

use crate::store::StoreError;

pub(super) type Step<T> = Result<T, Failure>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The connection ended, or no answer came: what was asked may have been done.
    Lost(String),
    Full,
    Damaged(String),
    /// Undone by the database, for reasons that need not be there the next time.
    Again(String),
    /// Another server owns the database now.
    TakenOver,
    /// Undone, and why.
    Other(String),
}

impl Failure {
    pub(super) fn of(error: &Error) -> Self {
        let text = describe(error);
        let Some(refusal) = error.as_db_error() else {
            let is_io = error.source().is_some_and(|source| source.is::<io::Error>());
            return if is_io || error.is_closed() { Self::Lost(text) } else { Self::Other(text) };
        };
        match refusal.code().code() {
            "53100" => Self::Full,
            "XX001" | "XX002" => Self::Damaged(text),
            "40001" | "40P01" | "HRT02" => Self::Again(text),
            "HRT01" => Self::TakenOver,
            // The database ends, restarts or has not started yet; the connection ends with it.
            code if code.starts_with("57P") || code.starts_with("08") => Self::Lost(text),
            _ => Self::Other(text),
        }
    }
}

/// One line for the log: the database's own words where it said any.
pub(super) fn describe(error: &Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(refusal), _) => format!("{} ({})", refusal.message(), refusal.code().code()),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::of(&error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Full => Self::Full,
            Failure::Damaged(detail) => Self::Damaged(detail),
            Failure::TakenOver => Self::Fenced,
            Failure::Lost(detail) | Failure::Again(detail) | Failure::Other(detail) => Self::Internal(detail),
        }
    }
}
