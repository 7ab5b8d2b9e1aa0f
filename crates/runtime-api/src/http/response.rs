//! The head of a reply, when this side is the client.

use crate::http::Malformed;
use crate::http::body::Framing;
use crate::http::head;
use crate::limits::HEADERS_MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResponseHead {
    pub(crate) status: u16,
    /// `None`: the body ends with the connection.
    pub(crate) framing: Option<Framing>,
    /// Whether the connection can be used again.
    pub(crate) reusable: bool,
}

impl ResponseHead {
    pub(crate) const fn is_success(self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// Another head follows this one.
    pub(crate) const fn is_interim(self) -> bool {
        self.status >= 100 && self.status < 200
    }
}

/// Reads a whole head (up to and including the empty line).
pub(crate) fn parse(bytes: &[u8]) -> Result<ResponseHead, Malformed> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(used)) if used == bytes.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Malformed::HeadTooLarge),
        _ => return Err(Malformed::Head),
    }
    let status = response.code.ok_or(Malformed::Head)?;
    let mut reusable = response.version == Some(1);
    let (mut length, mut chunked) = (None, false);
    for header in response.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            length = Some(head::content_length(header.value)?);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = header.value.trim_ascii().eq_ignore_ascii_case(b"chunked");
            if !chunked {
                return Err(Malformed::BodyLength);
            }
        } else if header.name.eq_ignore_ascii_case("connection") {
            reusable &= !header.value.trim_ascii().eq_ignore_ascii_case(b"close");
        }
    }
    let framing = match (status, chunked, length) {
        (100..=199 | 204 | 304, ..) => Some(Framing::Length(0)),
        (_, true, _) => Some(Framing::Chunked),
        (_, false, length) => length.map(Framing::Length),
    };
    Ok(ResponseHead { status, framing, reusable: reusable && framing.is_some() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_say_how_the_body_ends_and_whether_the_connection_stays() {
        let cases = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", 200, Some(Framing::Length(2)), true),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, Some(Framing::Chunked), true),
            ("HTTP/1.1 204 No Content\r\n\r\n", 204, Some(Framing::Length(0)), true),
            ("HTTP/1.1 200 OK\r\n\r\n", 200, None, false),
            (
                "HTTP/1.1 500 Oops\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n",
                500,
                Some(Framing::Length(0)),
                false,
            ),
            ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 200, Some(Framing::Length(0)), false),
        ];
        for (text, status, framing, reusable) in cases {
            assert_eq!(parse(text.as_bytes()), Ok(ResponseHead { status, framing, reusable }), "{text}");
        }
        for malformed in ["HTTP/1.1 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "\r\n\r\n"] {
            assert!(parse(malformed.as_bytes()).is_err(), "{malformed}");
        }
    }
}
