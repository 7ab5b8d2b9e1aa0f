//! Any request head: a request line, then a header a line. Its signature is read, and checked with a known key.
//!
//! Neither may panic, and no signature passes under two keys.
#![no_main]

use hearth_wire::sigv4::{Authorization, SigningKey};
use http::Request;
use http::request::Parts;
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};

/// The example secret of AWS's documents, with which the seeds are signed.
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// 2015-08-30T12:36:00Z, the time of the seeds.
const NOW_MS: i64 = 1_440_938_160_000;

fn head(text: &str) -> Option<Parts> {
    let mut lines = text.lines();
    let (method, target) = lines.next()?.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(target);
    for line in lines {
        let (name, value) = line.split_once(':')?;
        request = request.header(name, value.trim());
    }
    Some(request.body(()).ok()?.into_parts().0)
}

fuzz_target!(|text: &str| {
    let Some(head) = head(text) else { return };
    let Ok(Some(authorization)) = Authorization::parse(&head) else { return };
    let _ = authorization.check_time(NOW_MS);
    let key = SigningKey::derive(SECRET, &authorization.credential);
    let other = SigningKey::derive("another", &authorization.credential);
    for body in [None, Some(Sha256::digest(text).into())] {
        let is_right = authorization.check(&head, &key, body).is_ok();
        assert!(!is_right || authorization.check(&head, &other, body).is_err(), "one signature, two keys");
    }
});
