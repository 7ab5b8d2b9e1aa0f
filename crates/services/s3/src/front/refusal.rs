//! How a refusal looks.

use hearth_types::RequestId;
use hearth_wire::Body;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode, Uri};

use super::{finish, host_id};
use crate::error::{S3Error, Told};

/// What of a request its refusal depends on.
pub(super) struct RequestHead<'h> {
    pub(super) method: &'h Method,
    pub(super) uri: &'h Uri,
}

pub(super) fn refusal(told: Told, head: &Parts, id: &RequestId, bucket: Option<&str>) -> Response<Body> {
    finish(write_refusal(told, &RequestHead { method: &head.method, uri: &head.uri }, id, bucket), id)
}

/// Source: S3 API reference, "REST error responses".
pub(super) fn write_refusal(
    told: Told,
    head: &RequestHead<'_>,
    id: &RequestId,
    bucket: Option<&str>,
) -> Response<Body> {
    let Told { code, status, message, fields, headers } = told;
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{}</Message>",
        escaped(&message)
    );
    for (name, value) in &fields {
        xml.push_str(&format!("<{name}>{}</{name}>", escaped(value)));
    }
    if fields.is_empty() && code == "AccessDenied" && bucket.is_some() {
        xml.push_str(&format!("<Resource>{}</Resource>", escaped(head.uri.path())));
    }
    let request_id = id.as_str();
    xml.push_str(&format!("<RequestId>{request_id}</RequestId><HostId>{}</HostId></Error>", host_id(request_id)));
    let is_bare = *head.method == Method::HEAD || status == StatusCode::NOT_MODIFIED;
    let mut answer = Response::new(if is_bare { Body::empty() } else { Body::from(xml) });
    *answer.status_mut() = status;
    if !is_bare {
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    }
    for (name, value) in headers {
        answer.headers_mut().insert(name, value);
    }
    answer
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            // Not in XML.
            control if control < ' ' && !matches!(control, '\n' | '\t') => out.push_str("&#xFFFD;"),
            other => out.push(other),
        }
    }
    out
}

/// A refusal of `s3s`: it could not read the request, or has no such operation.
pub(super) fn reworded(answer: Response<s3s::Body>) -> Told {
    let status = answer.status();
    let xml = answer.body().bytes().unwrap_or_default();
    let xml = String::from_utf8_lossy(&xml);
    let element = |name: &str| {
        let (_, rest) = xml.split_once(&format!("<{name}>"))?;
        rest.split_once('<').map(|(text, _)| text.replace("&apos;", "'").replace("&quot;", "\"").replace("&amp;", "&"))
    };
    let code = element("Code").unwrap_or_default();
    let message = element("Message").unwrap_or_default();
    let error = match code.as_str() {
        "MalformedXML" => S3Error::malformed_xml(),
        "NotImplemented" => S3Error::new(
            "NotImplemented",
            StatusCode::NOT_IMPLEMENTED,
            "Hearth does not implement this operation of S3 yet.",
        ),
        "KeyTooLongError" => S3Error::new("KeyTooLongError", StatusCode::BAD_REQUEST, "Your key is too long"),
        "MaxMessageLengthExceeded" => {
            S3Error::new("MaxMessageLengthExceeded", StatusCode::BAD_REQUEST, "Your request was too big.")
        }
        "MethodNotAllowed" => S3Error::new(
            "MethodNotAllowed",
            StatusCode::METHOD_NOT_ALLOWED,
            "The specified method is not allowed against this resource.",
        ),
        "MissingContentLength" => S3Error::new(
            "MissingContentLength",
            StatusCode::LENGTH_REQUIRED,
            "You must provide the Content-Length HTTP header.",
        ),
        "InvalidURI" => S3Error::new("InvalidURI", StatusCode::BAD_REQUEST, "Couldn't parse the specified URI."),
        "InvalidRange" => S3Error::range("", 0),
        _ if status.is_server_error() => S3Error::Internal(format!("{code}: {message}")),
        _ => S3Error::request(message),
    };
    error.told()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_an_error_is_escaped() {
        assert_eq!(escaped("a<b>&\"\u{1}"), "a&lt;b&gt;&amp;&quot;&#xFFFD;");
    }
}
