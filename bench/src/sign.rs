//! Signature Version 4 for one kind of request. Source: "Create a signed AWS API request", AWS general reference.

use hearth_types::clock::format_utc;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: Option<String>,
    pub(crate) region: String,
}

/// Signs requests that differ in nothing but their time. The key of the day is derived once.
pub(crate) struct Signer {
    keys: Keys,
    service: &'static str,
    day: String,
    day_key: [u8; 32],
}

impl Signer {
    pub(crate) fn new(keys: Keys, service: &'static str) -> Self {
        Self { keys, service, day: String::new(), day_key: [0; 32] }
    }

    /// The headers to add (whole lines) to a request without query whose path needs no escaping.
    pub(crate) fn headers(&mut self, now_ms: i64, method: &str, path: &str, host: &str, body: &[u8]) -> String {
        let time = format_utc(now_ms, "%Y%m%dT%H%M%SZ");
        let (day, region, service) = (&time[..8], &self.keys.region, self.service);
        if self.day != day {
            let secret = format!("AWS4{}", self.keys.secret_access_key);
            let parts = [day, region, service, "aws4_request"];
            self.day_key = parts
                .iter()
                .fold(None, |key: Option<[u8; 32]>, part| {
                    Some(hmac(key.as_ref().map_or(secret.as_bytes(), |key| &key[..]), part.as_bytes()))
                })
                .unwrap_or_default();
            day.clone_into(&mut self.day);
        }
        let token = self.keys.session_token.as_deref();
        let token_line = token.map(|token| format!("x-amz-security-token:{token}\n")).unwrap_or_default();
        let names = if token.is_some() { "host;x-amz-date;x-amz-security-token" } else { "host;x-amz-date" };
        let body_hash = hex::encode(Sha256::digest(body));
        let canonical =
            format!("{method}\n{path}\n\nhost:{host}\nx-amz-date:{time}\n{token_line}\n{names}\n{body_hash}");
        let scope = format!("{day}/{region}/{service}/aws4_request");
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
        let signature = hex::encode(hmac(&self.day_key, to_sign.as_bytes()));
        let credential = format!("{}/{scope}", self.keys.access_key_id);
        let token = token.map(|token| format!("X-Amz-Security-Token: {token}\r\n")).unwrap_or_default();
        format!(
            "X-Amz-Date: {time}\r\n{token}Authorization: AWS4-HMAC-SHA256 Credential={credential}, \
             SignedHeaders={names}, Signature={signature}\r\n"
        )
    }
}

fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    // An HMAC key may have any length: this cannot fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    mac.update(data);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_example_is_signed_as_published() {
        // "get-vanilla" of AWS's Signature Version 4 test suite.
        let keys = Keys {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            session_token: None,
            region: "us-east-1".to_owned(),
        };
        let headers = Signer::new(keys, "service").headers(1_440_938_160_000, "GET", "/", "example.amazonaws.com", b"");
        assert_eq!(
            headers,
            "X-Amz-Date: 20150830T123600Z\r\nAuthorization: AWS4-HMAC-SHA256 \
             Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31\r\n"
        );
    }
}
