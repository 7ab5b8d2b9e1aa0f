//! InvokeWithResponseStream: an invocation whose answer goes to the caller as the function writes it, in an event stream.
//!
//! Whether the caller may invoke is the data plane's question, as with Invoke. Once the answer has begun the status is
//! 200 whatever happens: a failure is told by the last event. Source: Lambda API reference, InvokeWithResponseStream.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hearth_ports::{InvocationType, StreamCompletion, StreamEvent, StreamedResponse};
use hearth_types::RequestContext;
use hearth_wire::event_stream::{self, Message};
use hearth_wire::{Body, BodyError, RawRequest};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body::Frame;
use serde::Serialize;

use super::invoke::{EXECUTED_VERSION, InvocationTypes, REMAPPED_CONTENT_LENGTH, TRACE_ID, read};
use crate::error::LambdaError;
use crate::lambda::Lambda;

pub(super) async fn handle(
    lambda: Arc<Lambda>,
    ctx: RequestContext,
    request: RawRequest,
) -> Result<Response<Body>, LambdaError> {
    let (ctx, request) = read(&lambda, ctx, request, &InvocationTypes::STREAMING)?;
    let invocation_type = request.invocation_type;
    let response = lambda.invoker.invoke_streaming(&ctx, request).await?;
    let version = response.executed_version.map(|version| version.to_string());
    let mut http = match invocation_type {
        InvocationType::DryRun => {
            let mut http = Response::new(Body::empty());
            *http.status_mut() = StatusCode::NO_CONTENT;
            http
        }
        InvocationType::RequestResponse | InvocationType::Event => {
            let mut http = Response::new(Body::stream(Events(response)));
            http.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(event_stream::MEDIA_TYPE));
            http
        }
    };
    http.headers_mut().insert(REMAPPED_CONTENT_LENGTH, HeaderValue::from_static("0"));
    let mut set = |name: HeaderName, value: Option<&str>| {
        if let Some(Ok(value)) = value.map(HeaderValue::from_str) {
            http.headers_mut().insert(name, value);
        }
    };
    set(TRACE_ID, ctx.trace.as_deref());
    set(EXECUTED_VERSION, version.as_deref());
    Ok(http)
}

/// The body: each event of the answer as a message.
struct Events(StreamedResponse);

/// Source: the model's `InvokeWithResponseStreamCompleteEvent`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct InvokeComplete<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_details: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_result: Option<String>,
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(event) = ready!(self.0.poll_next(cx)) else { return Poll::Ready(None) };
        let encoded = match event {
            StreamEvent::Chunk(payload) => encode("PayloadChunk", "application/octet-stream", payload),
            StreamEvent::Complete(completion) => complete(&completion),
        };
        if let Err(error) = &encoded {
            tracing::error!(%error, "an event of a streamed response");
        }
        Poll::Ready(Some(encoded.map(Frame::data)))
    }
}

fn complete(completion: &StreamCompletion) -> Result<Bytes, BodyError> {
    let error = completion.error.as_ref();
    let event = InvokeComplete {
        error_code: error.map(|error| error.code),
        error_details: error.map(|error| String::from_utf8_lossy(&error.details).into_owned()),
        log_result: completion.log_tail.as_ref().map(|tail| STANDARD.encode(tail)),
    };
    encode("InvokeComplete", "application/json", serde_json::to_vec(&event)?.into())
}

fn encode(event_type: &str, content_type: &str, payload: Bytes) -> Result<Bytes, BodyError> {
    let message = Message { headers: Vec::new(), payload };
    let message = message.with(":event-type", event_type).with(":content-type", content_type);
    let mut bytes = Vec::new();
    message.with(":message-type", "event").encode(&mut bytes)?;
    Ok(bytes.into())
}
