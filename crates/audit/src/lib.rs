//! The audit log: every decision of the authorizer as a line of JSON, in files that rotate.
//!
//! [`Audit`] writes, [`reader`] reads; the two meet in the directory, so that the log can be read while no server runs.
//! What never lives here: deciding anything, and what a record says.
//!
//! ```text
//! request ──record──▶ queue (bounded) ──▶ writer thread ──▶ audit-START.jsonl   (newest last, oldest deleted)
//! ```

mod files;
pub mod reader;
mod writer;

pub use writer::{Audit, AuditError};

use hearth_ports::AuditRecord;
use serde::{Deserialize, Serialize};

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line {
    Decision(AuditRecord),
    /// So many decisions were made faster than they could be written, and are not in the log.
    #[serde(rename_all = "camelCase")]
    Lost {
        time_ms: i64,
        lost: u64,
    },
}

/// How many bytes of a file of the log, read while it may be written to, are whole lines.
#[must_use]
pub fn whole_bytes(file: &[u8]) -> usize {
    file.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}
