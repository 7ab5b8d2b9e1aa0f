//! A function's answer as it comes: chunks, then how it ended. What never lives here: who makes it, and what it means.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hearth_types::Version;
use tokio::sync::{mpsc, oneshot};

use crate::invoke::InvokeResponse;

/// The answer of a function, from the moment on at which it began. Read it with [`next`](Self::next) or
/// [`poll_next`](Self::poll_next) until [`StreamEvent::Complete`].
///
/// Whoever reads slowly slows the function, at most until its time-out. Dropping it does not end the function: that runs
/// on, and what it still says is thrown away.
#[derive(Debug)]
pub struct StreamedResponse {
    /// `None` for DryRun.
    pub executed_version: Option<Version>,
    /// The function answers in streaming mode, so that chunks come as it writes them. Else its whole answer is one chunk,
    /// or there is none because it failed before it began.
    pub is_streamed: bool,
    /// `Content-Type` of a streamed answer as the runtime gave it: `application/vnd.awslambda.http-integration-response`
    /// says that it begins with the status and headers of an HTTP response (JSON, then eight zero bytes).
    pub content_type: Option<String>,
    chunks: mpsc::Receiver<Bytes>,
    completion: oneshot::Receiver<StreamCompletion>,
    is_complete: bool,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// Bytes of the answer, never none; where one chunk ends means nothing.
    Chunk(Bytes),
    /// The last event of every stream.
    Complete(StreamCompletion),
}

/// How a streamed answer ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamCompletion {
    /// `None` when the function has said all it wanted.
    pub error: Option<StreamError>,
    /// Last 4 KB of the log including START, END and REPORT, when asked for.
    pub log_tail: Option<Bytes>,
}

/// What went wrong, also after chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamError {
    /// `Unhandled` when the function failed; else the code of the platform's exception.
    pub code: &'static str,
    /// As the payload of a failed [`InvokeResponse`]: mostly JSON.
    pub details: Bytes,
}

impl StreamedResponse {
    /// An answer that begins now. Dropping both senders without a completion reads as one of the platform's own errors.
    #[must_use]
    pub const fn new(
        executed_version: Option<Version>,
        chunks: mpsc::Receiver<Bytes>,
        completion: oneshot::Receiver<StreamCompletion>,
    ) -> Self {
        Self { executed_version, is_streamed: false, content_type: None, chunks, completion, is_complete: false }
    }

    /// An answer that is whole already, or has failed before it began.
    #[must_use]
    pub fn whole(executed_version: Option<Version>, body: Bytes, completion: StreamCompletion) -> Self {
        let (sender, chunks) = mpsc::channel(1);
        if !body.is_empty() {
            // There is room for one.
            let _ = sender.try_send(body);
        }
        let (complete, completed) = oneshot::channel();
        let _ = complete.send(completion);
        Self::new(executed_version, chunks, completed)
    }

    /// The next event; `None` after the last. Cancel-safe.
    pub async fn next(&mut self) -> Option<StreamEvent> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`next`](Self::next).
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<StreamEvent>> {
        if self.is_complete {
            return Poll::Ready(None);
        }
        if let Some(chunk) = ready!(self.chunks.poll_recv(cx)) {
            return Poll::Ready(Some(StreamEvent::Chunk(chunk)));
        }
        let completion = ready!(Pin::new(&mut self.completion).poll(cx));
        self.is_complete = true;
        Poll::Ready(Some(StreamEvent::Complete(completion.unwrap_or_else(|_| StreamCompletion::broken()))))
    }
}

impl From<InvokeResponse> for StreamedResponse {
    fn from(response: InvokeResponse) -> Self {
        let InvokeResponse { executed_version, function_error, payload, log_tail } = response;
        let (body, error) = match function_error {
            Some(code) => (Bytes::new(), Some(StreamError { code, details: payload })),
            None => (payload, None),
        };
        Self::whole(executed_version, body, StreamCompletion { error, log_tail })
    }
}

impl StreamCompletion {
    /// Nobody says how it ended.
    fn broken() -> Self {
        let details = Bytes::from_static(br#"{"errorMessage":"The invocation was lost."}"#);
        Self { error: Some(StreamError { code: "ServiceException", details }), log_tail: None }
    }
}
