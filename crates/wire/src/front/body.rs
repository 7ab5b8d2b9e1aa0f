//! Reading a request's body within its limit, hashing it as it comes.

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body_util::BodyExt as _;
use sha2::{Digest, Sha256};

use crate::body::BodyError;
use crate::error::ErrorAnswer;
use crate::limits::{BODY_DRAIN_BYTES_MAX, BODY_DRAIN_MAX, BODY_IDLE_MAX, CHUNK_OVERHEAD_BYTES};

/// Room for a body's first growth, bytes.
const FIRST_RESERVE_BYTES: usize = 64 * 1024;

/// A whole body and, when asked for, its SHA-256.
pub(super) struct Digested {
    pub(super) bytes: Bytes,
    pub(super) sha256: Option<[u8; 32]>,
}

pub(super) enum BodyRefused {
    TooLarge,
    /// Nothing came for [`BODY_IDLE_MAX`].
    Idle,
    Broken(BodyError),
}

impl BodyRefused {
    pub(super) fn answer(self, too_large: impl FnOnce() -> ErrorAnswer) -> ErrorAnswer {
        match self {
            Self::TooLarge => too_large(),
            Self::Idle => ErrorAnswer::new(
                "RequestTimeout",
                StatusCode::BAD_REQUEST,
                "Your socket connection to the server was not read from or written to within the timeout period.",
            ),
            Self::Broken(error) => {
                tracing::debug!(%error, "a request's body broke off");
                ErrorAnswer::new("IncompleteBody", StatusCode::BAD_REQUEST, "The request body terminated unexpectedly.")
            }
        }
    }
}

/// The limit of an aws-chunked body whose content may have `limit` bytes. Clients send chunks of 8 KiB or more.
pub(super) const fn chunked_limit(limit: usize) -> usize {
    limit + (limit / 8_192 + 2) * CHUNK_OVERHEAD_BYTES
}

pub(super) async fn read<B>(body: B, limit: usize, wants_hash: bool) -> Result<Digested, BodyRefused>
where
    B: http_body::Body<Data = Bytes> + Send,
    B::Error: Into<BodyError>,
{
    let mut body = std::pin::pin!(body);
    let mut hash = wants_hash.then(Sha256::new);
    if body.size_hint().lower() > limit as u64 {
        drain(body.as_mut()).await;
        return Err(BodyRefused::TooLarge);
    }
    // Most bodies are one frame: it is handed on as it is.
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    let mut length = 0;
    while !body.is_end_stream() {
        let frame = match tokio::time::timeout(BODY_IDLE_MAX, body.frame()).await {
            Err(_) => return Err(BodyRefused::Idle),
            Ok(None) => break,
            Ok(Some(Err(error))) => return Err(BodyRefused::Broken(error.into())),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length > limit {
            drain(body.as_mut()).await;
            return Err(BodyRefused::TooLarge);
        }
        if let Some(hash) = &mut hash {
            hash.update(&data);
        }
        if rest.is_empty() {
            match first.take() {
                None => first = Some(data),
                Some(start) => {
                    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(limit).min(limit);
                    rest.reserve((start.len() + data.len() + expected).max(FIRST_RESERVE_BYTES));
                    rest.extend_from_slice(&start);
                    rest.extend_from_slice(&data);
                }
            }
        } else {
            rest.extend_from_slice(&data);
        }
    }
    let bytes = first.unwrap_or_else(|| rest.freeze());
    Ok(Digested { bytes, sha256: hash.map(|hash| hash.finalize().into()) })
}

/// Reads on for a while: a client that is still sending would never see its answer.
async fn drain<B>(mut body: std::pin::Pin<&mut B>)
where
    B: http_body::Body<Data = Bytes> + Send,
{
    let all = async {
        let mut length = 0;
        while let Some(Ok(frame)) = body.frame().await {
            length += frame.data_ref().map_or(0, Bytes::len);
            if length > BODY_DRAIN_BYTES_MAX {
                break;
            }
        }
    };
    // Out of time: the answer goes out as it is and the connection is cut.
    let _ = tokio::time::timeout(BODY_DRAIN_MAX, all).await;
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use http_body::Frame;

    use super::*;

    /// Pieces of a body; `None` is one that never comes.
    struct Pieces(VecDeque<Option<Result<&'static [u8], BodyError>>>);

    impl Pieces {
        fn of(pieces: impl IntoIterator<Item = &'static [u8]>) -> Self {
            Self(pieces.into_iter().map(|piece| Some(Ok(piece))).collect())
        }
    }

    impl http_body::Body for Pieces {
        type Data = Bytes;
        type Error = BodyError;
        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            match self.0.front() {
                None => Poll::Ready(None),
                Some(None) => Poll::Pending,
                Some(Some(_)) => {
                    let piece = self.0.pop_front().flatten();
                    Poll::Ready(piece.map(|piece| piece.map(|bytes| Frame::data(Bytes::from_static(bytes)))))
                }
            }
        }
    }

    #[tokio::test]
    async fn pieces_become_one_body_and_one_hash() {
        for pieces in [vec![&b"hello world"[..]], vec![b"hello", b" ", b"world"], vec![b"", b"hello", b"", b" world"]] {
            let read = read(Pieces::of(pieces), 11, true).await;
            let Ok(Digested { bytes, sha256 }) = read else { panic!("refused") };
            assert_eq!(bytes, "hello world");
            assert_eq!(sha256, Some(Sha256::digest("hello world").into()));
        }
    }

    #[tokio::test]
    async fn a_body_without_end_is_cut_at_its_limit() {
        let endless = Pieces::of(std::iter::repeat_n(&b"0123456789"[..], 1_000));
        assert!(matches!(read(endless, 99, false).await, Err(BodyRefused::TooLarge)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_coming_is_not_waited_for() {
        let stuck = Pieces([Some(Ok(&b"x"[..])), None].into());
        assert!(matches!(read(stuck, 99, false).await, Err(BodyRefused::Idle)));
        let stuck_too_large = Pieces([Some(Ok(&b"xx"[..])), None].into());
        assert!(matches!(read(stuck_too_large, 1, false).await, Err(BodyRefused::TooLarge)));
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_refused() {
        let broken = Pieces([Some(Ok(&b"x"[..])), Some(Err("reset".into()))].into());
        assert!(matches!(read(broken, 99, false).await, Err(BodyRefused::Broken(_))));
    }
}
