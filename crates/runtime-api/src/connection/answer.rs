//! `POST /response` and `/error`: a body is kept until it is whole, or passed on piece by piece where the runtime streams
//! and whoever waits for the answer takes it so.

use std::io;

use bytes::Bytes;

use super::{Body, BodyEnd, Connection, End};
use crate::calls::{self, ResponseMode};
use crate::http::body::{Decoder, Step, Trailers};
use crate::http::head::{Head, Persistence};
use crate::http::reply::{self, Status};
use crate::limits::{DISCARDED_BODY_BYTES_MAX, STREAM_BUFFER_BYTES, TRAILER_BYTES_MAX};
use crate::session::Event;
use crate::{ResponseSink, RuntimeAnswer};

impl Connection<'_> {
    /// `POST /response` ([`Event::Response`]) or `/error` ([`Event::Error`]).
    pub(super) async fn invocation_answer(
        &mut self,
        head: &Head,
        persistence: Persistence,
        id: &str,
        event: Event,
    ) -> Result<Persistence, End> {
        let mode = ResponseMode::of(head);
        let begun = self.shared.begin_answer(self.generation, id, event);
        let streams = event == Event::Response && mode == ResponseMode::Streaming;
        let sink = begun.as_ref().ok().and_then(|ticket| ticket.sink.clone()).filter(|_| streams);
        let max = if begun.is_ok() { self.shared.max_response_bytes } else { 0 };
        let (Body { bytes, trailers, size, end }, too_large, persistence) = match &sink {
            Some(sink) => {
                let (body, too_large) = self.pass_on(head, &**sink).await;
                let persistence = if body.end_is_whole() { persistence } else { Persistence::Close };
                (body, too_large, persistence)
            }
            None => {
                let (body, persistence) = self.body(head, max, persistence).await?;
                let too_large = body.size > self.shared.max_response_bytes as u64;
                (body, too_large, persistence)
            }
        };
        let whole = matches!(end, BodyEnd::Whole);
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let finished = begun.and_then(|ticket| {
            let answer = match event {
                _ if too_large => RuntimeAnswer::TooLarge { size },
                _ if !whole => RuntimeAnswer::Truncated,
                Event::Response if sink.is_some() => calls::streamed(size, trailers),
                Event::Response => calls::response(mode, bytes, trailers),
                _ => RuntimeAnswer::Error(calls::function_error(head, bytes)),
            };
            self.shared.finish_answer(self.generation, &ticket, answer, size)
        });
        if finished.is_ok() && whole && event == Event::Response && mode == ResponseMode::Invalid {
            let (error_type, message) = ("InvalidFunctionResponseMode", "Invalid function response mode");
            self.error(persistence, Status::BadRequest, error_type, message);
        } else {
            self.posted(persistence, finished, too_large, &end);
        }
        self.after_body(persistence, end)
    }

    /// Hands the body over as it comes. Nothing more is read from the runtime while the sink waits: so a slow reader
    /// slows the function. Says also whether the sink refused some of it.
    async fn pass_on(&mut self, head: &Head, sink: &dyn ResponseSink) -> (Body, bool) {
        sink.begin(head.content_type.as_deref());
        if head.expect_continue && self.buffer.is_empty() {
            self.out.extend_from_slice(reply::CONTINUE);
        }
        let mut decoder = Decoder::new(head.framing, TRAILER_BYTES_MAX);
        let (mut size, mut discarded, mut too_large) = (0_u64, 0_u64, false);
        let (end, trailers) = loop {
            match decoder.step(&mut self.buffer) {
                Ok(Step::Data(data)) => {
                    let length = data.len() as u64;
                    size = size.saturating_add(length);
                    too_large = too_large || sink.take(data.freeze()).await.is_err();
                    discarded += if too_large { length } else { 0 };
                    if discarded > DISCARDED_BODY_BYTES_MAX {
                        break (BodyEnd::Endless, Trailers::default());
                    }
                }
                Ok(Step::End(trailers)) => break (BodyEnd::Whole, trailers),
                Ok(Step::More) => match self.fill_for_stream().await {
                    Ok(1..) => {}
                    Ok(0) | Err(_) => break (BodyEnd::Truncated, Trailers::default()),
                },
                Err(why) => break (BodyEnd::Malformed(why), Trailers::default()),
            }
        };
        (Body { bytes: Bytes::new(), trailers, size, end }, too_large)
    }

    /// What one read brings is one chunk for the caller: few large ones are less work for everybody.
    async fn fill_for_stream(&mut self) -> io::Result<usize> {
        if self.buffer.capacity() - self.buffer.len() < STREAM_BUFFER_BYTES / 4 {
            self.buffer.reserve(STREAM_BUFFER_BYTES);
        }
        self.fill().await
    }
}
