//! Answers that go on: the frames of `application/vnd.amazon.eventstream`, and the body that sends a service's events
//! in them. What never lives here: what an event means, or when one is sent.

mod body;
mod codec;

pub(crate) use body::encode_response;
pub use body::{EventSender, EventStream, Gone, MEDIA_TYPE};
pub use codec::{DecodeError, EncodeError, Header, HeaderValue, Message};
