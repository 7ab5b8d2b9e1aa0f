//! As much of DNS messages as a forwarder needs: header and question of a query, answers with addresses, failures.
//! Pure. Source: RFC 1035, section 4.1. Everything else in a message is carried on as it is.

use std::net::Ipv4Addr;

const HEADER_BYTES: usize = 12;
/// Flags of the header's third byte.
const IS_RESPONSE: u8 = 0x80;
const OPCODE: u8 = 0x78;
const RECURSION_DESIRED: u8 = 0x01;
/// Flag of the fourth byte.
const RECURSION_AVAILABLE: u8 = 0x80;

const TYPE_A: u16 = 1;
const TYPE_ANY: u16 = 255;
const CLASS_INTERNET: u16 = 1;
/// Characters of a name as text.
const NAME_LENGTH_MAX: usize = 255;
/// A label of more is a pointer, which a question has no use for.
const LABEL_BYTES_MAX: u8 = 63;
/// Points to the question's name, which always stands behind the header.
const POINTER_TO_QUESTION: [u8; 2] = [0xc0, 12];
/// Seconds for which our own answers may be kept: names of allow entries are to be asked for often.
const ANSWER_TTL_SECONDS: u32 = 5;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseCode {
    FormatError = 1,
    ServerFailure = 2,
    NoSuchName = 3,
    NotImplemented = 4,
    Refused = 5,
}

/// What we answer ourselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The name has these and nothing else: a question for something else gets an empty answer.
    Addresses(Vec<Ipv4Addr>),
    Failure(ResponseCode),
}

/// A query with one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query<'a> {
    bytes: &'a [u8],
    question_end: usize,
    /// In lower case, without a dot at its end.
    name: String,
    kind: u16,
    class: u16,
}

impl<'a> Query<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, ResponseCode> {
        let malformed = ResponseCode::FormatError;
        let header = bytes.get(..HEADER_BYTES).ok_or(malformed)?;
        if header[2] & OPCODE != 0 {
            return Err(ResponseCode::NotImplemented);
        }
        if header[2] & IS_RESPONSE != 0 || header[4..6] != [0, 1] {
            return Err(malformed);
        }
        let (name, name_end) = read_name(bytes, HEADER_BYTES).ok_or(malformed)?;
        let question_end = name_end + 4;
        let fixed = bytes.get(name_end..question_end).ok_or(malformed)?;
        let number = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        Ok(Self { bytes, question_end, name, kind: number(0), class: number(2) })
    }

    /// In lower case, without a dot at its end.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The query under another number.
    pub(crate) fn renumbered(&self, id: u16) -> Vec<u8> {
        let mut bytes = self.bytes.to_vec();
        bytes[..2].copy_from_slice(&id.to_be_bytes());
        bytes
    }

    /// Takes a name server's answer to [`Query::renumbered`] for ours: `None` when it is none.
    pub(crate) fn accept(&self, id: u16, mut answer: Vec<u8>) -> Option<Vec<u8>> {
        let header = answer.get(..HEADER_BYTES)?;
        let is_answer = header[..2] == id.to_be_bytes() && header[2] & IS_RESPONSE != 0;
        // A failure may come without the question.
        let has_question = header[4..6] == [0, 1];
        let is_same = |answer: &[u8]| {
            let (name, end) = read_name(answer, HEADER_BYTES)?;
            let rest = answer.get(end..end + 4)?;
            (name == self.name && rest == &self.bytes[self.question_end - 4..self.question_end]).then_some(())
        };
        if !is_answer || (has_question && is_same(&answer).is_none()) {
            return None;
        }
        answer[..2].copy_from_slice(&self.bytes[..2]);
        Some(answer)
    }

    pub(crate) fn answer(&self, answer: &Answer) -> Vec<u8> {
        let addresses: &[Ipv4Addr] = match answer {
            Answer::Failure(code) => return response(self.bytes, self.question_end, *code as u8, 0),
            Answer::Addresses(addresses) if matches!(self.kind, TYPE_A | TYPE_ANY) && self.class == CLASS_INTERNET => {
                addresses
            }
            Answer::Addresses(_) => &[],
        };
        let mut bytes = response(self.bytes, self.question_end, 0, u8::try_from(addresses.len()).unwrap_or(u8::MAX));
        for address in addresses.iter().take(usize::from(u8::MAX)) {
            bytes.extend(POINTER_TO_QUESTION);
            bytes.extend(TYPE_A.to_be_bytes());
            bytes.extend(CLASS_INTERNET.to_be_bytes());
            bytes.extend(ANSWER_TTL_SECONDS.to_be_bytes());
            bytes.extend(4_u16.to_be_bytes());
            bytes.extend(address.octets());
        }
        bytes
    }
}

/// An answer to whatever this is; `None` when it is not even a query.
pub(crate) fn failure(bytes: &[u8], code: ResponseCode) -> Option<Vec<u8>> {
    let header = bytes.get(..HEADER_BYTES)?;
    if header[2] & IS_RESPONSE != 0 {
        return None;
    }
    let question_end = Query::parse(bytes).map_or(HEADER_BYTES, |query| query.question_end);
    Some(response(bytes, question_end, code as u8, 0))
}

/// Header and question, if there is one.
fn response(query: &[u8], question_end: usize, code: u8, answers: u8) -> Vec<u8> {
    let mut bytes = query[..question_end].to_vec();
    bytes[2] = IS_RESPONSE | query[2] & (OPCODE | RECURSION_DESIRED);
    bytes[3] = RECURSION_AVAILABLE | code;
    bytes[4..HEADER_BYTES].fill(0);
    bytes[5] = u8::from(question_end > HEADER_BYTES);
    bytes[7] = answers;
    bytes
}

/// A name without pointers, as lower-case text, and where it ends. Bytes that are no text stand as `?`, which no name
/// we know has.
fn read_name(bytes: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut name = String::new();
    loop {
        let length = *bytes.get(at)?;
        at += 1;
        if length == 0 {
            return Some((name, at));
        }
        if length > LABEL_BYTES_MAX || name.len() + usize::from(length) > NAME_LENGTH_MAX {
            return None;
        }
        let label = bytes.get(at..at + usize::from(length))?;
        at += usize::from(length);
        if !name.is_empty() {
            name.push('.');
        }
        name.extend(label.iter().map(|byte| match byte {
            b'.' => '?',
            byte if byte.is_ascii_graphic() => char::from(byte.to_ascii_lowercase()),
            _ => '?',
        }));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn query(name: &str, kind: u16) -> Vec<u8> {
        let mut bytes = vec![0x12, 0x34, RECURSION_DESIRED, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.').filter(|label| !label.is_empty()) {
            bytes.push(u8::try_from(label.len()).expect("short"));
            bytes.extend(label.bytes());
        }
        bytes.push(0);
        bytes.extend(kind.to_be_bytes());
        bytes.extend(CLASS_INTERNET.to_be_bytes());
        bytes
    }

    #[test]
    fn a_query_is_read_in_lower_case() {
        let bytes = query("Host.Hearth.INTERNAL", TYPE_A);
        assert_eq!(Query::parse(&bytes).map(|query| query.name), Ok("host.hearth.internal".to_owned()));
        assert_eq!(Query::parse(&query("", 2)).map(|query| query.name), Ok(String::new()));
    }

    #[test]
    fn an_address_is_answered_as_rfc_1035_has_it() {
        let bytes = query("host.hearth.internal", TYPE_A);
        let answer =
            Query::parse(&bytes).expect("query").answer(&Answer::Addresses(vec![Ipv4Addr::new(169, 254, 100, 2)]));
        // Header: same number; response, recursion desired and available, no error; one question, one answer.
        assert_eq!(answer[..HEADER_BYTES], [0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
        assert_eq!(answer[HEADER_BYTES..bytes.len()], bytes[HEADER_BYTES..]);
        assert_eq!(answer[bytes.len()..], [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 169, 254, 100, 2]);
    }

    #[test]
    fn a_name_without_ipv6_addresses_exists_nevertheless() {
        let bytes = query("host.hearth.internal", 28);
        let answer = Query::parse(&bytes).expect("query").answer(&Answer::Addresses(vec![Ipv4Addr::LOCALHOST]));
        assert_eq!(answer[..HEADER_BYTES], [0x12, 0x34, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(answer.len(), bytes.len());
    }

    #[test]
    fn what_is_no_query_is_refused_by_its_kind() {
        let mut update = query("example.com", TYPE_A);
        update[2] = 5 << 3;
        assert_eq!(Query::parse(&update), Err(ResponseCode::NotImplemented));
        let mut two = query("example.com", TYPE_A);
        two[5] = 2;
        let mut pointer = query("example.com", TYPE_A);
        pointer[HEADER_BYTES] = 0xc0;
        for bytes in [two, pointer, query("example.com", TYPE_A)[..20].to_vec()] {
            assert_eq!(Query::parse(&bytes), Err(ResponseCode::FormatError));
            let answer = failure(&bytes, ResponseCode::FormatError).expect("an answer");
            assert_eq!(answer, [0x12, 0x34, 0x81, 0x81, 0, 0, 0, 0, 0, 0, 0, 0]);
        }
        let mut response = query("example.com", TYPE_A);
        response[2] |= IS_RESPONSE;
        assert_eq!(failure(&response, ResponseCode::FormatError), None);
        assert_eq!(failure(b"short", ResponseCode::FormatError), None);
    }

    /// What an attacker off the path would have to guess.
    #[test]
    fn only_the_answer_to_the_question_is_taken() {
        let bytes = query("example.com", TYPE_A);
        let asked = Query::parse(&bytes).expect("query");
        let sent = asked.renumbered(0xbeef);
        let good = response(&sent, sent.len(), 0, 0);
        let taken = asked.accept(0xbeef, good.clone()).expect("taken");
        assert_eq!(taken[..2], [0x12, 0x34]);
        assert_eq!(asked.accept(0xbeee, good.clone()), None);
        assert_eq!(asked.accept(0xbeef, sent.clone()), None);
        for other in [query("example.org", TYPE_A), query("example.com", 28)] {
            let mut other = response(&other, other.len(), 0, 0);
            other[..2].copy_from_slice(&[0xbe, 0xef]);
            assert_eq!(asked.accept(0xbeef, other), None);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), real in any::<bool>()) {
            let mut bytes = bytes;
            if real && bytes.len() > HEADER_BYTES {
                bytes[2] = 1;
                bytes[4..6].copy_from_slice(&[0, 1]);
            }
            if let Ok(query) = Query::parse(&bytes) {
                let answer = query.answer(&Answer::Addresses(vec![Ipv4Addr::LOCALHOST; 3]));
                prop_assert!(answer.len() >= query.question_end);
                let _ = query.accept(u16::from_be_bytes([bytes[0], bytes[1]]), bytes.clone());
            }
            let _ = failure(&bytes, ResponseCode::ServerFailure);
        }

        #[test]
        fn a_name_is_what_was_asked(labels in proptest::collection::vec("[a-z0-9_-]{1,63}", 1..4)) {
            let name = labels.join(".");
            let bytes = query(&name, TYPE_A);
            prop_assert_eq!(Query::parse(&bytes).map(|query| query.name), Ok(name));
        }
    }
}
