//! The Lambda Runtime API as a library: what a runtime inside an execution environment calls to get its next event
//! and to answer it. One [`RuntimeApi`] belongs to one execution environment.
//!
//! ```text
//!  caller ── invoke ──┐                       ┌── connection task ── GET  /next ─────────── runtime process
//!      ↑              ▼                       ▼                      POST /{id}/response
//!      │        writes the event       session (a table)             POST /{id}/error
//!      │        into the parked        decides; nothing              POST /init/error
//!      │        connection itself      else holds state
//!      └──────────── the connection task hands the answer over ─────────────┘
//! ```
//!
//! - [`session`]: the state machine, pure.
//! - [`http`], [`calls`]: bytes to calls and back, pure.
//! - [`wire`], [`connection`]: the sockets.
//! - [`api`]: the handle, and the state that callers and connections share.
//!
//! What never lives here: anything that knows how the environment is isolated, or what a function's configuration is.

mod api;
mod calls;
mod connection;
mod http;
mod limits;
mod session;
mod wire;

use std::sync::Arc;

use bytes::Bytes;
use hearth_types::RequestId;

pub use api::RuntimeApi;

/// One event for the runtime.
#[derive(Clone, Debug)]
pub struct Invocation {
    pub request_id: RequestId,
    /// When the function runs into its time-out, milliseconds since the Unix epoch.
    pub deadline_ms: i64,
    pub invoked_arn: String,
    /// `X-Amzn-Trace-Id` of the caller.
    pub trace: Option<Arc<str>>,
    /// Client context, decoded to its JSON text.
    pub client_context: Option<String>,
    /// `None` means `application/json`.
    pub content_type: Option<String>,
    pub payload: Bytes,
}

/// What a runtime reports about a failed init or invocation. The body goes to the caller untouched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionError {
    pub body: Bytes,
    /// `Lambda-Runtime-Function-Error-Type` where it has AWS's form, else `Runtime.Unknown` or `Function.Unknown`;
    /// `None` when the runtime sent none.
    pub error_type: Option<String>,
}

/// How the runtime answered an [`Invocation`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuntimeAnswer {
    Response {
        body: Bytes,
    },
    Error(FunctionError),
    /// More than the allowed response size; `size` in bytes as far as it was counted.
    TooLarge {
        size: usize,
    },
    /// The connection ended in the middle of the answer.
    Truncated,
    /// No answer will come: the API was reset or closed, or another invocation is still in progress.
    Closed,
}
