//! The canonical request: fed straight into its hash, or written out for whoever signed it otherwise.

use std::borrow::Cow;

use http::request::Parts;
use percent_encoding::percent_decode;
use sha2::{Digest, Sha256};

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Where it goes, piece by piece.
trait Sink {
    fn put(&mut self, piece: impl AsRef<[u8]>);
}

impl Sink for Sha256 {
    fn put(&mut self, piece: impl AsRef<[u8]>) {
        self.update(piece);
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, piece: impl AsRef<[u8]>) {
        self.extend_from_slice(piece.as_ref());
    }
}

pub(super) fn request_hash(head: &Parts, service: &str, signed_headers: &str, payload_hash: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    request(head, service, signed_headers, payload_hash, &mut hash);
    hash.finalize().into()
}

pub(super) fn request_text(head: &Parts, service: &str, signed_headers: &str, payload_hash: &str) -> Vec<u8> {
    let mut text = Vec::new();
    request(head, service, signed_headers, payload_hash, &mut text);
    text
}

fn request(head: &Parts, service: &str, signed_headers: &str, payload_hash: &str, to: &mut impl Sink) {
    to.put(head.method.as_str());
    to.put("\n");
    path(head.uri.path(), service, to);
    to.put("\n");
    if let Some(query) = head.uri.query() {
        self::query(query, to);
    }
    to.put("\n");
    for name in signed_headers.split(';') {
        header(head, name, to);
    }
    to.put("\n");
    to.put(signed_headers);
    to.put("\n");
    to.put(payload_hash);
}

/// S3 signs the path as it is, encoded once. Every other service signs the normalised path, encoded once more.
fn path(raw: &str, service: &str, to: &mut impl Sink) {
    if service == "s3" {
        let decoded: Vec<u8> = percent_decode(raw.as_bytes()).collect();
        to.put(encode(&decoded, true).as_ref());
        return;
    }
    let needs_work = raw.contains("//") || raw.contains("/.");
    let normalised = if needs_work { Cow::Owned(normalise(raw)) } else { Cow::Borrowed(raw) };
    let path = if normalised.is_empty() { "/" } else { &normalised };
    to.put(encode(path.as_bytes(), true).as_ref());
}

/// Removes empty and dot segments. Source: RFC 3986, section 5.2.4.
fn normalise(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    let is_directory = ["/", "/.", "/.."].iter().any(|end| path.ends_with(end));
    let end = if is_directory && !kept.is_empty() { "/" } else { "" };
    format!("/{}{end}", kept.join("/"))
}

fn query(raw: &str, to: &mut impl Sink) {
    let mut pairs: Vec<_> = raw
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(|(name, _)| *name != "X-Amz-Signature")
        .map(|(name, value)| (recode(name), recode(value)))
        .collect();
    pairs.sort_unstable();
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            to.put("&");
        }
        to.put(name.as_ref());
        to.put("=");
        to.put(value.as_ref());
    }
}

/// Decodes what the client encoded, its own way, and encodes it the canonical way.
fn recode(text: &str) -> Cow<'_, [u8]> {
    if text.bytes().all(is_unreserved) {
        return Cow::Borrowed(text.as_bytes());
    }
    let spaced = text.replace('+', " ");
    let decoded: Vec<u8> = percent_decode(spaced.as_bytes()).collect();
    Cow::Owned(encode(&decoded, false).into_owned())
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn encode(bytes: &[u8], keep_slash: bool) -> Cow<'_, [u8]> {
    let keeps = |byte: u8| is_unreserved(byte) || (keep_slash && byte == b'/');
    if bytes.iter().all(|byte| keeps(*byte)) {
        return Cow::Borrowed(bytes);
    }
    let mut encoded = Vec::with_capacity(bytes.len() * 3);
    for &byte in bytes {
        if keeps(byte) {
            encoded.push(byte);
        } else {
            encoded.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
    Cow::Owned(encoded)
}

/// `name:values\n`, values joined by commas, runs of spaces as one.
fn header(head: &Parts, name: &str, to: &mut impl Sink) {
    to.put(name);
    to.put(":");
    let mut first = true;
    for value in head.headers.get_all(name) {
        if !first {
            to.put(",");
        }
        first = false;
        to.put(squeeze(value.as_bytes()).as_ref());
    }
    // HTTP/2 has the host in its own pseudo-header.
    if first
        && name == "host"
        && let Some(authority) = head.uri.authority()
    {
        to.put(authority.as_str());
    }
    to.put("\n");
}

fn squeeze(value: &[u8]) -> Cow<'_, [u8]> {
    let trimmed = value.trim_ascii();
    if !trimmed.windows(2).any(|pair| pair == b"  ") && !trimmed.contains(&b'\t') {
        return Cow::Borrowed(trimmed);
    }
    let words: Vec<&[u8]> = trimmed.split(|b| matches!(b, b' ' | b'\t')).filter(|word| !word.is_empty()).collect();
    Cow::Owned(words.join(&b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first seven are RFC 3986's own, section 5.4, and of section 5.2.4.
    #[test]
    fn dot_segments_are_removed_as_the_rfc_says() {
        let table = [
            ("/a/b/c/./../../g", "/a/g"),
            ("/mid/content=5/../6", "/mid/6"),
            ("/b/c/.", "/b/c/"),
            ("/b/c/./", "/b/c/"),
            ("/b/c/..", "/b/"),
            ("/b/c/../", "/b/"),
            ("/../g", "/g"),
            ("/..", "/"),
            ("/.", "/"),
            // AWS, unlike the RFC, removes empty segments, too.
            ("//b//c", "/b/c"),
            ("/b/c..", "/b/c.."),
        ];
        for (path, want) in table {
            assert_eq!(normalise(path), want, "{path}");
        }
    }
}
