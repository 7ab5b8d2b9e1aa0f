//! What a function returned as the HTTP response it means. Pure.
//!
//! Source: Lambda developer guide, "Invoking Lambda function URLs", response payload format; what becomes of other values
//! is recorded.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hearth_wire::Body;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use http::{Response, StatusCode};
use serde_json::{Map, Value};

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Headers that are the server's own: what the function says of them goes out under another name.
const REMAPPED: [&str; 11] = [
    "connection",
    "content-length",
    "date",
    "host",
    "keep-alive",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
];
const REMAPPED_PREFIX: &str = "x-amzn-remapped-";

/// A function's answer that is no HTTP response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Invalid;

/// Status, headers and cookies, of a whole answer or ahead of a streamed one.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
}

impl Head {
    /// `content_type` is that of an answer that says none.
    ///
    /// # Errors
    /// Members that are not of their type, or that HTTP cannot carry.
    pub(crate) fn parse(members: &Map<String, Value>, content_type: &HeaderValue) -> Result<Self, Invalid> {
        let mut headers = HeaderMap::new();
        for (name, value) in optional(members, "headers", Value::as_object)?.into_iter().flatten() {
            let Some(text) = plain(value)? else { continue };
            let name = name.to_ascii_lowercase();
            let name = if REMAPPED.contains(&name.as_str()) { format!("{REMAPPED_PREFIX}{name}") } else { name };
            headers.insert(HeaderName::try_from(name).map_err(|_| Invalid)?, value_of(&text)?);
        }
        for cookie in optional(members, "cookies", Value::as_array)?.into_iter().flatten() {
            headers.append(SET_COOKIE, value_of(cookie.as_str().ok_or(Invalid)?)?);
        }
        headers.entry(CONTENT_TYPE).or_insert_with(|| content_type.clone());
        let status = members.get("statusCode").filter(|status| !status.is_null()).map_or(Ok(StatusCode::OK), status)?;
        Ok(Self { status, headers })
    }

    pub(crate) fn response(self, body: impl Into<Body>) -> Response<Body> {
        let mut response = Response::new(body.into());
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// The response that a function's payload means.
///
/// # Errors
/// It means none.
pub(crate) fn response(payload: &Bytes) -> Result<Response<Body>, Invalid> {
    // A function that returned nothing at all is one that returned null.
    let value = if payload.is_empty() { Value::Null } else { serde_json::from_slice(payload).map_err(|_| Invalid)? };
    let whole = |body: Bytes| {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, JSON)]);
        Ok(Head { status: StatusCode::OK, headers }.response(body))
    };
    match value {
        Value::String(text) => whole(text.into()),
        Value::Object(members) if members.contains_key("statusCode") => {
            let body = body(&members)?;
            Ok(Head::parse(&members, &JSON)?.response(body))
        }
        // Without a status it is the body.
        other => whole(other.to_string().into()),
    }
}

fn body(members: &Map<String, Value>) -> Result<Bytes, Invalid> {
    let is_base64 = optional(members, "isBase64Encoded", Value::as_bool)?.unwrap_or(false);
    match members.get("body") {
        None | Some(Value::Null) => Ok(Bytes::new()),
        Some(Value::String(text)) if is_base64 => STANDARD.decode(text).map(Bytes::from).map_err(|_| Invalid),
        Some(Value::String(text)) => Ok(text.clone().into()),
        Some(_) if is_base64 => Err(Invalid),
        Some(other) => Ok(other.to_string().into()),
    }
}

/// A number or the digits of one. Informational statuses end no response.
fn status(value: &Value) -> Result<StatusCode, Invalid> {
    let number = match value {
        Value::Number(number) => {
            number.as_u64().or_else(|| number.as_f64().filter(|n| n.fract() == 0.0).map(|n| n as u64))
        }
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let status = number.and_then(|number| u16::try_from(number).ok()).and_then(|code| StatusCode::from_u16(code).ok());
    status.filter(|status| !status.is_informational()).ok_or(Invalid)
}

/// A member that may be absent or null, but not of another type.
fn optional<'a, T>(
    members: &'a Map<String, Value>,
    name: &str,
    read: impl Fn(&'a Value) -> Option<T>,
) -> Result<Option<T>, Invalid> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => read(value).map(Some).ok_or(Invalid),
    }
}

/// The text of a header; none for null.
fn plain(value: &Value) -> Result<Option<String>, Invalid> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Bool(_) | Value::Number(_) => Ok(Some(value.to_string())),
        Value::Array(_) | Value::Object(_) => Err(Invalid),
    }
}

fn value_of(text: &str) -> Result<HeaderValue, Invalid> {
    HeaderValue::from_bytes(text.as_bytes()).map_err(|_| Invalid)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answered(payload: &Value) -> (u16, Vec<(String, String)>, String) {
        let response = response(&payload.to_string().into()).expect("a response");
        let (head, body) = response.into_parts();
        let mut headers: Vec<_> = head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        headers.sort();
        (head.status.as_u16(), headers, String::from_utf8_lossy(body.bytes().expect("whole")).into_owned())
    }

    #[test]
    fn values_without_a_status_are_the_body() {
        let table = [
            (json!({"message": "Hello, world!"}), r#"{"message":"Hello, world!"}"#),
            (json!({"body": "x", "headers": {"a": "b"}}), r#"{"body":"x","headers":{"a":"b"}}"#),
            (json!("text"), "text"),
            (json!(5), "5"),
            (json!(true), "true"),
            (json!([1, 2]), "[1,2]"),
            (json!(null), "null"),
        ];
        for (payload, body) in table {
            let json = vec![("content-type".to_owned(), "application/json".to_owned())];
            assert_eq!(answered(&payload), (200, json, body.to_owned()), "{payload}");
        }
    }

    // The example of the developer guide.
    #[test]
    fn a_whole_answer_is_the_response() {
        let payload = json!({
            "statusCode": 201,
            "headers": {"Content-Type": "text/plain", "My-Custom-Header": "Custom Value", "X-Number": 7, "X-None": null},
            "body": "{ \"message\": \"Hello, world!\" }",
            "cookies": ["Cookie_1=Value1; Expires=21 Oct 2021 07:48 GMT", "Cookie_2=Value2; Max-Age=78000"],
            "isBase64Encoded": false,
        });
        let headers = [
            ("content-type", "text/plain"),
            ("my-custom-header", "Custom Value"),
            ("set-cookie", "Cookie_1=Value1; Expires=21 Oct 2021 07:48 GMT"),
            ("set-cookie", "Cookie_2=Value2; Max-Age=78000"),
            ("x-number", "7"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        assert_eq!(answered(&payload), (201, headers, "{ \"message\": \"Hello, world!\" }".to_owned()));
    }

    #[test]
    fn statuses_may_be_digits_and_bodies_anything() {
        let table = [
            (json!({"statusCode": "404", "body": "no"}), 404, "no"),
            (json!({"statusCode": 200.0, "body": "x"}), 200, "x"),
            (json!({"statusCode": 204}), 204, ""),
            (json!({"statusCode": 200, "body": null}), 200, ""),
            (json!({"statusCode": 200, "body": {"a": 1}}), 200, r#"{"a":1}"#),
            (json!({"statusCode": 200, "body": 12}), 200, "12"),
            (json!({"statusCode": 200, "body": "aGk=", "isBase64Encoded": true}), 200, "hi"),
            (json!({"statusCode": 599, "body": ""}), 599, ""),
        ];
        for (payload, status, body) in table {
            let (got_status, _, got_body) = answered(&payload);
            assert_eq!((got_status, got_body.as_str()), (status, body), "{payload}");
        }
    }

    #[test]
    fn headers_of_the_server_go_out_under_another_name() {
        let payload = json!({"statusCode": 200, "headers": {"Content-Length": "99", "Connection": "x", "WWW-Authenticate": "Basic"}});
        let (_, headers, _) = answered(&payload);
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "content-type",
                "x-amzn-remapped-connection",
                "x-amzn-remapped-content-length",
                "x-amzn-remapped-www-authenticate"
            ]
        );
    }

    #[test]
    fn what_http_cannot_carry_is_no_response() {
        for payload in [
            json!({"statusCode": "abc"}),
            json!({"statusCode": {}}),
            json!({"statusCode": 99}),
            json!({"statusCode": 101}),
            json!({"statusCode": 1000}),
            json!({"statusCode": 200.5}),
            json!({"statusCode": -200}),
            json!({"statusCode": 200, "headers": "x"}),
            json!({"statusCode": 200, "headers": {"a b": "c"}}),
            json!({"statusCode": 200, "headers": {"a": "b\nc: d"}}),
            json!({"statusCode": 200, "headers": {"a": ["b"]}}),
            json!({"statusCode": 200, "cookies": "a=b"}),
            json!({"statusCode": 200, "cookies": [1]}),
            json!({"statusCode": 200, "body": "!", "isBase64Encoded": true}),
        ] {
            assert_eq!(response(&payload.to_string().into()).err(), Some(Invalid), "{payload}");
        }
        assert_eq!(response(&Bytes::from_static(b"{")).err(), Some(Invalid));
    }
}
