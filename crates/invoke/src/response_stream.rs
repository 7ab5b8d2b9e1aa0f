//! A response on its way from the runtime's connection to a caller who takes it as it comes.
//!
//! ```text
//! waiting ──begin──▶ streaming ──end──▶ ended        the caller has its answer at `begin`,
//!    └────────────────end─────────────────▲          or at `end` when there was none
//! ```
//!
//! What never lives here: the invocation, which does not notice whether anybody listens.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_ports::{InvokeError, InvokeResponse, StreamCompletion, StreamError, StreamedResponse};
use hearth_sandbox::{ResponseSink, TooMuch};
use hearth_types::Version;
use hearth_types::limits::{RESPONSE_STREAM_BURST_BYTES, RESPONSE_STREAM_BYTES_MAX, RESPONSE_STREAM_BYTES_PER_SECOND};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::token_bucket::TokenBucket;

/// Chunks between function and caller. Each is what one read from the runtime's socket brings, 64 KiB or so at most.
const CHUNKS_WAITING_MAX: usize = 8;

/// How much of a streamed response goes how fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    pub bytes_max: u64,
    /// Goes at any speed.
    pub burst_bytes: u64,
    /// Speed of what comes after the burst.
    pub bytes_per_second: u64,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            bytes_max: RESPONSE_STREAM_BYTES_MAX,
            burst_bytes: RESPONSE_STREAM_BURST_BYTES,
            bytes_per_second: RESPONSE_STREAM_BYTES_PER_SECOND,
        }
    }
}

pub(crate) type Answer = Result<StreamedResponse, InvokeError>;

/// What the runtime's connection writes to, for one invocation.
pub(crate) struct ResponseStream {
    limits: StreamLimits,
    opened: Instant,
    inner: Mutex<Inner>,
}

struct Inner {
    state: State,
    bucket: TokenBucket,
    bytes: u64,
}

enum State {
    Waiting { answer: oneshot::Sender<Answer>, version: Version },
    Streaming { chunks: mpsc::Sender<Bytes>, completion: oneshot::Sender<StreamCompletion> },
    Ended,
}

impl ResponseStream {
    /// One for an invocation of that version, and where its answer comes from.
    pub(crate) fn open(limits: StreamLimits, version: Version) -> (Arc<Self>, oneshot::Receiver<Answer>) {
        let (answer, answered) = oneshot::channel();
        let inner = Inner {
            state: State::Waiting { answer, version },
            bucket: TokenBucket::new(limits.burst_bytes, limits.bytes_per_second),
            bytes: 0,
        };
        (Arc::new(Self { limits, opened: Instant::now(), inner: Mutex::new(inner) }), answered)
    }

    /// Most bytes of a response: `None` while none has begun to stream.
    pub(crate) fn bytes_max(&self) -> Option<u64> {
        matches!(self.inner.lock().state, State::Streaming { .. }).then_some(self.limits.bytes_max)
    }

    /// The invocation is over. What the runtime still writes goes nowhere.
    pub(crate) fn end(&self, result: Result<InvokeResponse, InvokeError>) {
        // Who has gone need not know.
        match std::mem::replace(&mut self.inner.lock().state, State::Ended) {
            State::Waiting { answer, .. } => drop(answer.send(result.map(StreamedResponse::from))),
            State::Streaming { completion, .. } => drop(completion.send(completed(result))),
            State::Ended => {}
        }
    }
}

/// How a response that had begun has ended.
fn completed(result: Result<InvokeResponse, InvokeError>) -> StreamCompletion {
    let error = match result {
        Ok(InvokeResponse { function_error, payload, log_tail, .. }) => {
            let error = function_error.map(|code| StreamError { code, details: payload });
            return StreamCompletion { error, log_tail };
        }
        Err(error) => error,
    };
    let (code, text) = match &error {
        InvokeError::Throttled { .. } => ("TooManyRequestsException", error.to_string()),
        _ => ("ServiceException", "The service ended the invocation.".to_owned()),
    };
    let details = serde_json::json!({ "errorMessage": text }).to_string().into();
    StreamCompletion { error: Some(StreamError { code, details }), log_tail: None }
}

#[async_trait]
impl ResponseSink for ResponseStream {
    fn begin(&self, content_type: Option<&str>) {
        let mut inner = self.inner.lock();
        let State::Waiting { version, .. } = inner.state else { return };
        let (chunks, incoming) = mpsc::channel(CHUNKS_WAITING_MAX);
        let (completion, completed) = oneshot::channel();
        let before = std::mem::replace(&mut inner.state, State::Streaming { chunks, completion });
        drop(inner);
        let mut response = StreamedResponse::new(Some(version), incoming, completed);
        response.is_streamed = true;
        response.content_type = content_type.map(str::to_owned);
        if let State::Waiting { answer, .. } = before {
            // Nobody waits any more: then nobody reads, either.
            let _ = answer.send(Ok(response));
        }
    }

    async fn take(&self, chunk: Bytes) -> Result<(), TooMuch> {
        let (chunks, wait) = {
            let mut inner = self.inner.lock();
            inner.bytes = inner.bytes.saturating_add(chunk.len() as u64);
            if inner.bytes > self.limits.bytes_max {
                return Err(TooMuch);
            }
            let State::Streaming { chunks, .. } = &inner.state else { return Ok(()) };
            let chunks = chunks.clone();
            if chunks.is_closed() {
                return Ok(());
            }
            (chunks, inner.bucket.take(self.opened.elapsed(), chunk.len() as u64))
        };
        if !wait.is_zero() {
            // A caller who goes away must not hold up what nobody waits for any more.
            let _ = tokio::time::timeout(wait, chunks.closed()).await;
        }
        // Nor is it the function's business that one has gone.
        let _ = chunks.send(chunk).await;
        Ok(())
    }
}

impl fmt::Debug for ResponseStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseStream").field("limits", &self.limits).finish_non_exhaustive()
    }
}
