//! How long a body is, and chunked transfer coding (RFC 9112 section 7.1).

use bytes::{Buf, BytesMut};

use crate::http::Malformed;
use crate::limits::CHUNK_LINE_BYTES_MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
}

/// The trailers the Runtime API knows. Source: custom runtime guide, "Response streaming".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trailers {
    /// `Lambda-Runtime-Function-Error-Type`
    pub(crate) error_type: Option<String>,
    /// `Lambda-Runtime-Function-Error-Body`, base64 as sent.
    pub(crate) error_body: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// More bytes are needed.
    More,
    /// A piece of the body.
    Data(BytesMut),
    End(Trailers),
}

/// Takes a body off the front of a connection's read buffer, piece by piece.
#[derive(Debug)]
pub(crate) struct Decoder {
    state: State,
    trailers: Trailers,
    /// What all trailers that are still to come may hold together.
    trailer_bytes_left: usize,
    /// Bytes of the buffer that are known not to hold the end of the line.
    searched: usize,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Length(u64),
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailer,
    Done,
}

impl Decoder {
    pub(crate) fn new(framing: Framing, trailer_bytes_max: usize) -> Self {
        let state = match framing {
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::ChunkSize,
        };
        Self { state, trailers: Trailers::default(), trailer_bytes_left: trailer_bytes_max, searched: 0 }
    }

    /// Takes the next piece. Call again after [`Step::Data`], and after reading more on [`Step::More`].
    pub(crate) fn step(&mut self, buffer: &mut BytesMut) -> Result<Step, Malformed> {
        loop {
            match self.state {
                State::Length(0) => self.state = State::Done,
                State::Length(left) => {
                    let Some(data) = take(buffer, left) else { return Ok(Step::More) };
                    self.state = State::Length(left - data.len() as u64);
                    return Ok(Step::Data(data));
                }
                State::ChunkSize => {
                    let Some(line) = self.line(buffer, CHUNK_LINE_BYTES_MAX)? else { return Ok(Step::More) };
                    self.state = match chunk_size(&line)? {
                        0 => State::Trailer,
                        size => State::ChunkData(size),
                    };
                }
                State::ChunkData(0) => self.state = State::ChunkEnd,
                State::ChunkData(left) => {
                    let Some(data) = take(buffer, left) else { return Ok(Step::More) };
                    self.state = State::ChunkData(left - data.len() as u64);
                    return Ok(Step::Data(data));
                }
                State::ChunkEnd => {
                    let Some(line) = self.line(buffer, 0)? else { return Ok(Step::More) };
                    if !line.is_empty() {
                        return Err(Malformed::Chunk);
                    }
                    self.state = State::ChunkSize;
                }
                State::Trailer => {
                    let Some(line) = self.line(buffer, self.trailer_bytes_left)? else { return Ok(Step::More) };
                    if line.is_empty() {
                        self.state = State::Done;
                    } else {
                        self.trailer_bytes_left -= line.len();
                        self.trailer(&line)?;
                    }
                }
                State::Done => return Ok(Step::End(std::mem::take(&mut self.trailers))),
            }
        }
    }

    /// Takes a line of at most `max` bytes without its CRLF.
    fn line(&mut self, buffer: &mut BytesMut, max: usize) -> Result<Option<BytesMut>, Malformed> {
        let (from, until) = (self.searched.saturating_sub(1), buffer.len().min(max + 2));
        match buffer[from..until].windows(2).position(|pair| pair == b"\r\n") {
            Some(at) => {
                let line = buffer.split_to(from + at);
                buffer.advance(2);
                self.searched = 0;
                Ok(Some(line))
            }
            None if buffer.len() >= max + 2 => Err(Malformed::Chunk),
            None => {
                self.searched = buffer.len();
                Ok(None)
            }
        }
    }

    fn trailer(&mut self, line: &[u8]) -> Result<(), Malformed> {
        let colon = line.iter().position(|byte| *byte == b':').ok_or(Malformed::Chunk)?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        let text = || Some(String::from_utf8_lossy(value.trim_ascii()).into_owned());
        if name.eq_ignore_ascii_case(b"lambda-runtime-function-error-type") {
            self.trailers.error_type = text();
        } else if name.eq_ignore_ascii_case(b"lambda-runtime-function-error-body") {
            self.trailers.error_body = text();
        }
        Ok(())
    }
}

fn take(buffer: &mut BytesMut, left: u64) -> Option<BytesMut> {
    if buffer.is_empty() {
        return None;
    }
    let count = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
    Some(buffer.split_to(count))
}

fn chunk_size(line: &[u8]) -> Result<u64, Malformed> {
    let size = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    // More than 15 digits cannot be meant; it also keeps the sum of sizes from overflowing.
    if size.is_empty() || size.len() > 15 || !size.iter().all(u8::is_ascii_hexdigit) {
        return Err(Malformed::Chunk);
    }
    std::str::from_utf8(size).ok().and_then(|text| u64::from_str_radix(text, 16).ok()).ok_or(Malformed::Chunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `wire` in pieces of `piece` bytes; gives body, trailers and what is left over.
    fn decode(framing: Framing, wire: &[u8], piece: usize) -> Result<(Vec<u8>, Trailers, Vec<u8>), Malformed> {
        let mut decoder = Decoder::new(framing, 1_000);
        let (mut buffer, mut body, mut rest) = (BytesMut::new(), Vec::new(), wire);
        loop {
            match decoder.step(&mut buffer)? {
                Step::Data(data) => body.extend_from_slice(&data),
                Step::End(trailers) => return Ok((body, trailers, [&buffer[..], rest].concat())),
                Step::More => {
                    assert!(!rest.is_empty(), "wants more than there is");
                    let (now, later) = rest.split_at(piece.min(rest.len()));
                    buffer.extend_from_slice(now);
                    rest = later;
                }
            }
        }
    }

    #[test]
    fn a_chunked_body_with_error_trailers_is_read_however_it_is_split() {
        let wire = b"5;ext=1\r\nhello\r\n006\r\n world\r\n0\r\nLambda-Runtime-Function-Error-Type: Function.Bad\r\n\
            lambda-runtime-function-error-body: e30=\r\nX: y\r\n\r\nGET /next";
        for piece in 1..wire.len() {
            let (body, trailers, rest) = decode(Framing::Chunked, wire, piece).expect("valid");
            assert_eq!(body, b"hello world");
            assert_eq!(trailers.error_type.as_deref(), Some("Function.Bad"));
            assert_eq!(trailers.error_body.as_deref(), Some("e30="));
            assert_eq!(rest, b"GET /next");
        }
    }

    #[test]
    fn a_body_of_known_length_leaves_what_follows() {
        for piece in 1..12 {
            let (body, _, rest) = decode(Framing::Length(5), b"helloGET /", piece).expect("valid");
            assert_eq!((&body[..], &rest[..]), (&b"hello"[..], &b"GET /"[..]));
        }
    }

    #[test]
    fn malformed_chunks_are_refused() {
        for wire in
            [&b"x\r\n"[..], b"\r\n", b"-1\r\n", b"1000000000000000\r\n", b"2\r\nhello\r\n", b"0\r\nno colon\r\n\r\n"]
        {
            assert_eq!(decode(Framing::Chunked, wire, 100), Err(Malformed::Chunk), "{wire:?}");
        }
        let endless = vec![b'1'; CHUNK_LINE_BYTES_MAX + 2];
        assert_eq!(decode(Framing::Chunked, &endless, 10_000), Err(Malformed::Chunk));
    }
}
