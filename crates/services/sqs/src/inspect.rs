//! `GET /_aws/sqs/messages?QueueUrl=…`: the messages of a queue, without taking any. A page of Hearth's own, in the form
//! that users of older emulators know; the messages have the shape that ReceiveMessage gives them.
//!
//! Who asks must be allowed to `sqs:ReceiveMessage`.

use std::sync::Arc;

use bytes::Bytes;
use hearth_types::RequestContext;
use hearth_wire::{Body, ErrorAnswer};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};

use crate::Sqs;
use crate::engine::{MessageKey, Seen, Taken};
use crate::error::SqsError;
use crate::page::Page;
use crate::queue::Queue;
use crate::shown::{self, Selection, ShownMessage};

const PATH: &str = "/_aws/sqs/messages";
/// Messages and bytes of bodies that one answer shows, the oldest first.
const MESSAGES_MAX: usize = 1_000;
const BYTES_MAX: usize = 8 << 20;

/// Whether a request is for this page.
#[must_use]
pub fn is_inspection(path: &str) -> bool {
    path == PATH || path.strip_prefix(PATH).is_some_and(|rest| rest.starts_with('/'))
}

impl Sqs {
    /// Answers a request for the page. The queue is named by `QueueUrl`, or by the path behind this one as
    /// `/REGION/ACCOUNT/NAME`; `ShowInvisible=true` shows those in flight, `ShowDelayed=true` those that are not due.
    /// JSON, or XML for who does not accept JSON.
    pub async fn inspect(self: &Arc<Self>, ctx: &RequestContext, head: &Parts) -> Response<Body> {
        let accept = head.headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
        let as_json = accept.contains("json") || !accept.contains("xml");
        match self.messages(ctx, head).await {
            Ok(messages) if as_json => answer(StatusCode::OK, "application/json", json(&messages)),
            Ok(messages) => answer(StatusCode::OK, "text/xml", xml(&messages)),
            Err(error) => {
                let told = ErrorAnswer::from(error);
                let code = told.query.as_ref().map_or(told.code.as_ref(), |form| form.code);
                let body = serde_json::json!({ "Error": { "Code": code, "Message": told.message } });
                answer(told.status, "application/json", body.to_string())
            }
        }
    }

    async fn messages(&self, ctx: &RequestContext, head: &Parts) -> Result<Vec<ShownMessage>, SqsError> {
        let query = head.uri.query().unwrap_or_default();
        let parameter = |wanted: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.filter(|(name, _)| *name == wanted).map(|(_, value)| decoded(value)).next()
        };
        let mut ctx = ctx.clone();
        let url = match parameter("QueueUrl") {
            Some(url) => url,
            None => {
                let rest = head.uri.path().strip_prefix(PATH).unwrap_or_default().trim_start_matches('/');
                let (region, queue) = rest.split_once('/').ok_or(SqsError::Missing("QueueUrl"))?;
                ctx.region = region.into();
                format!("/{queue}")
            }
        };
        let shows = |name: &str| parameter(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let (invisible, delayed) = (shows("ShowInvisible"), shows("ShowDelayed"));
        let queue = self.authorize(&ctx, "sqs:ReceiveMessage", Some(url.as_str()))?;
        let keys = self.visible(&queue, invisible, delayed);
        let mut found = Vec::with_capacity(keys.len());
        let mut bytes = 0;
        for of_page in keys.chunk_by(|one, other| one.page() == other.page()) {
            let Some(page) = self.page(&queue, of_page[0].page()).await? else { continue };
            bytes += page.len();
            if bytes > BYTES_MAX && !found.is_empty() {
                break;
            }
            let Page::Messages(messages) = Page::decode(&page)? else { continue };
            for key in of_page {
                if let Some(stored) = messages.get(key.slot()) {
                    let seen = queue.live().engine.seen(*key).unwrap_or_default();
                    let taken = Taken { key: *key, seen: Seen { nonce: 0, ..seen } };
                    found.push(shown::message(&queue, &taken, stored, &Selection::all(), false));
                }
            }
        }
        Ok(found)
    }

    fn visible(&self, queue: &Queue, invisible: bool, delayed: bool) -> Vec<MessageKey> {
        let mut live = queue.live();
        live.engine.tick_visibility(self.now());
        let mut keys = Vec::new();
        let mut after = None;
        loop {
            let some = live.engine.list(after, MESSAGES_MAX);
            let Some(last) = some.last() else { return keys };
            after = Some(*last);
            let is_shown = |key: &MessageKey| {
                (invisible || !live.engine.is_in_flight(*key)) && (delayed || !live.engine.is_delayed(*key))
            };
            keys.extend(some.into_iter().filter(is_shown));
            if keys.len() >= MESSAGES_MAX {
                keys.truncate(MESSAGES_MAX);
                return keys;
            }
        }
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// As the answer of the query protocol, in JSON.
fn json(messages: &[ShownMessage]) -> String {
    let inner = if messages.is_empty() {
        serde_json::Value::Null
    } else {
        let shown = messages.iter().map(|message| {
            let attributes = message.attributes.iter();
            serde_json::json!({
                "MessageId": message.message_id,
                "MD5OfBody": message.md5_of_body,
                "Body": message.body,
                "Attribute": attributes.map(|(name, value)| serde_json::json!({ "Name": name, "Value": value })).collect::<Vec<_>>(),
                "MessageAttribute": message.message_attributes.iter().map(|(name, value)| {
                    serde_json::json!({ "Name": name, "Value": value })
                }).collect::<Vec<_>>(),
            })
        });
        serde_json::json!({ "Message": shown.collect::<Vec<_>>() })
    };
    serde_json::json!({ "ReceiveMessageResponse": { "ReceiveMessageResult": inner } }).to_string()
}

fn xml(messages: &[ShownMessage]) -> String {
    let element = |name: &str, text: &str| format!("<{name}>{}</{name}>", escaped(text));
    let shown: String = messages
        .iter()
        .map(|message| {
            let attributes: String = message
                .attributes
                .iter()
                .map(|(name, value)| {
                    format!("<Attribute>{}{}</Attribute>", element("Name", name), element("Value", value))
                })
                .collect();
            format!(
                "<Message>{}{}{}{attributes}</Message>",
                element("MessageId", &message.message_id),
                element("MD5OfBody", &message.md5_of_body),
                element("Body", &message.body),
            )
        })
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<ReceiveMessageResponse \
         xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><ReceiveMessageResult>{shown}</ReceiveMessageResult>\
         </ReceiveMessageResponse>"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\r', "&#xD;")
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
