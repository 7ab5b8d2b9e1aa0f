//! The X-Ray trace header of an invocation. Source: AWS X-Ray developer guide, "Tracing header".

use std::sync::Arc;

use hearth_types::Random;

/// A header for a caller that sent none: a trace of its own, not sampled.
/// `Root=1-<epoch seconds, 8 hex>-<24 hex>;Parent=<16 hex>;Sampled=0`.
pub(crate) fn new_header(now_ms: i64, random: &dyn Random) -> Arc<str> {
    let mut bytes = [0; 20];
    random.fill(&mut bytes);
    let (root, parent) = bytes.split_at(12);
    let mut header = String::with_capacity(74);
    header.push_str("Root=1-");
    push_hex(&mut header, &((now_ms / 1000) as u32).to_be_bytes());
    header.push('-');
    push_hex(&mut header, root);
    header.push_str(";Parent=");
    push_hex(&mut header, parent);
    header.push_str(";Sampled=0");
    header.into()
}

/// On the path of every invocation: no formatting machinery.
fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)]);
        text.push(DIGITS[usize::from(byte & 15)]);
    }
}

#[cfg(test)]
mod tests {
    use hearth_types::SeededRandom;

    use super::*;

    #[test]
    fn a_new_header_has_the_documented_form() {
        let header = new_header(1_665_533_090_000, &SeededRandom::new(1));
        let rest = header.strip_prefix("Root=1-634604a2-").expect("starts with the time");
        let (root, rest) = rest.split_at(24);
        let parent = rest.strip_prefix(";Parent=").and_then(|rest| rest.strip_suffix(";Sampled=0")).expect("parent");
        assert_eq!(parent.len(), 16);
        assert!(root.bytes().chain(parent.bytes()).all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()));
    }
}
