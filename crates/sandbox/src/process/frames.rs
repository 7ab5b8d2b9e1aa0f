//! Log records as managed runtimes write them to `_LAMBDA_TELEMETRY_LOG_FD`: `type u32 | length u32 | unix-µs u64 |
//! bytes`, big-endian. Pure; the bytes are a function's, so nothing they say is believed.
//!
//! Source: AWS's runtime interface clients (Python, Node.js).

use hearth_ports::LogLevel;

use crate::environment::{LOG_RECORD_BYTES_MAX, LogRecord};

/// Bytes before those of the record.
const HEADER_BYTES: usize = 16;
/// The first bytes of every type.
const TYPE_PREFIX: [u8; 3] = [0xa5, 0x5a, 0x00];
/// The last byte of a type without format and level.
const TYPE_BASE: u8 = 0x02;
const TEXT_BIT: u8 = 0x01;
/// Microseconds of a millisecond.
const MILLI_MICROS: u64 = 1_000;

/// What was in the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Record(LogRecord<'a>),
    /// No frame: output like any other.
    Text(&'a [u8]),
}

/// Takes frames apart, whatever pieces they come in. Holds less than a record and a header beside what it is given at once.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// What could not be passed on yet.
    held: Vec<u8>,
    /// The frame whose header has been read.
    current: Option<Frame>,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    level: Option<LogLevel>,
    is_json: bool,
    timestamp_ms: i64,
    /// Bytes still to come.
    left: usize,
}

impl Frame {
    fn record<'a>(&self, bytes: &'a [u8]) -> LogRecord<'a> {
        LogRecord { level: self.level, is_json: self.is_json, timestamp_ms: self.timestamp_ms, bytes }
    }
}

impl Frames {
    /// Gives what is complete. A record that is too long is given in pieces.
    pub(super) fn push(&mut self, bytes: &[u8], give: &mut impl FnMut(Piece<'_>)) {
        self.held.extend_from_slice(bytes);
        let mut at = 0;
        loop {
            let rest = &self.held[at..];
            if let Some(frame) = &mut self.current {
                let take = frame.left.min(LOG_RECORD_BYTES_MAX);
                let Some(bytes) = rest.get(..take) else { break };
                give(Piece::Record(frame.record(bytes)));
                at += take;
                frame.left -= take;
                if frame.left == 0 {
                    self.current = None;
                }
            } else {
                let text = text_before_type(rest);
                if text > 0 {
                    give(Piece::Text(&rest[..text]));
                    at += text;
                } else if let Some(header) = rest.first_chunk() {
                    self.current = frame(header);
                    at += HEADER_BYTES;
                } else {
                    break;
                }
            }
        }
        self.held.drain(..at);
    }

    /// Gives what is there of a frame whose writer is gone.
    pub(super) fn finish(&mut self, give: &mut impl FnMut(Piece<'_>)) {
        let frame = self.current.take();
        let held = std::mem::take(&mut self.held);
        match frame {
            _ if held.is_empty() => {}
            Some(frame) => give(Piece::Record(frame.record(&held))),
            None => give(Piece::Text(&held)),
        }
    }
}

/// How many bytes stand before the first that are a type, or may become one.
fn text_before_type(bytes: &[u8]) -> usize {
    let may_be_type = |from: &usize| {
        let bytes = &bytes[*from..];
        match bytes.get(TYPE_PREFIX.len()) {
            Some(last) => bytes.starts_with(&TYPE_PREFIX) && format_and_level(*last).is_some(),
            None => TYPE_PREFIX.starts_with(bytes),
        }
    };
    (0..bytes.len()).find(may_be_type).unwrap_or(bytes.len())
}

/// From the last byte of a type: whether it is JSON, and the level. The bits between base and level's highest count in
/// steps of four: none, trace, debug, and so on.
fn format_and_level(last: u8) -> Option<(bool, Option<LogLevel>)> {
    let is_json = last & TEXT_BIT == 0;
    let bits = (last & !TEXT_BIT).checked_sub(TYPE_BASE)?;
    let level = match bits {
        0x00 => None,
        0x04 => Some(LogLevel::Trace),
        0x08 => Some(LogLevel::Debug),
        0x0c => Some(LogLevel::Info),
        0x10 => Some(LogLevel::Warn),
        0x14 => Some(LogLevel::Error),
        0x18 => Some(LogLevel::Fatal),
        _ => return None,
    };
    Some((is_json, level))
}

/// `None` for an empty record, of which there is nothing to wait for and nothing to say.
fn frame(header: &[u8; HEADER_BYTES]) -> Option<Frame> {
    let [_, _, _, last, length @ .., _, _, _, _, _, _, _, _] = *header;
    let [.., t0, t1, t2, t3, t4, t5, t6, t7] = *header;
    let (is_json, level) = format_and_level(last)?;
    let micros = u64::from_be_bytes([t0, t1, t2, t3, t4, t5, t6, t7]);
    let timestamp_ms = i64::try_from(micros / MILLI_MICROS).unwrap_or(i64::MAX);
    let left = u32::from_be_bytes(length) as usize;
    (left > 0).then_some(Frame { level, is_json, timestamp_ms, left })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A frame as AWS's clients write it.
    fn encoded(kind: u32, length: u32, micros: u64, bytes: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes(), &length.to_be_bytes(), &micros.to_be_bytes()[..], bytes].concat()
    }

    fn whole(kind: u32, bytes: &[u8]) -> Vec<u8> {
        encoded(kind, u32::try_from(bytes.len()).expect("small"), 1_000, bytes)
    }

    #[derive(Clone, Debug, PartialEq)]
    enum Given {
        Record(Option<LogLevel>, bool, i64, Vec<u8>),
        Text(Vec<u8>),
    }

    /// Text side by side is one.
    fn note(given: &mut Vec<Given>, piece: Piece<'_>) {
        match (piece, given.last_mut()) {
            (Piece::Text(more), Some(Given::Text(text))) => text.extend_from_slice(more),
            (Piece::Text(text), _) => given.push(Given::Text(text.to_vec())),
            (Piece::Record(LogRecord { level, is_json, timestamp_ms, bytes }), _) => {
                given.push(Given::Record(level, is_json, timestamp_ms, bytes.to_vec()));
            }
        }
    }

    fn parsed(bytes: &[u8], at_once: usize) -> Vec<Given> {
        let (mut frames, mut given) = (Frames::default(), Vec::new());
        for piece in bytes.chunks(at_once) {
            frames.push(piece, &mut |piece| note(&mut given, piece));
            assert!(frames.held.len() < LOG_RECORD_BYTES_MAX + HEADER_BYTES);
        }
        frames.finish(&mut |piece| note(&mut given, piece));
        given
    }

    #[test]
    fn every_type_of_awss_clients_is_known() {
        let table = [
            (0xa55a_0002, true, None),
            (0xa55a_000a, true, Some(LogLevel::Debug)),
            (0xa55a_000e, true, Some(LogLevel::Info)),
            (0xa55a_0012, true, Some(LogLevel::Warn)),
            (0xa55a_0016, true, Some(LogLevel::Error)),
            (0xa55a_001a, true, Some(LogLevel::Fatal)),
            (0xa55a_0003, false, None),
            (0xa55a_0007, false, Some(LogLevel::Trace)),
            (0xa55a_000b, false, Some(LogLevel::Debug)),
            (0xa55a_000f, false, Some(LogLevel::Info)),
            (0xa55a_0013, false, Some(LogLevel::Warn)),
            (0xa55a_0017, false, Some(LogLevel::Error)),
            (0xa55a_001b, false, Some(LogLevel::Fatal)),
        ];
        for (kind, is_json, level) in table {
            let want = [Given::Record(level, is_json, 1_768_232_232_123, b"x".to_vec())];
            assert_eq!(parsed(&encoded(kind, 1, 1_768_232_232_123_456, b"x"), 64), want, "{kind:x}");
        }
        for unknown in [0xa55a_0000_u32, 0xa55a_0001, 0xa55a_0004, 0xa55a_001f, 0xa55a_0103, 0x0000_0003] {
            let bytes = whole(unknown, b"x");
            assert_eq!(parsed(&bytes, 64), [Given::Text(bytes.clone())], "{unknown:x}");
        }
    }

    #[test]
    fn a_record_is_one_whatever_line_feeds_it_has() {
        let bytes = [whole(0xa55a_0017, b"Traceback\n  File\n"), whole(0xa55a_000f, b"\n\n")].concat();
        let record = |level, text: &[u8]| Given::Record(Some(level), false, 1, text.to_vec());
        let want = [record(LogLevel::Error, b"Traceback\n  File\n"), record(LogLevel::Info, b"\n\n")];
        for at_once in 1..=bytes.len() {
            assert_eq!(parsed(&bytes, at_once), want, "{at_once} bytes at once");
        }
    }

    #[test]
    fn an_empty_record_says_nothing() {
        assert_eq!(parsed(&[whole(0xa55a_0003, b""), whole(0xa55a_0003, b"x")].concat(), 5).len(), 1);
    }

    #[test]
    fn what_is_no_frame_is_text_and_the_next_frame_is_found() {
        let frame = whole(0xa55a_0003, b"x");
        // Beginnings of a type that do not go on as one, too.
        for stray in [&b"hello\n"[..], b"\xa5", b"\xa5\x5a", b"\xa5\x5a\x00", b"\xa5\x5a\x00\xff", b"\xa5\xa5\x5a"] {
            let bytes = [stray, &frame, stray].concat();
            let want = [
                Given::Text(stray.to_vec()),
                Given::Record(None, false, 1, b"x".to_vec()),
                Given::Text(stray.to_vec()),
            ];
            for at_once in 1..=bytes.len() {
                assert_eq!(parsed(&bytes, at_once), want, "{stray:x?}, {at_once} bytes at once");
            }
        }
    }

    #[test]
    fn a_record_that_is_too_long_comes_in_pieces() {
        let bytes = whole(0xa55a_000f, &vec![b'x'; 2 * LOG_RECORD_BYTES_MAX + 5]);
        let lengths = |given: Vec<Given>| -> Vec<usize> {
            let length = |given| match given {
                Given::Record(Some(LogLevel::Info), false, 1, bytes) => bytes.len(),
                other => panic!("{other:?}"),
            };
            given.into_iter().map(length).collect()
        };
        assert_eq!(lengths(parsed(&bytes, 10_000)), [LOG_RECORD_BYTES_MAX, LOG_RECORD_BYTES_MAX, 5]);
    }

    #[test]
    fn a_record_whose_writer_is_gone_is_given_as_far_as_it_came() {
        let cut = encoded(0xa55a_000f, u32::MAX, u64::MAX, b"half");
        let at = i64::try_from(u64::MAX / 1_000).expect("fits");
        assert_eq!(parsed(&cut, 3), [Given::Record(Some(LogLevel::Info), false, at, b"half".to_vec())]);
        assert_eq!(parsed(&cut[..HEADER_BYTES], 3), []);
        // What follows it is not taken for the rest.
        let (mut frames, mut given) = (Frames::default(), Vec::new());
        frames.push(&cut, &mut |piece| note(&mut given, piece));
        frames.finish(&mut |piece| note(&mut given, piece));
        frames.push(&whole(0xa55a_0003, b"next"), &mut |piece| note(&mut given, piece));
        assert_eq!(given.last(), Some(&Given::Record(None, false, 1, b"next".to_vec())));
    }

    /// Stretches of frames, half frames and anything.
    fn hostile() -> impl Strategy<Value = Vec<u8>> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..40);
        let kinds = prop_oneof![Just(0xa55a_0003_u32), Just(0xa55a_0016), any::<u32>()];
        let lengths = prop_oneof![0..60_u32, any::<u32>()];
        let frame =
            (kinds, lengths, any::<u64>(), bytes()).prop_map(|(kind, length, at, b)| encoded(kind, length, at, &b));
        proptest::collection::vec(prop_oneof![frame, bytes()], 0..8).prop_map(|stretches| stretches.concat())
    }

    proptest! {
        #[test]
        fn no_bytes_are_lost_or_make_it_panic_and_the_pieces_they_come_in_change_nothing(
            bytes in hostile(), at_once in 1_usize..80,
        ) {
            let given = parsed(&bytes, at_once);
            prop_assert_eq!(&given, &parsed(&bytes, bytes.len().max(1)));
            let payload: usize = given.iter().map(|given| match given {
                Given::Record(.., bytes) | Given::Text(bytes) => bytes.len(),
            }).sum();
            let headers = (bytes.len() - payload) / HEADER_BYTES;
            prop_assert_eq!(headers * HEADER_BYTES + payload, bytes.len(), "only whole headers are taken off");
        }

        #[test]
        fn what_was_written_is_what_is_given(
            records in proptest::collection::vec((0_usize..13, proptest::collection::vec(any::<u8>(), 1..300)), 0..10),
            at_once in 1_usize..500,
        ) {
            const KINDS: [u32; 13] = [
                0xa55a_0002, 0xa55a_000a, 0xa55a_000e, 0xa55a_0012, 0xa55a_0016, 0xa55a_001a, 0xa55a_0003,
                0xa55a_0007, 0xa55a_000b, 0xa55a_000f, 0xa55a_0013, 0xa55a_0017, 0xa55a_001b,
            ];
            let bytes: Vec<u8> = records.iter().flat_map(|(kind, bytes)| whole(KINDS[*kind], bytes)).collect();
            let given: Vec<Vec<u8>> = parsed(&bytes, at_once).into_iter().map(|given| match given {
                Given::Record(.., bytes) => bytes,
                Given::Text(text) => panic!("{text:?}"),
            }).collect();
            prop_assert_eq!(given, records.into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>());
        }
    }
}
