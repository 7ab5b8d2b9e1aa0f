//! An answer that goes out as the function writes it: with a head of its own in front, or plain.
//!
//! ```text
//! application/vnd.awslambda.http-integration-response:  {"statusCode": …, "headers": …, "cookies": …} 8 zero bytes, body
//! any other type:                                       body
//! ```
//!
//! Until the head is out a failure is one of the function's; from then on the connection is cut, which is all that HTTP
//! has to tell it by. Source: Lambda developer guide, "Response streaming for Lambda functions".

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use hearth_ports::{StreamCompletion, StreamEvent, StreamedResponse};
use hearth_wire::{Body, BodyError};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use http_body::Frame;
use serde_json::{Map, Value};

use super::answer::{Head, Invalid, JSON};

/// The type of a stream that begins with a head.
const WITH_HEAD: &str = "application/vnd.awslambda.http-integration-response";
/// Stands between head and body.
const DELIMITER: [u8; 8] = [0; 8];
/// A head, bytes. Hearth's own bound: as much as a request's head may have.
const HEAD_BYTES_MAX: usize = hearth_types::limits::REQUEST_HEAD_BYTES_MAX;
/// What a stream is that says nothing of its type.
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// The response that begins with what `stream` brings next; it is there as soon as its head is.
///
/// # Errors
/// The function failed before it had said its head, or what it said is none.
pub(crate) async fn response(mut stream: StreamedResponse) -> Result<Response<Body>, Invalid> {
    let has_head = stream.content_type.as_deref().is_some_and(|content_type| {
        content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(WITH_HEAD)
    });
    let (head, first) = if has_head { read_head(&mut stream).await? } else { plain(&mut stream).await? };
    Ok(head.response(Body::stream(Rest { first, stream })))
}

/// A body without a head. The first bytes are waited for: until then a failure can still be told by a status.
async fn plain(stream: &mut StreamedResponse) -> Result<(Head, Bytes), Invalid> {
    let content_type = stream.content_type.as_deref().and_then(|text| HeaderValue::from_str(text).ok());
    // A function that does not stream answers in JSON, and that is what goes out, whatever it would mean in buffered mode.
    let default = if stream.is_streamed { BYTES } else { JSON };
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type.unwrap_or(default))]);
    let first = match stream.next().await {
        Some(StreamEvent::Chunk(chunk)) => chunk,
        Some(StreamEvent::Complete(StreamCompletion { error: None, .. })) | None => Bytes::new(),
        Some(StreamEvent::Complete(_)) => return Err(Invalid),
    };
    Ok((Head { status: StatusCode::OK, headers }, first))
}

/// The head, and what of the body came with it.
async fn read_head(stream: &mut StreamedResponse) -> Result<(Head, Bytes), Invalid> {
    let mut read = BytesMut::new();
    let end = loop {
        // The delimiter may be torn.
        let from = read.len().saturating_sub(DELIMITER.len() - 1);
        let Some(StreamEvent::Chunk(chunk)) = stream.next().await else { return Err(Invalid) };
        read.extend_from_slice(&chunk);
        let found = read[from..].windows(DELIMITER.len()).position(|window| window == DELIMITER);
        match found {
            Some(at) if from + at <= HEAD_BYTES_MAX => break from + at,
            None if read.len() <= HEAD_BYTES_MAX => {}
            _ => return Err(Invalid),
        }
    };
    let head = read.split_to(end).freeze();
    let first = read.split_off(DELIMITER.len()).freeze();
    let members: Map<String, Value> = serde_json::from_slice(&head).map_err(|_| Invalid)?;
    Ok((Head::parse(&members, &BYTES)?, first))
}

/// The body: what has come already, then what comes.
struct Rest {
    first: Bytes,
    stream: StreamedResponse,
}

impl http_body::Body for Rest {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.first)))));
        }
        Poll::Ready(match ready!(self.stream.poll_next(cx)) {
            Some(StreamEvent::Chunk(chunk)) => Some(Ok(Frame::data(chunk))),
            Some(StreamEvent::Complete(StreamCompletion { error: Some(error), .. })) => {
                Some(Err(format!("the function failed after its answer had begun: {}", error.code).into()))
            }
            Some(StreamEvent::Complete(_)) | None => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use hearth_ports::StreamError;
    use http_body_util::BodyExt as _;
    use tokio::sync::{mpsc, oneshot};

    use super::*;

    fn failure() -> StreamCompletion {
        StreamCompletion {
            error: Some(StreamError { code: "Unhandled", details: Bytes::from_static(b"secret") }),
            log_tail: None,
        }
    }

    /// A stream that has brought these chunks and then ended so; `None`: it goes on.
    fn stream(
        content_type: Option<&str>,
        chunks: &[&[u8]],
        end: Option<StreamCompletion>,
    ) -> (StreamedResponse, Option<mpsc::Sender<Bytes>>) {
        let (sender, receiver) = mpsc::channel(16);
        let (complete, completed) = oneshot::channel();
        for chunk in chunks {
            sender.try_send(Bytes::copy_from_slice(chunk)).expect("room");
        }
        let mut response = StreamedResponse::new(None, receiver, completed);
        response.is_streamed = true;
        response.content_type = content_type.map(str::to_owned);
        match end {
            Some(end) => {
                complete.send(end).expect("heard");
                (response, None)
            }
            None => {
                // Nobody says how it ends while it goes on.
                std::mem::forget(complete);
                (response, Some(sender))
            }
        }
    }

    async fn whole(response: Response<Body>) -> (u16, Vec<(String, String)>, Result<Bytes, String>) {
        let (head, body) = response.into_parts();
        let headers = head.headers.iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned()));
        let body = body.collect().await.map(|body| body.to_bytes()).map_err(|error| error.to_string());
        (head.status.as_u16(), headers.collect(), body)
    }

    const PRELUDE: &[u8] = br#"{"statusCode":201,"headers":{"Content-Type":"text/html","x-a":"b"},"cookies":["c=d"]}"#;

    #[tokio::test]
    async fn a_stream_with_a_head_is_the_response_it_says_wherever_it_is_torn() {
        let all = [PRELUDE, &DELIMITER, b"hello ", b"world"].concat();
        for at in 0..=all.len() {
            let pieces: Vec<&[u8]> = [&all[..at], &all[at..]].into_iter().filter(|piece| !piece.is_empty()).collect();
            let (stream, _) = stream(Some(WITH_HEAD), &pieces, Some(StreamCompletion::default()));
            let (status, headers, body) = whole(response(stream).await.expect("a response")).await;
            assert_eq!((status, body.as_deref()), (201, Ok(&b"hello world"[..])), "torn at {at}");
            let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(headers, [("content-type", "text/html"), ("x-a", "b"), ("set-cookie", "c=d")]);
        }
    }

    #[tokio::test]
    async fn zeros_in_the_body_are_the_body_s() {
        let all = [b"{}", &DELIMITER[..], &DELIMITER, b"x"].concat();
        let (stream, _) = stream(Some(WITH_HEAD), &[&all], Some(StreamCompletion::default()));
        let (status, headers, body) = whole(response(stream).await.expect("a response")).await;
        assert_eq!((status, body.expect("whole")), (200, Bytes::from_static(b"\0\0\0\0\0\0\0\0x")));
        assert_eq!(headers, [("content-type".to_owned(), "application/octet-stream".to_owned())]);
    }

    #[tokio::test]
    async fn a_stream_without_a_head_is_the_body() {
        for (content_type, shown) in
            [(None, "application/octet-stream"), (Some("text/event-stream"), "text/event-stream")]
        {
            let (stream, _) = stream(content_type, &[b"a", b"b"], Some(StreamCompletion::default()));
            let (status, headers, body) = whole(response(stream).await.expect("a response")).await;
            assert_eq!((status, headers[0].1.as_str(), body.as_deref()), (200, shown, Ok(&b"ab"[..])));
        }
        let (nothing, _) = stream(None, &[], Some(StreamCompletion::default()));
        assert_eq!(whole(response(nothing).await.expect("a response")).await.2, Ok(Bytes::new()));
    }

    #[tokio::test]
    async fn the_first_bytes_go_out_while_the_function_goes_on() {
        let prelude = [PRELUDE, &DELIMITER].concat();
        for (content_type, first) in [(Some(WITH_HEAD), &prelude[..]), (None, b"first")] {
            let (stream, sender) = stream(content_type, &[first], None);
            let mut response = response(stream).await.expect("a response");
            let sender = sender.expect("it goes on");
            sender.try_send(Bytes::from_static(b"more")).expect("room");
            let frame = response.body_mut().frame().await.expect("a frame").expect("data");
            let expected = if content_type.is_some() { &b"more"[..] } else { b"first" };
            assert_eq!(frame.into_data().expect("data"), expected);
        }
    }

    #[tokio::test]
    async fn a_failure_ahead_of_the_head_is_none_of_a_stream() {
        for (content_type, chunks) in [(None, vec![]), (Some(WITH_HEAD), vec![]), (Some(WITH_HEAD), vec![PRELUDE])] {
            let (stream, _) = stream(content_type, &chunks, Some(failure()));
            assert_eq!(response(stream).await.err(), Some(Invalid), "{content_type:?} {chunks:?}");
        }
        // One that is no head, or never ends.
        for head in ["no JSON", "[]", r#"{"statusCode":"x"}"#, &"x".repeat(HEAD_BYTES_MAX + 1)] {
            let all = [head.as_bytes(), &DELIMITER].concat();
            let (stream, _) = stream(Some(WITH_HEAD), &[&all], Some(StreamCompletion::default()));
            assert_eq!(response(stream).await.err(), Some(Invalid));
        }
    }

    #[tokio::test]
    async fn a_failure_after_the_head_cuts_the_body_and_says_nothing_of_it() {
        let all = [PRELUDE, &DELIMITER, b"begun"].concat();
        for (content_type, first) in [(Some(WITH_HEAD), &all[..]), (None, b"begun")] {
            let (stream, _) = stream(content_type, &[first], Some(failure()));
            let error = whole(response(stream).await.expect("a response")).await.2.expect_err("cut");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
