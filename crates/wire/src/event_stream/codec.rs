//! One message of an event stream to bytes and back. Pure.
//!
//! ```text
//! total length u32 | header length u32 | CRC-32 of these 8 bytes | headers | payload | CRC-32 of all before (big-endian)
//! header = name length u8 | name | type u8 | value
//! ```
//! Source: Smithy specification, "Amazon Event Stream Specification".

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};

const PRELUDE_BYTES: usize = 12;
const CRC_BYTES: usize = 4;
/// Prelude and the last checksum.
const FRAME_BYTES: usize = PRELUDE_BYTES + CRC_BYTES;
/// All headers of a message together. Source: as above, "Headers".
pub(crate) const HEADERS_BYTES_MAX: usize = 128 * 1024;
/// Payload of a message. Source: as above, "Message structure".
pub(crate) const PAYLOAD_BYTES_MAX: usize = 24 * 1024 * 1024;

/// A message: its headers, in order, and what it carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    pub headers: Vec<Header>,
    pub payload: Bytes,
}

/// A named, typed value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// 1 to 255 bytes.
    pub name: String,
    pub value: HeaderValue,
}

/// The types of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderValue {
    Bool(bool),
    Byte(i8),
    Short(i16),
    Int(i32),
    Long(i64),
    Bytes(Bytes),
    String(String),
    /// Milliseconds since the Unix epoch.
    Timestamp(i64),
    Uuid([u8; 16]),
}

/// The message does not fit the format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    #[error("the header name {0:?} is empty or longer than 255 bytes")]
    Name(String),
    #[error("the value of header {0} is longer than 32,767 bytes")]
    Value(String),
    #[error("{what} of {bytes} bytes is more than the format takes")]
    TooLarge { what: &'static str, bytes: usize },
}

/// The bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("the prelude's checksum does not fit")]
    PreludeChecksum,
    #[error("the message's checksum does not fit")]
    MessageChecksum,
    #[error("the lengths contradict each other or are more than the format takes")]
    Length,
    #[error("a header is cut off, has an unknown type, or is no UTF-8")]
    Header,
}

impl Message {
    /// With a header of text.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push(Header { name: name.to_owned(), value: HeaderValue::String(value.to_owned()) });
        self
    }

    /// The text of a header, if it has that type.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.name == name).and_then(|header| match &header.value {
            HeaderValue::String(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// Appends the message to `out`; on an error `out` is as before.
    ///
    /// # Errors
    /// [`EncodeError`].
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let mut headers = Vec::new();
        for header in &self.headers {
            header.encode(&mut headers)?;
        }
        let limits =
            [("headers", headers.len(), HEADERS_BYTES_MAX), ("payload", self.payload.len(), PAYLOAD_BYTES_MAX)];
        for (what, bytes, max) in limits {
            if bytes > max {
                return Err(EncodeError::TooLarge { what, bytes });
            }
        }
        let total = FRAME_BYTES + headers.len() + self.payload.len();
        let start = out.len();
        out.reserve(total);
        out.extend((total as u32).to_be_bytes());
        out.extend((headers.len() as u32).to_be_bytes());
        out.extend(crc(&out[start..]).to_be_bytes());
        out.extend(&headers);
        out.extend(&self.payload);
        out.extend(crc(&out[start..]).to_be_bytes());
        Ok(())
    }

    /// The first message of `bytes` and how many bytes it takes; `None` while more are needed.
    ///
    /// # Errors
    /// [`DecodeError`]: nothing that follows can be told from this stream any more.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, DecodeError> {
        let Some(prelude) = bytes.first_chunk::<PRELUDE_BYTES>() else { return Ok(None) };
        let [total, headers_length, prelude_crc] = [0, 4, 8].map(|at| be_u32(&prelude[at..]));
        if crc(&prelude[..8]) != prelude_crc {
            return Err(DecodeError::PreludeChecksum);
        }
        let (total, headers_length) = (total as usize, headers_length as usize);
        let fits = headers_length <= HEADERS_BYTES_MAX
            && total >= FRAME_BYTES + headers_length
            && total - FRAME_BYTES - headers_length <= PAYLOAD_BYTES_MAX;
        if !fits {
            return Err(DecodeError::Length);
        }
        let Some(frame) = bytes.get(..total) else { return Ok(None) };
        let (content, message_crc) = frame.split_at(total - CRC_BYTES);
        if crc(content) != be_u32(message_crc) {
            return Err(DecodeError::MessageChecksum);
        }
        let (mut rest, payload) = content[PRELUDE_BYTES..].split_at(headers_length);
        let mut headers = Vec::new();
        while !rest.is_empty() {
            let header;
            (header, rest) = Header::decode(rest).ok_or(DecodeError::Header)?;
            headers.push(header);
        }
        Ok(Some((Self { headers, payload: Bytes::copy_from_slice(payload) }, total)))
    }
}

impl Header {
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let name_length = u8::try_from(self.name.len()).ok().filter(|length| *length > 0);
        out.push(name_length.ok_or_else(|| EncodeError::Name(self.name.clone()))?);
        out.extend(self.name.as_bytes());
        let sized = |kind: u8, bytes: &[u8], out: &mut Vec<u8>| {
            let length = i16::try_from(bytes.len()).map_err(|_| EncodeError::Value(self.name.clone()))?;
            out.push(kind);
            out.extend(length.to_be_bytes());
            out.extend(bytes);
            Ok(())
        };
        let fixed = |kind: u8, bytes: &[u8], out: &mut Vec<u8>| {
            out.push(kind);
            out.extend(bytes);
            Ok(())
        };
        match &self.value {
            HeaderValue::Bool(true) => fixed(0, &[], out),
            HeaderValue::Bool(false) => fixed(1, &[], out),
            HeaderValue::Byte(value) => fixed(2, &value.to_be_bytes(), out),
            HeaderValue::Short(value) => fixed(3, &value.to_be_bytes(), out),
            HeaderValue::Int(value) => fixed(4, &value.to_be_bytes(), out),
            HeaderValue::Long(value) => fixed(5, &value.to_be_bytes(), out),
            HeaderValue::Bytes(value) => sized(6, value, out),
            HeaderValue::String(value) => sized(7, value.as_bytes(), out),
            HeaderValue::Timestamp(value) => fixed(8, &value.to_be_bytes(), out),
            HeaderValue::Uuid(value) => fixed(9, value, out),
        }
    }

    fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (&length, rest) = bytes.split_first()?;
        let (name, rest) = rest.split_at_checked(usize::from(length)).filter(|(name, _)| !name.is_empty())?;
        let name = std::str::from_utf8(name).ok()?.to_owned();
        let (&kind, rest) = rest.split_first()?;
        let (value, rest) = match kind {
            0 => (HeaderValue::Bool(true), rest),
            1 => (HeaderValue::Bool(false), rest),
            2 => fixed(rest, |raw| HeaderValue::Byte(i8::from_be_bytes(raw)))?,
            3 => fixed(rest, |raw| HeaderValue::Short(i16::from_be_bytes(raw)))?,
            4 => fixed(rest, |raw| HeaderValue::Int(i32::from_be_bytes(raw)))?,
            5 => fixed(rest, |raw| HeaderValue::Long(i64::from_be_bytes(raw)))?,
            6 => {
                let (value, rest) = sized(rest)?;
                (HeaderValue::Bytes(Bytes::copy_from_slice(value)), rest)
            }
            7 => {
                let (value, rest) = sized(rest)?;
                (HeaderValue::String(std::str::from_utf8(value).ok()?.to_owned()), rest)
            }
            8 => fixed(rest, |raw| HeaderValue::Timestamp(i64::from_be_bytes(raw)))?,
            9 => fixed(rest, HeaderValue::Uuid)?,
            _ => return None,
        };
        Some((Self { name, value }, rest))
    }
}

fn fixed<const N: usize>(bytes: &[u8], of: impl FnOnce([u8; N]) -> HeaderValue) -> Option<(HeaderValue, &[u8])> {
    let (raw, rest) = bytes.split_first_chunk::<N>()?;
    Some((of(*raw), rest))
}

fn sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::try_from(i16::from_be_bytes(*length)).ok()?)
}

fn crc(bytes: &[u8]) -> u32 {
    checksum(CrcAlgorithm::Crc32IsoHdlc, bytes) as u32
}

/// The caller has checked that four bytes are there.
fn be_u32(bytes: &[u8]) -> u32 {
    bytes.first_chunk::<4>().map_or(0, |raw| u32::from_be_bytes(*raw))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // Source: the test vectors of the event stream specification ("empty_message", "payload_no_headers").
    #[test]
    fn the_specification_s_vectors_are_read_and_written() {
        let empty = hex::decode("000000100000000005c248eb7d98c8ff").expect("hex");
        let payload = hex::decode("0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936").expect("hex");
        for (bytes, message) in [
            (empty, Message::default()),
            (payload, Message { headers: Vec::new(), payload: Bytes::from_static(b"{'foo':'bar'}") }),
        ] {
            assert_eq!(Message::decode(&bytes), Ok(Some((message.clone(), bytes.len()))));
            let mut written = Vec::new();
            message.encode(&mut written).expect("fits");
            assert_eq!(written, bytes);
        }
    }

    fn value() -> impl Strategy<Value = HeaderValue> {
        prop_oneof![
            any::<bool>().prop_map(HeaderValue::Bool),
            any::<i8>().prop_map(HeaderValue::Byte),
            any::<i16>().prop_map(HeaderValue::Short),
            any::<i32>().prop_map(HeaderValue::Int),
            any::<i64>().prop_map(HeaderValue::Long),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| HeaderValue::Bytes(bytes.into())),
            any::<String>().prop_map(HeaderValue::String),
            any::<i64>().prop_map(HeaderValue::Timestamp),
            any::<[u8; 16]>().prop_map(HeaderValue::Uuid),
        ]
    }

    fn message() -> impl Strategy<Value = Message> {
        let header = (":?[a-z-]{1,20}", value()).prop_map(|(name, value)| Header { name, value });
        let payload = prop::collection::vec(any::<u8>(), 0..200);
        (prop::collection::vec(header, 0..6), payload)
            .prop_map(|(headers, payload)| Message { headers, payload: payload.into() })
    }

    fn encoded(message: &Message) -> Vec<u8> {
        let mut bytes = Vec::new();
        message.encode(&mut bytes).expect("fits");
        bytes
    }

    proptest! {
        #[test]
        fn messages_come_back_as_sent_one_after_the_other(first in message(), second in message()) {
            let mut bytes = encoded(&first);
            let end = bytes.len();
            second.encode(&mut bytes).expect("fits");
            prop_assert_eq!(Message::decode(&bytes), Ok(Some((first, end))));
            prop_assert_eq!(Message::decode(&bytes[end..]), Ok(Some((second, bytes.len() - end))));
        }

        #[test]
        fn a_part_of_a_message_waits_for_the_rest(message in message(), cut in any::<prop::sample::Index>()) {
            let bytes = encoded(&message);
            prop_assert_eq!(Message::decode(&bytes[..cut.index(bytes.len())]), Ok(None));
        }

        #[test]
        fn a_flipped_bit_is_noticed(message in message(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let mut bytes = encoded(&message);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(Message::decode(&bytes).is_err());
        }

        #[test]
        fn any_bytes_decode_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Message::decode(&bytes);
        }
    }

    #[test]
    fn what_does_not_fit_the_format_is_refused() {
        let named = |name: &str| Message::default().with(name, "v").encode(&mut Vec::new());
        assert!(matches!(named(""), Err(EncodeError::Name(_))));
        assert!(matches!(named(&"n".repeat(256)), Err(EncodeError::Name(_))));
        let long = Message::default().with("n", &"v".repeat(32_768)).encode(&mut Vec::new());
        assert!(matches!(long, Err(EncodeError::Value(_))));
        let large = Message { headers: Vec::new(), payload: vec![0; PAYLOAD_BYTES_MAX + 1].into() };
        assert!(matches!(large.encode(&mut Vec::new()), Err(EncodeError::TooLarge { what: "payload", .. })));
    }
}
