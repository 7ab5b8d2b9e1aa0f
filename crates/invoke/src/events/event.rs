//! What was accepted.

use hearth_delivery::Body;
use hearth_store::Record;
use hearth_types::{FunctionUid, Qualifier};
use serde::{Deserialize, Serialize};

/// The lane's name.
pub(crate) const LANE: &str = "lambda.event";

/// The uid ties the event to one life of the function; the qualifier is resolved at each attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) function_name: String,
    pub(crate) uid: FunctionUid,
    pub(crate) qualifier: Option<Qualifier>,
    pub(crate) trace: Option<String>,
    /// Its function comes back to itself again and again: it is not run, and who is to be told is told. Source: Lambda
    /// developer guide, "Use Lambda recursive loop detection to prevent infinite loops".
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_stopped: bool,
    /// The JSON text as sent.
    pub(crate) payload: String,
}

impl Record for Event {
    const KIND: &'static str = LANE;
    const VERSION: u32 = 2;
}

impl Body for Event {
    fn size(&self) -> usize {
        self.payload.len() + 256
    }
}
