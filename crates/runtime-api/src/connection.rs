//! One connection of the runtime or an extension: reads requests, lets the shared state decide, writes replies.
//!
//! Replies are collected and written when no further complete request is buffered. So a client that pipelines
//! `POST /response` with the next `GET /next` gets the 202 together with its next event in one packet, while a client
//! that waits for the 202 gets it at once.

mod answer;

use std::io;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::SemaphorePermit;

use subtle::ConstantTimeEq;

use crate::calls::{self, Call};
use crate::http::Malformed;
use crate::http::body::{Decoder, Framing, Step, Trailers};
use crate::http::head::{self, Head, Method, Persistence};
use crate::http::reply::{self, EventReply, Status};
use crate::limits::{
    COPIED_BODY_BYTES_MAX, DISCARDED_BODY_BYTES_MAX, DISCARDED_TRAILER_BYTES_MAX, HEAD_BYTES_MAX, LINGER,
    LINGER_BYTES_MAX, READ_BUFFER_BYTES, SMALL_HEAD_BYTES_MAX, TRAILER_BYTES_MAX,
};
use crate::preparation;
use crate::session::{Event, Refusal};
use crate::shared::{Caller, Next, Shared};
use crate::wire::{Outgoing, Turn, Wire};

/// Serves the connection until its peer or the API closes it.
pub(crate) async fn run(shared: &Shared, stream: TcpStream, generation: u64) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "runtime API: TCP_NODELAY");
    }
    let (read, write) = stream.into_split();
    let mut connection = Connection {
        shared,
        generation,
        read,
        wire: Arc::new(Wire::new(write)),
        buffer: BytesMut::with_capacity(READ_BUFFER_BYTES),
        searched: 0,
        out: Vec::new(),
        replaced: false,
    };
    match connection.serve().await {
        Ok(()) => {}
        Err(End::Gone) => return,
        Err(End::Malformed(why)) => connection.refuse_malformed(why),
    }
    connection.linger().await;
}

/// Why a connection ends before its requests do.
pub(crate) enum End {
    /// The peer has gone.
    Gone,
    Malformed(Malformed),
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl From<Malformed> for End {
    fn from(why: Malformed) -> Self {
        Self::Malformed(why)
    }
}

/// What became of a request's body.
pub(crate) struct Body {
    /// Empty when the body was thrown away.
    pub(crate) bytes: Bytes,
    trailers: Trailers,
    /// Bytes of body that came, kept or not.
    pub(crate) size: u64,
    pub(crate) end: BodyEnd,
}

pub(crate) enum BodyEnd {
    Whole,
    Truncated,
    Malformed(Malformed),
    /// Too much even to be thrown away.
    Endless,
}

pub(crate) struct Connection<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) generation: u64,
    read: OwnedReadHalf,
    wire: Arc<Wire>,
    buffer: BytesMut,
    /// Bytes of the buffer that are known not to hold the end of a head.
    searched: usize,
    /// Replies that are not written yet.
    out: Vec<u8>,
    /// The API serves other processes by now: close without a reply.
    pub(crate) replaced: bool,
}

impl Connection<'_> {
    async fn serve(&mut self) -> Result<(), End> {
        while let Some(head) = self.head().await? {
            // Without knowing the method one cannot know whether its reply may have a body (HEAD).
            let persistence = if head.method == Method::Other { Persistence::Close } else { head.persistence };
            let persistence = self.answer(&head, persistence).await?;
            if self.replaced {
                return Err(End::Gone);
            }
            if persistence == Persistence::Close {
                break;
            }
        }
        self.flush().await?;
        Ok(())
    }

    /// Answers one request. Returns what its reply said about the connection.
    async fn answer(&mut self, head: &Head, persistence: Persistence) -> Result<Persistence, End> {
        let shared = self.shared;
        match Call::of(head.method, &head.path) {
            Call::Next => self.next(head, persistence).await,
            Call::Response { id } => self.invocation_answer(head, persistence, &id, Event::Response).await,
            Call::Error { id } => self.invocation_answer(head, persistence, &id, Event::Error).await,
            Call::InitError => {
                let begun = shared.begin_init_error(self.generation);
                let max = if begun.is_ok() { shared.max_response_bytes } else { 0 };
                let (body, persistence) = self.body(head, max, persistence).await?;
                let too_large = usize::try_from(body.size).unwrap_or(usize::MAX) > shared.max_response_bytes;
                // Init has failed, whatever arrived of the reason.
                let finished = begun
                    .and_then(|()| shared.finish_init_error(self.generation, calls::function_error(head, body.bytes)));
                self.posted(persistence, finished, too_large, &body.end);
                self.after_body(persistence, body.end)
            }
            Call::Extension(call) if shared.serves_extensions() => self.extension(head, persistence, call).await,
            Call::Metadata if shared.metadata.get().is_some() => self.metadata(head, persistence).await,
            Call::Assignment => self.assignment(head, persistence).await,
            Call::Ping => {
                let (body, persistence) = self.body(head, 0, persistence).await?;
                reply::whole(&mut self.out, persistence, Status::Ok, "text/plain; charset=utf-8", b"pong");
                self.after_body(persistence, body.end)
            }
            Call::WrongMethod => {
                let (body, persistence) = self.body(head, 0, persistence).await?;
                self.error(persistence, Status::MethodNotAllowed, "MethodNotAllowed", "405 method not allowed");
                self.after_body(persistence, body.end)
            }
            Call::Unknown | Call::Extension(_) | Call::Metadata => {
                let (body, persistence) = self.body(head, 0, persistence).await?;
                self.unknown(persistence);
                self.after_body(persistence, body.end)
            }
        }
    }

    /// `GET /runtime/invocation/next`
    async fn next(&mut self, head: &Head, persistence: Persistence) -> Result<Persistence, End> {
        let (body, persistence) = self.body(head, 0, persistence).await?;
        if !body.end_is_whole() {
            return self.after_body(persistence, body.end);
        }
        match self.shared.next(self.caller(persistence)) {
            Next::Refused(refusal) => self.refuse(persistence, refusal),
            Next::Send(event) => self.send(event, persistence).await?,
            Next::Wait => self.wait_for_reply().await?,
        }
        Ok(persistence)
    }

    /// `GET /hearth/assignment`
    async fn assignment(&mut self, head: &Head, persistence: Persistence) -> Result<Persistence, End> {
        let (body, persistence) = self.body(head, 0, persistence).await?;
        if !body.end_is_whole() {
            return self.after_body(persistence, body.end);
        }
        match self.shared.assignment(self.caller(persistence)) {
            Next::Refused(preparation::Refusal::Unknown) => self.unknown(persistence),
            Next::Refused(preparation::Refusal::Replaced) => self.replaced = true,
            Next::Send(assignment) => self.send(assignment, persistence).await?,
            Next::Wait => self.wait_for_reply().await?,
        }
        Ok(persistence)
    }

    /// `GET /metadata/execution-environment`
    async fn metadata(&mut self, head: &Head, persistence: Persistence) -> Result<Persistence, End> {
        let (body, persistence) = self.body(head, 0, persistence).await?;
        let token = head.authorization.as_deref().and_then(|value| value.strip_prefix("Bearer "));
        match (self.shared.metadata.get(), token) {
            (Some(metadata), Some(token)) if bool::from(token.as_bytes().ct_eq(metadata.token.as_bytes())) => {
                let json = serde_json::json!({ "AvailabilityZoneID": metadata.availability_zone_id }).to_string();
                let cache = ("Cache-Control", "private, max-age=43200, immutable");
                self.reply(&EventReply::json(&[cache], json), persistence);
            }
            _ => self.error(persistence, Status::Unauthorized, "Unauthorized", "401 unauthorized"),
        }
        self.after_body(persistence, body.end)
    }

    /// What is needed to let this connection wait for its reply.
    pub(crate) fn caller(&mut self, persistence: Persistence) -> Caller<'_> {
        let Self { generation, wire, out, buffer, .. } = self;
        Caller { generation: *generation, wire, held: out, persistence, wake: !buffer.is_empty() }
    }

    /// Sends a reply that was there already, after those that are held back.
    pub(crate) async fn send(&mut self, event: EventReply, persistence: Persistence) -> io::Result<()> {
        let held = std::mem::take(&mut self.out);
        self.wire.send(Outgoing::new(held, event, persistence)).await
    }

    /// Waits until the parked call has been answered by whoever brought the reply.
    pub(crate) async fn wait_for_reply(&mut self) -> Result<(), End> {
        loop {
            match self.wire.turn() {
                Turn::Sent => return Ok(()),
                Turn::Unsent(outgoing) => {
                    self.wire.send(outgoing).await?;
                    return Ok(());
                }
                Turn::Broken => return Err(End::Gone),
                Turn::StillParked => {}
            }
            // A request behind the one that waits is read so far that its peer's leaving is seen, not further.
            if self.buffer.len() >= READ_BUFFER_BYTES {
                self.wire.woken().await;
                continue;
            }
            self.buffer.reserve(READ_BUFFER_BYTES);
            tokio::select! {
                () = self.wire.woken() => {}
                read = self.read.read_buf(&mut self.buffer) => match read {
                    Ok(0) | Err(_) => {
                        self.shared.unpark(&self.wire);
                        return Err(End::Gone);
                    }
                    // Mostly the event is out already and this is the answer to it.
                    Ok(_) => self.wire.wake_when_sent(),
                },
            }
        }
    }

    /// Reads the next request's head; `None` when the peer closed between requests.
    async fn head(&mut self) -> Result<Option<Head>, End> {
        let mut large: Option<SemaphorePermit<'_>> = None;
        loop {
            if let Some(end) = head::end(&self.buffer, self.searched) {
                if end > HEAD_BYTES_MAX {
                    return Err(Malformed::HeadTooLarge.into());
                }
                let head = head::parse(&self.buffer[..end])?;
                bytes::Buf::advance(&mut self.buffer, end);
                self.searched = 0;
                return Ok(Some(head));
            }
            self.searched = self.buffer.len();
            if self.searched > HEAD_BYTES_MAX {
                return Err(Malformed::HeadTooLarge.into());
            }
            if self.searched > SMALL_HEAD_BYTES_MAX && large.is_none() {
                let permit = self.shared.large_heads.try_acquire().map_err(|_| Malformed::HeadTooLarge)?;
                large = Some(permit);
            }
            if self.fill().await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Reads the request's body; keeps up to `max` bytes, where 0 means that it does not matter. An error is returned only
    /// when nothing can be told to the peer any more and nobody waits for the body.
    pub(crate) async fn body(
        &mut self,
        head: &Head,
        max: usize,
        persistence: Persistence,
    ) -> Result<(Body, Persistence), End> {
        let nothing = |end| Body { bytes: Bytes::new(), trailers: Trailers::default(), size: 0, end };
        if head.framing == Framing::Length(0) {
            return Ok((nothing(BodyEnd::Whole), persistence));
        }
        if head.expect_continue && self.buffer.is_empty() {
            if max == 0 {
                // The peer waits before it sends the body; whether it then does cannot be known.
                return Ok((nothing(BodyEnd::Whole), Persistence::Close));
            }
            self.out.extend_from_slice(reply::CONTINUE);
        }
        let body = self.read_body(head.framing, max).await;
        let persistence = if body.end_is_whole() { persistence } else { Persistence::Close };
        Ok((body, persistence))
    }

    async fn read_body(&mut self, framing: Framing, max: usize) -> Body {
        let keep = max > 0;
        let max = max as u64;
        if let Framing::Length(length) = framing
            && length <= max
        {
            return self.read_sized(usize::try_from(length).unwrap_or(usize::MAX)).await;
        }
        let trailer_bytes_max = if keep { TRAILER_BYTES_MAX } else { DISCARDED_TRAILER_BYTES_MAX };
        let mut decoder = Decoder::new(framing, trailer_bytes_max);
        let mut kept = BytesMut::new();
        let mut size: u64 = 0;
        let (end, trailers) = loop {
            match decoder.step(&mut self.buffer) {
                Ok(Step::Data(data)) => {
                    size = size.saturating_add(data.len() as u64);
                    if size <= max {
                        kept.extend_from_slice(&data);
                    } else {
                        kept = BytesMut::new();
                    }
                    if size > DISCARDED_BODY_BYTES_MAX {
                        break (BodyEnd::Endless, Trailers::default());
                    }
                }
                Ok(Step::End(trailers)) => break (BodyEnd::Whole, trailers),
                Ok(Step::More) => match self.fill().await {
                    Ok(1..) => {}
                    Ok(0) | Err(_) => break (BodyEnd::Truncated, Trailers::default()),
                },
                Err(why) => break (BodyEnd::Malformed(why), Trailers::default()),
            }
        };
        Body { bytes: kept.freeze(), trailers, size, end }
    }

    /// A body of known, allowed length: out of the buffer when it is there, else straight into its own memory.
    async fn read_sized(&mut self, length: usize) -> Body {
        let whole = |bytes| Body { bytes, trailers: Trailers::default(), size: length as u64, end: BodyEnd::Whole };
        if self.buffer.len() >= length {
            let bytes = self.buffer.split_to(length);
            return whole(if length <= COPIED_BODY_BYTES_MAX {
                Bytes::copy_from_slice(&bytes)
            } else {
                bytes.freeze()
            });
        }
        let mut body = BytesMut::with_capacity(length);
        body.extend_from_slice(&self.buffer);
        self.buffer.clear();
        while body.len() < length {
            let left = length - body.len();
            let read = match self.flush().await {
                Ok(()) => self.read.read_buf(&mut (&mut body).limit(left)).await,
                Err(error) => Err(error),
            };
            if !matches!(read, Ok(1..)) {
                let size = body.len() as u64;
                return Body { bytes: body.freeze(), trailers: Trailers::default(), size, end: BodyEnd::Truncated };
            }
        }
        whole(body.freeze())
    }

    /// The reply to a post whose body has been read.
    fn posted(&mut self, persistence: Persistence, finished: Result<(), Refusal>, too_large: bool, end: &BodyEnd) {
        match (finished, end) {
            (Err(refusal), _) => self.refuse(persistence, refusal),
            (Ok(()), _) if too_large => {
                let message =
                    format!("Exceeded maximum allowed payload size ({} bytes).", self.shared.max_response_bytes);
                self.error(persistence, Status::ContentTooLarge, "RequestEntityTooLarge", &message);
            }
            (Ok(()), BodyEnd::Whole) => self.accepted(persistence),
            (Ok(()), BodyEnd::Truncated | BodyEnd::Endless) => {
                self.error(
                    persistence,
                    Status::BadRequest,
                    "TruncatedHTTPRequest",
                    "HTTP request detected as truncated",
                );
            }
            // Said by the connection's end.
            (Ok(()), BodyEnd::Malformed(_)) => {}
        }
    }

    /// Goes on to the next request, or ends a connection whose place in the byte stream is lost.
    pub(crate) fn after_body(&self, persistence: Persistence, end: BodyEnd) -> Result<Persistence, End> {
        match end {
            BodyEnd::Whole => Ok(persistence),
            BodyEnd::Truncated | BodyEnd::Endless => Ok(Persistence::Close),
            BodyEnd::Malformed(why) if self.out.is_empty() => Err(End::Malformed(why)),
            BodyEnd::Malformed(_) => Ok(Persistence::Close),
        }
    }

    fn refuse(&mut self, persistence: Persistence, refusal: Refusal) {
        tracing::debug!(?refusal, "runtime API: call refused");
        let (status, error_type) = match refusal {
            Refusal::InvalidStateTransition { .. } => (Status::Forbidden, "InvalidStateTransition"),
            Refusal::UnknownRequestId | Refusal::TooLate => (Status::BadRequest, "InvalidRequestID"),
            Refusal::Replaced => {
                self.replaced = true;
                return;
            }
        };
        self.error(persistence, status, error_type, &refusal.message());
    }

    fn unknown(&mut self, persistence: Persistence) {
        self.error(persistence, Status::NotFound, "NotFound", "404 page not found");
    }

    fn refuse_malformed(&mut self, why: Malformed) {
        let status = if why == Malformed::HeadTooLarge { Status::HeadTooLarge } else { Status::BadRequest };
        self.error(Persistence::Close, status, "InvalidRequest", &why.to_string());
    }

    /// `202 {"status":"OK"}`
    pub(crate) fn accepted(&mut self, persistence: Persistence) {
        reply::accepted(&mut self.out, persistence);
    }

    pub(crate) fn reply(&mut self, reply: &EventReply, persistence: Persistence) {
        self.out.extend(reply.pieces(persistence).into_iter().flatten());
    }

    pub(crate) fn error(&mut self, persistence: Persistence, status: Status, error_type: &str, message: &str) {
        reply::error(&mut self.out, persistence, status, error_type, message);
    }

    /// Writes what is ready, then reads more. 0 at the end of the stream.
    async fn fill(&mut self) -> io::Result<usize> {
        self.flush().await?;
        if self.buffer.capacity() - self.buffer.len() < READ_BUFFER_BYTES / 2 {
            self.buffer.reserve(READ_BUFFER_BYTES);
        }
        self.read.read_buf(&mut self.buffer).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        if !self.out.is_empty() {
            self.wire.write_all(&self.out).await?;
            self.out.clear();
        }
        Ok(())
    }

    /// Writes the last reply and waits a little for the peer to close: closing over unread bytes would reset the
    /// connection and take the reply with it.
    async fn linger(mut self) {
        if self.flush().await.is_err() {
            return;
        }
        let Self { mut read, wire, mut buffer, .. } = self;
        let peer_closes = async move {
            let mut left = LINGER_BYTES_MAX;
            loop {
                buffer.clear();
                buffer.reserve(READ_BUFFER_BYTES);
                match read.read_buf(&mut buffer).await {
                    Ok(count @ 1..) if count < left => left -= count,
                    _ => return,
                }
            }
        };
        // Dropping the writing side says that nothing more will come.
        drop(wire);
        let _ = tokio::time::timeout(LINGER, peer_closes).await;
    }
}

impl Body {
    pub(crate) const fn end_is_whole(&self) -> bool {
        matches!(self.end, BodyEnd::Whole)
    }
}
