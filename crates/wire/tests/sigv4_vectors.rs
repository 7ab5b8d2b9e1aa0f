//! The published SigV4 vectors, from botocore's source distribution: all verify, and none does after a change.

mod common;

use std::path::{Path, PathBuf};

use hearth_wire::sigv4::{AuthError, Authorization, SigningKey};
use http::Request;
use http::request::Parts;
use sha2::{Digest, Sha256};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// Vectors that cannot be run, and why.
const EXCLUDED: &[(&str, &str)] = &[("get-space", "a bare space cannot stand in a request line")];

fn vectors(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a folder of vectors").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            vectors(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "sreq") {
            found.push(entry);
        }
    }
}

/// A signed request as it stands in a vector.
fn parse(text: &str) -> (Parts, Vec<u8>) {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let (method, rest) = lines.next().expect("a request line").split_once(' ').expect("a method");
    let target = rest.strip_suffix(" HTTP/1.1").expect("a version");
    let mut request = Request::builder().method(method).uri(target);
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in lines {
        match line.split_once(':') {
            // A folded line continues the one before.
            _ if line.starts_with(' ') => {
                let (_, value) = headers.last_mut().expect("a header");
                value.push(' ');
                value.push_str(line.trim());
            }
            Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
            None => panic!("no header: {line}"),
        }
    }
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let (parts, ()) = request.body(()).expect("a request").into_parts();
    (parts, body.as_bytes().to_vec())
}

fn verify(parts: &Parts, body: &[u8]) -> Result<(), AuthError> {
    let authorization = Authorization::parse(parts)?.expect("a signature");
    let key = SigningKey::derive(SECRET, &authorization.credential);
    authorization.check(parts, &key, Some(Sha256::digest(body).into()))
}

#[test]
fn every_vector_verifies_and_no_changed_one_does() {
    let Some(sdist) = common::botocore() else { return };
    let mut files = Vec::new();
    vectors(&sdist.join("tests/unit/auth/aws4_testsuite"), &mut files);
    files.sort();
    let (mut run, mut failures) = (0, Vec::new());
    for file in &files {
        let name = file.file_stem().and_then(|name| name.to_str()).expect("a name");
        if let Some((_, reason)) = EXCLUDED.iter().find(|(excluded, _)| *excluded == name) {
            println!("{name} excluded: {reason}");
            continue;
        }
        run += 1;
        let (mut parts, body) = parse(&std::fs::read_to_string(file).expect("a vector"));
        // One of the signed requests carries a wrong header; the file beside it has the right one.
        let header = std::fs::read_to_string(file.with_extension("authz")).expect("a header");
        parts.headers.insert("authorization", header.trim().parse().expect("a header"));
        if let Err(error) = verify(&parts, &body) {
            failures.push(format!("{name}: {error:?}"));
            continue;
        }
        for (what, parts, body) in mutations(&parts, &body) {
            assert!(verify(&parts, &body).is_err(), "{name} verifies with another {what}");
        }
    }
    println!("sigv4: {} vectors, {run} run, {} passed", files.len(), run - failures.len());
    assert!(run > 25, "too few vectors");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn mutations(parts: &Parts, body: &[u8]) -> Vec<(&'static str, Parts, Vec<u8>)> {
    let mut all = Vec::new();
    let mut method = parts.clone();
    method.method =
        if parts.method == "GET" { "PUT".parse().expect("a method") } else { "GET".parse().expect("a method") };
    all.push(("method", method, body.to_vec()));
    let mut path = parts.clone();
    path.uri = format!("/x{}", parts.uri).parse().expect("a target");
    all.push(("path", path, body.to_vec()));
    let mut query = parts.clone();
    let mark = if parts.uri.query().is_some() { '&' } else { '?' };
    query.uri = format!("{}{mark}x=y", parts.uri).parse().expect("a target");
    all.push(("query", query, body.to_vec()));
    let mut host = parts.clone();
    host.headers.insert("host", "example.org".parse().expect("a host"));
    all.push(("host", host, body.to_vec()));
    let mut date = parts.clone();
    date.headers.insert("x-amz-date", "20150830T123601Z".parse().expect("a date"));
    all.push(("date", date, body.to_vec()));
    all.push(("body", parts.clone(), [body, b"x"].concat()));
    let mut signature = parts.clone();
    let text = parts.headers["authorization"].to_str().expect("text");
    let last = if text.ends_with('0') { '1' } else { '0' };
    let changed = format!("{}{last}", &text[..text.len() - 1]);
    signature.headers.insert("authorization", changed.parse().expect("a header"));
    all.push(("signature", signature, body.to_vec()));
    all
}
