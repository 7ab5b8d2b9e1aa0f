//! The body of an answer that is a stream of events: what a service sends, encoded one by one as the client reads.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hearth_types::RequestId;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use http_body::Frame;
use serde::Serialize;
use tokio::sync::mpsc;

use super::codec::Message;
use crate::body::{Body, BodyError};
use crate::error::ErrorAnswer;
use crate::model::{Kind, Model, OperationId};
use crate::protocol::{identify, json};
use crate::value::{self, Value};

/// Events that wait for a slow client; the sender waits then.
const EVENTS_WAITING_MAX: usize = 1;

/// `Content-Type` of an event stream.
pub const MEDIA_TYPE: &str = "application/vnd.amazon.eventstream";

/// The client reads no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client has gone")]
pub struct Gone;

/// Where a service puts its events. Dropping it ends the stream.
#[derive(Debug)]
pub struct EventSender(mpsc::Sender<Event>);

/// A service's answer: the events that its [`EventSender`] will be given.
#[derive(Debug)]
pub struct EventStream(mpsc::Receiver<Event>);

#[derive(Debug)]
struct Event {
    /// Member of the output's event stream.
    member: &'static str,
    is_exception: bool,
    value: Value,
}

impl EventStream {
    #[must_use]
    pub fn channel() -> (EventSender, Self) {
        let (sender, receiver) = mpsc::channel(EVENTS_WAITING_MAX);
        (EventSender(sender), Self(receiver))
    }
}

impl EventSender {
    /// Sends an event: a member of the model's event stream and its structure. Waits while the client is slow.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn send(&self, member: &'static str, event: &(impl Serialize + Sync)) -> Result<(), Gone> {
        self.put(member, false, event).await
    }

    /// Sends one of the stream's exceptions, after which nothing should follow.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn fail(&self, member: &'static str, exception: &(impl Serialize + Sync)) -> Result<(), Gone> {
        self.put(member, true, exception).await
    }

    /// Resolves when the client reads no more.
    pub async fn closed(&self) {
        self.0.closed().await;
    }

    async fn put(
        &self,
        member: &'static str,
        is_exception: bool,
        content: &(impl Serialize + Sync),
    ) -> Result<(), Gone> {
        let value = value::to_value(content).map_err(|error| {
            tracing::error!(member, %error, "an event does not fit the model");
            Gone
        })?;
        self.0.send(Event { member, is_exception, value }).await.map_err(|_| Gone)
    }
}

/// The answer that sends the events.
///
/// # Errors
/// An operation whose output has no event stream; the cause is in the log.
pub(crate) fn encode_response(
    model: &Arc<Model>,
    operation: OperationId,
    stream: EventStream,
    request_id: &RequestId,
) -> Result<Response<Body>, ErrorAnswer> {
    // The protocols without bindings to HTTP send what else the output has as a first event.
    let mut first = Vec::new();
    message("event", ":event-type", "initial-response", b"{}".to_vec()).encode(&mut first).map_err(|error| {
        tracing::error!(%error, "the first message of an event stream");
        ErrorAnswer::internal()
    })?;
    let events = Events { model: model.clone(), operation, first: Some(first.into()), stream };
    let mut response = Response::new(Body::stream(events));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    identify(&mut response, request_id);
    Ok(response)
}

fn message(message_type: &str, name: &str, value: &str, payload: Vec<u8>) -> Message {
    let message = Message { headers: Vec::new(), payload: payload.into() };
    message.with(":message-type", message_type).with(name, value).with(":content-type", "application/json")
}

struct Events {
    model: Arc<Model>,
    operation: OperationId,
    first: Option<Bytes>,
    stream: EventStream,
}

impl Events {
    fn encode(&self, event: Event) -> Result<Bytes, BodyError> {
        let Event { member, is_exception, value } = event;
        let Kind::Structure(output) = &self.model.output(self.operation).kind else {
            return Err("the output is no structure".into());
        };
        let shape = output.members.iter().find_map(|stream| match &self.model.shape(stream.shape).kind {
            Kind::Structure(stream) => stream.members.iter().find(|event| event.name == member),
            _ => None,
        });
        let shape = shape.ok_or_else(|| format!("the event stream has no {member}"))?;
        let (Kind::Structure(structure), Value::Map(members)) = (&self.model.shape(shape.shape).kind, &value) else {
            return Err(format!("{member} is no structure").into());
        };
        let mut payload = Vec::new();
        json::encode_members(&self.model, structure, members, &mut payload).map_err(|error| error.0)?;
        let message = match is_exception {
            true => message("exception", ":exception-type", member, payload),
            false => message("event", ":event-type", member, payload),
        };
        let mut bytes = Vec::new();
        message.encode(&mut bytes)?;
        Ok(bytes.into())
    }
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        self.stream.0.poll_recv(cx).map(|event| {
            let encoded = self.encode(event?);
            if let Err(error) = &encoded {
                tracing::error!(%error, "an event does not fit the model");
            }
            Some(encoded.map(Frame::data))
        })
    }
}
