//! What the batch operations have in common: their entries' ids, and an answer for each.

use std::collections::HashSet;

use serde::Serialize;

use crate::error::SqsError;
use crate::limits::BATCH_ENTRIES_MAX;

/// Of an id, characters. Recorded.
const ID_MAX: usize = 80;

/// Why an entry was not done.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FailedEntry {
    id: String,
    sender_fault: bool,
    code: &'static str,
    message: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output<T> {
    // Both are always there in JSON, as the model says.
    successful: Vec<T>,
    failed: Vec<FailedEntry>,
}

impl<T> Default for Output<T> {
    fn default() -> Self {
        Self { successful: Vec::new(), failed: Vec::new() }
    }
}

impl<T> Output<T> {
    /// Adds the answer for an entry.
    pub(crate) fn push(&mut self, id: String, outcome: Result<T, SqsError>) {
        match outcome {
            Ok(entry) => self.successful.push(entry),
            Err(error) => self.failed.push(FailedEntry {
                id,
                sender_fault: !error.http_status().is_server_error(),
                code: error.aws_code(),
                message: error.told(),
            }),
        }
    }
}

/// Entries and their ids: one to ten, each with an id of its own. `kind` is what the request calls an entry.
///
/// # Errors
/// What is wrong with the batch as a whole.
pub(crate) fn check<E>(
    kind: &'static str,
    entries: Option<Vec<E>>,
    id: impl Fn(&mut E) -> Option<String>,
) -> Result<Vec<(String, E)>, SqsError> {
    let entries = entries.unwrap_or_default();
    if entries.is_empty() {
        return Err(SqsError::EmptyBatch(kind));
    }
    if entries.len() > BATCH_ENTRIES_MAX {
        return Err(SqsError::TooManyEntries(entries.len()));
    }
    let mut known = HashSet::new();
    let mut checked = Vec::with_capacity(entries.len());
    for mut entry in entries {
        let id = id(&mut entry).unwrap_or_default();
        let is_valid = (1..=ID_MAX).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !is_valid {
            return Err(SqsError::BatchEntryId);
        }
        if !known.insert(id.clone()) {
            return Err(SqsError::RepeatedId(id));
        }
        checked.push((id, entry));
    }
    Ok(checked)
}
