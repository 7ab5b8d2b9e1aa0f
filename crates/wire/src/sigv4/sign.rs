//! The other side: requests that Hearth itself makes of services elsewhere.

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderName, HeaderValue};

use super::{ALGORITHM, Credential, SigningKey, canonical, format_date, hex_digest, sha256};

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// Who signs. The secret is not shown.
#[derive(Clone)]
pub struct Signer {
    pub access_key_id: String,
    pub secret_access_key: String,
    /// Of temporary credentials.
    pub session_token: Option<String>,
    pub region: String,
    pub service: &'static str,
}

impl Signer {
    /// Signs a request with all the headers it has, among them `host`; adds those of the signature.
    ///
    /// # Errors
    /// The key id or the token is nothing that a header can say.
    pub fn sign(&self, head: &mut Parts, body: &[u8], now_ms: i64) -> Result<(), http::header::InvalidHeaderValue> {
        let timestamp = format_date(now_ms);
        head.headers.insert(DATE, HeaderValue::from_str(&timestamp)?);
        if let Some(token) = &self.session_token {
            head.headers.insert(TOKEN, HeaderValue::from_str(token)?);
        }
        let mut names: Vec<&str> = head.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let signed_headers = names.join(";");
        let (mut body_hex, mut request_hex, mut signature_hex) = ([0; 64], [0; 64], [0; 64]);
        let body_hash = sha256(body);
        let body_hash = hex_digest(&body_hash, &mut body_hex);
        let request = canonical::request_hash(head, self.service, &signed_headers, body_hash);
        let credential = Credential {
            access_key_id: self.access_key_id.clone(),
            date: timestamp.chars().take_while(|letter| *letter != 'T').collect(),
            region: self.region.clone(),
            service: self.service.to_owned(),
        };
        let Credential { access_key_id, date, region, service } = &credential;
        let scope = format!("{date}/{region}/{service}/aws4_request");
        let key = SigningKey::derive(&self.secret_access_key, &credential);
        let signature =
            key.sign(&[ALGORITHM, "\n", &timestamp, "\n", &scope, "\n", hex_digest(&request, &mut request_hex)]);
        let signature = hex_digest(&signature, &mut signature_hex);
        let header = format!(
            "{ALGORITHM} Credential={access_key_id}/{scope}, SignedHeaders={signed_headers}, Signature={signature}"
        );
        head.headers.insert(AUTHORIZATION, HeaderValue::from_str(&header)?);
        Ok(())
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { access_key_id, region, service, .. } = self;
        f.debug_struct("Signer")
            .field("access_key_id", access_key_id)
            .field("region", region)
            .field("service", service)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::sigv4::Authorization;

    const AT_MS: i64 = 1_440_938_160_000;

    fn signer() -> Signer {
        Signer {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            session_token: None,
            region: "us-east-1".to_owned(),
            service: "iam",
        }
    }

    // Source: IAM user guide, "Examples of the complete Signature Version 4 signing process".
    #[test]
    fn the_documented_example_request_is_signed() {
        let request = Request::get("https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08")
            .header("host", "iam.amazonaws.com")
            .header("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        let (mut head, ()) = request.body(()).expect("a request").into_parts();
        signer().sign(&mut head, b"", AT_MS).expect("signed");
        assert_eq!(
            head.headers["authorization"],
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        );
    }

    #[test]
    fn what_is_signed_here_is_verified_here_and_a_changed_body_is_not() {
        let request = Request::post("http://localhost:4566/a/b").header("host", "localhost:4566");
        let (mut head, ()) = request.body(()).expect("a request").into_parts();
        let signer = Signer { session_token: Some("token".to_owned()), ..signer() };
        signer.sign(&mut head, b"body", AT_MS).expect("signed");
        let seen = Authorization::parse(&head).expect("read").expect("signed");
        assert_eq!(seen.session_token.as_deref(), Some("token"));
        let key = SigningKey::derive(&signer.secret_access_key, &seen.credential);
        assert!(seen.check(&head, &key, Some(sha256(b"body"))).is_ok());
        assert!(seen.check(&head, &key, Some(sha256(b"Body"))).is_err());
    }

    #[test]
    fn secrets_are_not_shown() {
        assert!(!format!("{:?}", signer()).contains("wJalr"));
    }
}
