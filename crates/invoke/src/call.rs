//! What goes into an environment and what comes out of it: data only.

use std::sync::Arc;

use bytes::Bytes;
use hearth_types::RequestId;

use crate::response_stream::ResponseStream;

/// An event on its way to an environment.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) request_id: RequestId,
    pub(crate) invoked_arn: String,
    pub(crate) trace: Arc<str>,
    /// Decoded JSON text.
    pub(crate) client_context: Option<String>,
    pub(crate) payload: Bytes,
    pub(crate) log_tail: bool,
    /// Takes the answer as it comes, where the function streams it.
    pub(crate) stream: Option<Arc<ResponseStream>>,
}

/// What a function answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    /// Empty when it went into the call's stream.
    pub(crate) body: Bytes,
    pub(crate) bytes: usize,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) payload: Bytes,
    pub(crate) is_error: bool,
    /// The machine had no memory left for it: the caller is told to come again.
    pub(crate) is_evicted: bool,
    pub(crate) log_tail: Option<Bytes>,
    /// Until the last extension was done.
    pub(crate) duration_us: u64,
    /// The part of it after the answer.
    pub(crate) extensions_us: u64,
}
