//! Running a function. The in-process boundary is this data, not HTTP.

use async_trait::async_trait;
use bytes::Bytes;
use hearth_types::{FunctionUid, RequestContext, SnapshotId, Version};

use crate::provisioned::{Provision, Provisioned};
use crate::response_stream::StreamedResponse;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InvocationType {
    RequestResponse,
    Event,
    DryRun,
}

#[derive(Clone, Debug)]
pub struct InvokeRequest {
    /// Bare name (the operation has already taken ARNs apart and checked account and region).
    pub function_name: String,
    pub qualifier: Option<hearth_types::Qualifier>,
    pub invocation_type: InvocationType,
    /// JSON, passed on untouched. Checked to be JSON by `admit`.
    pub payload: Bytes,
    /// Return the tail of the log.
    pub log_tail: bool,
    /// `X-Amz-Client-Context` as sent (base64).
    pub client_context: Option<String>,
    /// It came through a function URL: policies may ask for that.
    pub via_url: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvokeResponse {
    /// `None` for Event and DryRun.
    pub executed_version: Option<Version>,
    /// `Some("Unhandled")` when the function failed; then `payload` describes the failure.
    pub function_error: Option<&'static str>,
    pub payload: Bytes,
    /// Last 4 KB of the log including START, END and REPORT, when asked for.
    pub log_tail: Option<Bytes>,
}

/// Source: `TooManyRequestsException.Reason` in the Lambda API model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ThrottleReason {
    ConcurrentInvocationLimitExceeded,
    ReservedFunctionConcurrentInvocationLimitExceeded,
    FunctionInvocationRateLimitExceeded,
    ReservedFunctionInvocationRateLimitExceeded,
    CallerRateLimitExceeded,
}

impl ThrottleReason {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConcurrentInvocationLimitExceeded => "ConcurrentInvocationLimitExceeded",
            Self::ReservedFunctionConcurrentInvocationLimitExceeded => {
                "ReservedFunctionConcurrentInvocationLimitExceeded"
            }
            Self::FunctionInvocationRateLimitExceeded => "FunctionInvocationRateLimitExceeded",
            Self::ReservedFunctionInvocationRateLimitExceeded => "ReservedFunctionInvocationRateLimitExceeded",
            Self::CallerRateLimitExceeded => "CallerRateLimitExceeded",
        }
    }
}

/// Why no function ran. A function that ran and failed is an [`InvokeResponse`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    #[error("Function not found: {arn}")]
    FunctionNotFound { arn: String },
    #[error(
        "The operation cannot be performed at this time. The function is currently in the following state: {state}"
    )]
    NotReady { state: &'static str },
    /// `detail` is the whole text for the caller.
    #[error("{detail}")]
    InvalidRequestContent { detail: String },
    #[error("Request must be smaller than {max} bytes for the InvokeFunction operation")]
    PayloadTooLarge { max: usize },
    #[error("Rate Exceeded.")]
    Throttled { reason: ThrottleReason },
    /// The function comes back to itself again and again.
    #[error(
        "Lambda has detected your function being invoked in a recursive loop with other Amazon Web Services resources and stopped your function's invocation."
    )]
    RecursiveLoop,
    #[error("{message}")]
    AccessDenied { message: String },
    /// This machine cannot run the function as configured (runtime or architecture missing, limit not enforceable).
    #[error("{message}")]
    InvalidRuntime { message: String },
    /// An event cannot be stored. Hearth's own text.
    #[error("the disk is full")]
    DiskFull,
    /// Detail for the log; the caller gets the documented text.
    #[error("{detail}")]
    Internal { detail: String },
}

/// Implemented by the data plane.
#[async_trait]
pub trait Invoker: Send + Sync + 'static {
    /// RequestResponse resolves when the function has answered; Event when the event is durable.
    ///
    /// # Errors
    /// [`InvokeError`] when no function ran.
    async fn invoke(&self, ctx: &RequestContext, request: InvokeRequest) -> Result<InvokeResponse, InvokeError>;

    /// As [`invoke`](Self::invoke), for RequestResponse and DryRun; resolves as soon as the function begins to answer in
    /// streaming mode, or has answered or failed without beginning. What goes wrong from then on is told by the
    /// [`StreamCompletion`](crate::StreamCompletion).
    ///
    /// # Errors
    /// [`InvokeError`] when no function ran.
    async fn invoke_streaming(
        &self,
        ctx: &RequestContext,
        request: InvokeRequest,
    ) -> Result<StreamedResponse, InvokeError>;
}

/// Told by the control plane when snapshots stop being current.
#[async_trait]
pub trait EnvironmentKeeper: Send + Sync + 'static {
    /// Idle environments of that version end now, busy ones after their invocation, except those of `keep`.
    async fn retire(&self, ctx: &RequestContext, uid: &FunctionUid, version: Version, keep: Option<&SnapshotId>);

    /// All that the function is to have ready from now on; nothing when it has been deleted. What failed before is tried
    /// again.
    fn provision(&self, uid: &FunctionUid, provisions: Vec<Provision>);

    /// How far the function's provision of that qualifier has come. `None`: it has none.
    fn provisioned(&self, uid: &FunctionUid, qualifier: &str) -> Option<Provisioned>;
}
