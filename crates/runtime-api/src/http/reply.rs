//! Replies as bytes. Each is complete, so that it goes out in one write: two packets would cost a client 40 ms
//! (Nagle's algorithm and delayed acknowledgement). Content-Type is always there: AWS's Python client needs it.

use std::io::Write;

use bytes::Bytes;

use crate::Invocation;
use crate::http::head::Persistence;

/// The end of a head: the last header, if any, and the empty line.
const fn head_end(persistence: Persistence) -> &'static str {
    match persistence {
        Persistence::Open => "\r\n",
        Persistence::KeepAlive => "Connection: keep-alive\r\n\r\n",
        Persistence::Close => "Connection: close\r\n\r\n",
    }
}

const JSON: &str = "application/json";

pub(crate) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// `202 {"status":"OK"}`
pub(crate) fn accepted(out: &mut Vec<u8>, persistence: Persistence) {
    out.extend_from_slice(b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 15\r\n");
    out.extend_from_slice(head_end(persistence).as_bytes());
    out.extend_from_slice(br#"{"status":"OK"}"#);
}

/// An error with AWS's JSON body.
pub(crate) fn error(out: &mut Vec<u8>, persistence: Persistence, status: Status, error_type: &str, message: &str) {
    let body = serde_json::json!({ "errorMessage": message, "errorType": error_type }).to_string();
    whole(out, persistence, status, JSON, body.as_bytes());
}

pub(crate) fn whole(out: &mut Vec<u8>, persistence: Persistence, status: Status, content_type: &str, body: &[u8]) {
    let (code, reason) = status.line();
    let length = body.len();
    // Writing to a vector cannot fail.
    let _ = write!(out, "HTTP/1.1 {code} {reason}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n");
    out.extend_from_slice(head_end(persistence).as_bytes());
    out.extend_from_slice(body);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Ok,
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    ContentTooLarge,
    HeadTooLarge,
}

impl Status {
    const fn line(self) -> (u16, &'static str) {
        match self {
            Self::Ok => (200, "OK"),
            Self::BadRequest => (400, "Bad Request"),
            Self::Unauthorized => (401, "Unauthorized"),
            Self::Forbidden => (403, "Forbidden"),
            Self::NotFound => (404, "Not Found"),
            Self::MethodNotAllowed => (405, "Method Not Allowed"),
            Self::ContentTooLarge => (413, "Request Entity Too Large"),
            Self::HeadTooLarge => (431, "Request Header Fields Too Large"),
        }
    }
}

/// A reply that is waited for, made once and possibly sent again: an event, mostly. The payload is never copied.
#[derive(Clone, Debug)]
pub(crate) struct EventReply {
    /// Status line and headers without the end of the head.
    head: Bytes,
    payload: Bytes,
}

impl EventReply {
    /// The payload comes apart from its invocation, which is left without.
    pub(crate) fn new(invocation: &Invocation, payload: Bytes) -> Self {
        let Invocation { request_id, deadline_ms, invoked_arn, trace, client_context, content_type, .. } = invocation;
        let mut head = Vec::with_capacity(512);
        head.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        let content_type = content_type.as_deref().filter(|text| !text.is_empty());
        header(&mut head, "Content-Type", content_type.unwrap_or(JSON));
        header(&mut head, "Lambda-Runtime-Aws-Request-Id", request_id.as_str());
        let _ = write!(head, "Lambda-Runtime-Deadline-Ms: {deadline_ms}\r\n");
        header(&mut head, "Lambda-Runtime-Invoked-Function-Arn", invoked_arn);
        header(&mut head, "Lambda-Runtime-Trace-Id", trace.as_deref().unwrap_or_default());
        header(&mut head, "Lambda-Runtime-Client-Context", client_context.as_deref().unwrap_or_default());
        let _ = write!(head, "Content-Length: {}\r\n", payload.len());
        Self { head: head.into(), payload }
    }

    /// A reply of JSON text with further headers.
    pub(crate) fn json(headers: &[(&str, &str)], json: impl Into<Bytes>) -> Self {
        let payload = json.into();
        let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
        header(&mut head, "Content-Type", JSON);
        for (name, value) in headers {
            header(&mut head, name, value);
        }
        let _ = write!(head, "Content-Length: {}\r\n", payload.len());
        Self { head: head.into(), payload }
    }

    /// The pieces of the whole reply, in order.
    pub(crate) fn pieces(&self, persistence: Persistence) -> [&[u8]; 3] {
        [&self.head, head_end(persistence).as_bytes(), &self.payload]
    }
}

/// Writes a header; an empty one is left out. Control characters become blanks: a value must not end its line, and
/// in JSON text (client context) they are white space.
fn header(head: &mut Vec<u8>, name: &str, value: &str) {
    if value.is_empty() {
        return;
    }
    head.extend_from_slice(name.as_bytes());
    head.extend_from_slice(b": ");
    head.extend(value.bytes().map(|byte| if byte.is_ascii_control() { b' ' } else { byte }));
    head.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invocation() -> Invocation {
        Invocation {
            request_id: "8476a536-e9f4-11e8-9739-2dfe598c3fcd".into(),
            deadline_ms: 1_542_409_706_888,
            invoked_arn: "arn:aws:lambda:us-east-2:123456789012:function:custom-runtime".to_owned(),
            trace: Some("Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1".into()),
            client_context: None,
            content_type: None,
            payload: Bytes::from_static(b"{}"),
            sink: None,
        }
    }

    fn event(mut invocation: Invocation) -> EventReply {
        let payload = std::mem::take(&mut invocation.payload);
        EventReply::new(&invocation, payload)
    }

    #[test]
    fn an_event_carries_the_documented_headers_and_leaves_empty_ones_out() {
        let text = event(invocation()).pieces(Persistence::Open).concat();
        assert_eq!(
            String::from_utf8(text).expect("text"),
            "HTTP/1.1 200 OK\r\n\
             Content-Type: application/json\r\n\
             Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
             Lambda-Runtime-Deadline-Ms: 1542409706888\r\n\
             Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-2:123456789012:function:custom-runtime\r\n\
             Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1\r\n\
             Content-Length: 2\r\n\r\n{}"
        );
    }

    #[test]
    fn a_value_cannot_end_its_line() {
        let invocation = Invocation { client_context: Some("{\r\n\"a\":1}".to_owned()), ..invocation() };
        let text = String::from_utf8(event(invocation).pieces(Persistence::Close).concat()).expect("text");
        assert!(text.contains("Lambda-Runtime-Client-Context: {  \"a\":1}\r\n"), "{text}");
        assert!(text.contains("Connection: close\r\n\r\n{}"), "{text}");
    }
}
