//! The part of HTTP/1.1 (RFC 9112) that these APIs need, as pure functions over bytes.
//!
//! What never lives here: sockets, and anything that knows what the calls mean.

pub(crate) mod body;
pub(crate) mod head;
pub(crate) mod reply;
pub(crate) mod response;

/// The bytes are not HTTP; the connection cannot be used any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("malformed request line or headers")]
    Head,
    #[error("request line and headers are too large")]
    HeadTooLarge,
    #[error("contradicting or unknown body length")]
    BodyLength,
    #[error("malformed chunk")]
    Chunk,
}
