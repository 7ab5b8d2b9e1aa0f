//! What answers at `AWS_LAMBDA_RUNTIME_API` inside one execution environment, as a library: the Runtime API, which a
//! runtime gets its events from, the Extensions API, the Telemetry API with the Logs API it replaced, the metadata
//! endpoint, and a call of Hearth's own for runtime processes that are started before they have a function. One
//! [`RuntimeApi`] belongs to one execution environment.
//!
//! ```text
//!  owner ─── invoke ──┐                         ┌── connection task ── GET  /next ────────── runtime process
//!      ↑              ▼                         ▼                      POST /{id}/response
//!      │        writes the event       session, extensions             POST /init/error
//!      │        into the parked        (tables) decide;       ──────── POST /extension/register ─── extension
//!      │        connections itself     nothing else holds              GET  /extension/event/next
//!      │                               state                           PUT  /telemetry
//!      ├──── the connection task hands the answer over ─┘
//!      └── publish ──> telemetry ── a task per subscriber ── POST ────────────────────────────────> extension
//! ```
//!
//! - [`session`], [`extensions`]: the state machines of the runtime and of an extension, pure.
//! - [`http`], [`calls`]: bytes to calls and back, pure.
//! - [`telemetry`]: events, subscriptions and their delivery.
//! - [`wire`], [`connection`], [`extension_calls`]: the sockets.
//! - [`environment`]: what the owner says and hears; [`api`]: the handle; [`shared`], [`agents`], [`preparation`]: the
//!   state that owner and connections share.
//!
//! What never lives here: anything that knows how the environment is isolated, or what a function's configuration is.

mod agents;
mod api;
mod calls;
mod connection;
mod environment;
mod extension_calls;
mod extensions;
mod http;
mod limits;
mod preparation;
mod session;
mod shared;
mod telemetry;
mod wire;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_types::RequestId;

pub use api::RuntimeApi;
pub use environment::{
    AssignError, Assignment, Dialer, EventSink, ExtensionFailure, Identity, InitError, Interruption, Metadata,
    RuntimeTiming, Settings, ShutdownReason,
};
pub use telemetry::event::{self, TelemetryEvent};

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
    /// Takes the response as it comes, where the runtime streams it. Without one it is kept until it is whole.
    pub sink: Option<Arc<dyn ResponseSink>>,
}

/// Where a streamed response goes.
#[async_trait]
pub trait ResponseSink: fmt::Debug + Send + Sync + 'static {
    /// The head of the response has come. Never blocks.
    fn begin(&self, content_type: Option<&str>);

    /// Takes the next bytes, never none. As long as it waits, nothing more is read from the runtime. Cancel-safe: the
    /// environment may end in the middle.
    ///
    /// # Errors
    /// [`TooMuch`]: it is not asked again, and the answer is [`RuntimeAnswer::TooLarge`].
    async fn take(&self, chunk: Bytes) -> Result<(), TooMuch>;
}

/// The response is longer than a streamed response may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the response is too long")]
pub struct TooMuch;

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
    /// The response has gone into the [`ResponseSink`].
    Streamed {
        bytes: usize,
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
