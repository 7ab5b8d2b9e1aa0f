//! Request line and headers.

use crate::http::Malformed;
use crate::http::body::Framing;
use crate::limits::HEADERS_MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
    Put,
    Other,
}

/// Whether the connection outlives the reply, and whether the reply must say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// HTTP/1.1's default: nothing to say.
    Open,
    /// An HTTP/1.0 client asked for it and waits to be told.
    KeepAlive,
    Close,
}

/// What these APIs read of a request's head; everything else is dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) method: Method,
    /// Without query.
    pub(crate) path: String,
    pub(crate) framing: Framing,
    pub(crate) persistence: Persistence,
    pub(crate) expect_continue: bool,
    pub(crate) content_type: Option<String>,
    /// `Lambda-Runtime-Function-Error-Type`
    pub(crate) error_type: Option<String>,
    /// `Lambda-Runtime-Function-Response-Mode`
    pub(crate) response_mode: Option<String>,
    /// `Authorization`
    pub(crate) authorization: Option<String>,
    pub(crate) extension: ExtensionHeaders,
}

/// The headers of extensions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ExtensionHeaders {
    /// `Lambda-Extension-Name`
    pub(crate) name: Option<String>,
    /// `Lambda-Extension-Identifier`
    pub(crate) id: Option<String>,
    /// `Lambda-Extension-Function-Error-Type`
    pub(crate) error_type: Option<String>,
    /// `Lambda-Extension-Accept-Feature`
    pub(crate) accept_feature: Option<String>,
}

/// Where the head in `bytes` ends, if it is there as a whole. `searched` bytes from the start are known not to hold
/// the end, so that a head that comes in many pieces is searched once.
pub(crate) fn end(bytes: &[u8], searched: usize) -> Option<usize> {
    let from = searched.saturating_sub(3);
    bytes[from..].windows(4).position(|window| window == b"\r\n\r\n").map(|at| from + at + 4)
}

/// Reads a whole head (up to and including the empty line).
pub(crate) fn parse(bytes: &[u8]) -> Result<Head, Malformed> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(used)) if used == bytes.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Malformed::HeadTooLarge),
        _ => return Err(Malformed::Head),
    }
    let target = request.path.ok_or(Malformed::Head)?;
    let one_dot_one = request.version == Some(1);
    let mut head = Head {
        method: match request.method {
            Some("GET") => Method::Get,
            Some("POST") => Method::Post,
            Some("PUT") => Method::Put,
            _ => Method::Other,
        },
        path: target.split('?').next().unwrap_or_default().to_owned(),
        framing: Framing::Length(0),
        persistence: if one_dot_one { Persistence::Open } else { Persistence::Close },
        expect_continue: false,
        content_type: None,
        error_type: None,
        response_mode: None,
        authorization: None,
        extension: ExtensionHeaders::default(),
    };
    let mut length: Option<u64> = None;
    let mut chunked = false;
    for header in request.headers.iter() {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        match header.name.len() {
            6 if is("expect") => {
                head.expect_continue = one_dot_one && header.value.eq_ignore_ascii_case(b"100-continue")
            }
            10 if is("connection") => head.persistence = persistence(header.value, one_dot_one, head.persistence),
            12 if is("content-type") => head.content_type = Some(text(header.value)),
            13 if is("authorization") => head.authorization = Some(text(header.value)),
            14 if is("content-length") => {
                let this = content_length(header.value)?;
                if length.is_some_and(|before| before != this) {
                    return Err(Malformed::BodyLength);
                }
                length = Some(this);
            }
            17 if is("transfer-encoding") => {
                if chunked || !one_dot_one || !header.value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                    return Err(Malformed::BodyLength);
                }
                chunked = true;
            }
            21 if is("lambda-extension-name") => head.extension.name = Some(text(header.value)),
            27 if is("lambda-extension-identifier") => head.extension.id = Some(text(header.value)),
            31 if is("lambda-extension-accept-feature") => head.extension.accept_feature = Some(text(header.value)),
            34 if is("lambda-runtime-function-error-type") => head.error_type = Some(text(header.value)),
            36 if is("lambda-extension-function-error-type") => head.extension.error_type = Some(text(header.value)),
            37 if is("lambda-runtime-function-response-mode") => head.response_mode = Some(text(header.value)),
            _ => {}
        }
    }
    // Both at once is how requests are smuggled: RFC 9112 section 6.1.
    head.framing = match (chunked, length) {
        (true, Some(_)) => return Err(Malformed::BodyLength),
        (true, None) => Framing::Chunked,
        (false, length) => Framing::Length(length.unwrap_or(0)),
    };
    Ok(head)
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.trim_ascii()).into_owned()
}

pub(crate) fn content_length(value: &[u8]) -> Result<u64, Malformed> {
    let digits = value.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Malformed::BodyLength);
    }
    std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).ok_or(Malformed::BodyLength)
}

fn persistence(value: &[u8], one_dot_one: bool, before: Persistence) -> Persistence {
    let has = |token: &[u8]| value.split(|byte| *byte == b',').any(|one| one.trim_ascii().eq_ignore_ascii_case(token));
    if has(b"close") {
        Persistence::Close
    } else if !one_dot_one && has(b"keep-alive") {
        Persistence::KeepAlive
    } else {
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Result<Head, Malformed> {
        parse(text.replace('\n', "\r\n").as_bytes())
    }

    #[test]
    fn what_a_client_sends_is_read() {
        let got = head(
            "POST /2018-06-01/runtime/invocation/abc/response?x=1 HTTP/1.1\nHost: h\ncontent-length: 12\n\
             Lambda-Runtime-Function-Response-Mode:  streaming \nExpect: 100-continue\n\n",
        )
        .expect("valid");
        assert_eq!(got.method, Method::Post);
        assert_eq!(got.path, "/2018-06-01/runtime/invocation/abc/response");
        assert_eq!(got.framing, Framing::Length(12));
        assert_eq!(got.response_mode.as_deref(), Some("streaming"));
        assert_eq!(got.persistence, Persistence::Open);
        assert!(got.expect_continue);
    }

    #[test]
    fn the_headers_of_extensions_are_read() {
        let got = head(
            "PUT / HTTP/1.1\nLambda-Extension-Name: n\nlambda-extension-identifier: i\n\
             Lambda-Extension-Function-Error-Type: e\nLambda-Extension-Accept-Feature: f\nAuthorization: Bearer t\n\n",
        )
        .expect("valid");
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(got.method, Method::Put);
        assert_eq!(got.authorization, text("Bearer t"));
        let want =
            ExtensionHeaders { name: text("n"), id: text("i"), error_type: text("e"), accept_feature: text("f") };
        assert_eq!(got.extension, want);
    }

    #[test]
    fn persistence_follows_version_and_connection_header() {
        let cases = [
            ("GET / HTTP/1.1\n\n", Persistence::Open),
            ("GET / HTTP/1.1\nConnection: close\n\n", Persistence::Close),
            ("GET / HTTP/1.1\nConnection: TE, Close\n\n", Persistence::Close),
            ("GET / HTTP/1.0\n\n", Persistence::Close),
            ("GET / HTTP/1.0\nConnection: Keep-Alive\n\n", Persistence::KeepAlive),
        ];
        for (text, want) in cases {
            assert_eq!(head(text).expect(text).persistence, want, "{text}");
        }
    }

    #[test]
    fn ambiguous_body_lengths_are_refused() {
        for headers in [
            "Content-Length: 1\nTransfer-Encoding: chunked\n",
            "Content-Length: 1\nContent-Length: 2\n",
            "Content-Length: +1\n",
            "Content-Length: 0x1\n",
            "Content-Length: 99999999999999999999999\n",
            "Content-Length:\n",
            "Transfer-Encoding: gzip, chunked\n",
            "Transfer-Encoding: chunked\nTransfer-Encoding: chunked\n",
        ] {
            assert_eq!(head(&format!("POST / HTTP/1.1\n{headers}\n")), Err(Malformed::BodyLength), "{headers}");
        }
        assert_eq!(head("POST / HTTP/1.0\nTransfer-Encoding: chunked\n\n"), Err(Malformed::BodyLength));
    }

    #[test]
    fn the_end_of_a_head_is_found_across_pieces() {
        let text = b"GET / HTTP/1.1\r\nHost: h\r\n\r\nrest";
        for searched in 0..=24 {
            assert_eq!(end(&text[..24], searched), None, "{searched}");
        }
        for searched in 0..27 {
            assert_eq!(end(text, searched), Some(27), "{searched}");
        }
    }
}
