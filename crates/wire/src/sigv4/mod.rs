//! AWS Signature Version 4: verifying, and signing what Hearth itself sends ([`Signer`]). Pure: no clock, no key store, no
//! I/O.
//!
//! [`Authorization::parse`] takes a request's head apart, [`Authorization::check`] recomputes the signature with the
//! caller's secret. Bodies in aws-chunked form are in [`chunked`].
//! Source: IAM user guide, "AWS Signature Version 4 for API requests".

mod canonical;
pub mod checksum;
pub mod chunked;
mod error;
mod key;
mod sign;
pub mod v2;

use http::HeaderMap;
use http::request::Parts;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub use error::AuthError;
pub use key::{KeyCache, SigningKey};
pub use sign::Signer;

use crate::limits::{CLOCK_SKEW_MS_MAX, PRESIGNED_SECONDS_MAX};

pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// Letters a region's name may have; the longest today has 14.
const REGION_LENGTH_MAX: usize = 32;
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
/// SHA-256 of nothing.
pub(crate) const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The scope a signature is valid in: `AKID/20150830/us-east-1/iam/aws4_request`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    pub access_key_id: String,
    /// `20150830`
    pub date: String,
    pub region: String,
    pub service: String,
}

/// What a request says about who signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    pub credential: Credential,
    signed_headers: String,
    signature: String,
    /// `20150830T123600Z`
    timestamp: String,
    signed_at_ms: i64,
    /// Validity of a presigned URL.
    expires_seconds: Option<i64>,
    pub session_token: Option<String>,
    pub payload: Payload,
}

/// What a signature is made over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Header values need not be text.
    pub canonical_request: Vec<u8>,
    pub string_to_sign: String,
}

/// How the body takes part in the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// By its hash. `Some` is the hash the request claims, which the body must have.
    Hash(Option<String>),
    Unsigned,
    /// aws-chunked; the text is what stands in `x-amz-content-sha256`.
    Chunked(chunked::Mode),
}

impl Authorization {
    /// Reads the signature of a request, in its header or its query. `None` when there is none at all.
    ///
    /// # Errors
    /// [`AuthError::Incomplete`] and its like for one that is there but not whole.
    pub fn parse(head: &Parts) -> Result<Option<Self>, AuthError> {
        if let Some(header) = header(&head.headers, "authorization") {
            return Self::from_header(header, &head.headers).map(Some);
        }
        match head.uri.query() {
            Some(query) if query.contains("X-Amz-Signature=") || query.contains("X-Amz-Credential=") => {
                Self::from_query(query, &head.headers).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn from_header(text: &str, headers: &HeaderMap) -> Result<Self, AuthError> {
        let rest = match text.strip_prefix(ALGORITHM) {
            Some(rest) if rest.starts_with(' ') => rest,
            _ => return Err(AuthError::Algorithm { header: text.to_owned() }),
        };
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for part in rest.split(',') {
            match part.trim().split_once('=') {
                Some(("Credential", value)) => credential = Some(value),
                Some(("SignedHeaders", value)) => signed_headers = Some(value),
                Some(("Signature", value)) => signature = Some(value),
                _ => {}
            }
        }
        let timestamp = match header(headers, "x-amz-date") {
            Some(timestamp) => Some(timestamp.to_owned()),
            None => header(headers, "date").and_then(compact_date),
        };
        let (Some(credential), Some(signed_headers), Some(signature), Some(timestamp)) =
            (credential, signed_headers, signature, timestamp.clone())
        else {
            let missing = [
                (credential.is_none(), "'Credential' parameter"),
                (signature.is_none(), "'Signature' parameter"),
                (signed_headers.is_none(), "'SignedHeaders' parameter"),
                (timestamp.is_none(), "existence of either a 'X-Amz-Date' or a 'Date' header"),
            ];
            let missing = missing.iter().filter(|(is_missing, _)| *is_missing).map(|(_, what)| *what).collect();
            return Err(AuthError::Incomplete { missing, header: text.to_owned() });
        };
        Self::of(
            Credential::parse(credential)?,
            signed_headers.to_owned(),
            signature.to_owned(),
            timestamp,
            None,
            header(headers, "x-amz-security-token").map(str::to_owned),
            Payload::of(headers)?.unwrap_or(Payload::Hash(None)),
        )
    }

    fn from_query(query: &str, headers: &HeaderMap) -> Result<Self, AuthError> {
        let find = |name: &str| {
            form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        match find("X-Amz-Algorithm").as_deref() {
            Some(ALGORITHM) => {}
            other => return Err(AuthError::Algorithm { header: other.unwrap_or_default().to_owned() }),
        }
        let parts = ["X-Amz-Credential", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Date"].map(find);
        let [Some(credential), Some(signed_headers), Some(signature), Some(timestamp)] = parts else {
            return Err(AuthError::IncompleteQuery);
        };
        // Outside S3 a presigned request without a validity has that of a header: the clock skew.
        let expires = match find("X-Amz-Expires").map(|text| text.parse::<i64>()) {
            None => None,
            Some(Ok(seconds)) if (0..=PRESIGNED_SECONDS_MAX).contains(&seconds) => Some(seconds),
            Some(_) => return Err(AuthError::Expires),
        };
        let credential = Credential::parse(&credential)?;
        let payload = match Payload::of(headers)? {
            Some(payload) => payload,
            None if credential.service == "s3" => Payload::Unsigned,
            None => Payload::Hash(find("X-Amz-Content-Sha256").filter(|hash| hash != UNSIGNED_PAYLOAD)),
        };
        let token = find("X-Amz-Security-Token").or_else(|| header(headers, "x-amz-security-token").map(str::to_owned));
        Self::of(
            credential,
            signed_headers,
            signature,
            timestamp,
            expires.or(Some(CLOCK_SKEW_MS_MAX / 1000)),
            token,
            payload,
        )
    }

    fn of(
        credential: Credential,
        signed_headers: String,
        signature: String,
        timestamp: String,
        expires_seconds: Option<i64>,
        session_token: Option<String>,
        payload: Payload,
    ) -> Result<Self, AuthError> {
        let Some(signed_at_ms) = parse_date(&timestamp) else {
            return Err(AuthError::Date { timestamp });
        };
        if !timestamp.starts_with(&credential.date) {
            return Err(AuthError::ScopeDate { scope: credential.date, timestamp });
        }
        if !signed_headers.split(';').any(|name| name == "host") {
            return Err(AuthError::HostNotSigned);
        }
        Ok(Self {
            credential,
            signed_headers,
            signature,
            timestamp,
            signed_at_ms,
            expires_seconds,
            session_token,
            payload,
        })
    }

    /// Is the signature from about now?
    ///
    /// # Errors
    /// [`AuthError::Expired`] or [`AuthError::NotYet`].
    pub fn check_time(&self, now_ms: i64) -> Result<(), AuthError> {
        let age_ms_max = self.expires_seconds.map_or(CLOCK_SKEW_MS_MAX, |seconds| seconds * 1000);
        if now_ms - self.signed_at_ms > age_ms_max {
            let presigned = self.expires_seconds.is_some();
            return Err(AuthError::Expired { timestamp: self.timestamp.clone(), now_ms, age_ms_max, presigned });
        }
        if self.signed_at_ms - now_ms > CLOCK_SKEW_MS_MAX {
            return Err(AuthError::NotYet { timestamp: self.timestamp.clone(), now_ms });
        }
        Ok(())
    }

    /// Recomputes the signature. `body_sha256` is the body's hash; unused when the body is unsigned or chunked.
    ///
    /// # Errors
    /// [`AuthError::Mismatch`], or [`AuthError::BodyHash`] when the body is not the one that was signed.
    pub fn check(&self, head: &Parts, key: &SigningKey, body_sha256: Option<[u8; 32]>) -> Result<(), AuthError> {
        let mut digest = [0; 64];
        let hash: &str = match (&self.payload, body_sha256) {
            (Payload::Unsigned, _) => UNSIGNED_PAYLOAD,
            (Payload::Chunked(mode), _) => mode.as_str(),
            (Payload::Hash(_), None) => EMPTY_SHA256,
            (Payload::Hash(_), Some(body)) => hex_digest(&body, &mut digest),
        };
        if let Payload::Hash(Some(claimed)) = &self.payload
            && !claimed.eq_ignore_ascii_case(hash)
        {
            return Err(AuthError::BodyHash);
        }
        self.check_hash(head, key, hash)
    }

    /// As [`Authorization::check`], for a body that is still to come: it is taken to have the hash that is claimed for it.
    ///
    /// # Errors
    /// [`AuthError::Mismatch`].
    pub fn check_claimed(&self, head: &Parts, key: &SigningKey) -> Result<(), AuthError> {
        self.check_hash(head, key, self.claimed_hash())
    }

    fn claimed_hash(&self) -> &str {
        match &self.payload {
            Payload::Unsigned => UNSIGNED_PAYLOAD,
            Payload::Chunked(mode) => mode.as_str(),
            Payload::Hash(claimed) => claimed.as_deref().unwrap_or(EMPTY_SHA256),
        }
    }

    fn check_hash(&self, head: &Parts, key: &SigningKey, hash: &str) -> Result<(), AuthError> {
        let request = canonical::request_hash(head, &self.credential.service, &self.signed_headers, hash);
        let mut request_hex = [0; 64];
        let expected = key.sign(&self.to_sign(hex_digest(&request, &mut request_hex)));
        let mut expected_hex = [0; 64];
        let expected_hex = hex_digest(&expected, &mut expected_hex);
        if bool::from(expected_hex.as_bytes().ct_eq(self.signature.as_bytes())) {
            Ok(())
        } else {
            Err(AuthError::Mismatch)
        }
    }

    /// What is signed, in pieces.
    fn to_sign<'s>(&'s self, request_sha256: &'s str) -> [&'s str; 11] {
        let Credential { date, region, service, .. } = &self.credential;
        [ALGORITHM, "\n", &self.timestamp, "\n", date, "/", region, "/", service, "/aws4_request\n", request_sha256]
    }

    /// The canonical request as [`Authorization::check_claimed`] has it, and the text that is signed: for whoever came to
    /// another signature.
    #[must_use]
    pub fn explain(&self, head: &Parts) -> Explained {
        let hash = self.claimed_hash();
        let request = canonical::request_text(head, &self.credential.service, &self.signed_headers, hash);
        let digest = hex::encode(sha256(&request));
        Explained { canonical_request: request, string_to_sign: self.to_sign(&digest).concat() }
    }

    /// Headers that S3 wants signed where they are sent, and that are not.
    /// Source: S3 API reference, "Authenticating requests: using the authorization header", `SignedHeaders`.
    #[must_use]
    pub fn unsigned_headers(&self, headers: &HeaderMap) -> Vec<String> {
        let is_signed = |name: &str| self.signed_headers.split(';').any(|signed| signed.eq_ignore_ascii_case(name));
        let names = headers.keys().map(http::HeaderName::as_str);
        let wanted = names.filter(|name| name.starts_with("x-amz-") && *name != "x-amz-content-sha256");
        wanted.filter(|name| !is_signed(name)).map(str::to_owned).collect()
    }

    /// Id of the key, and the session's token.
    #[must_use]
    pub fn signed_by(&self) -> (&str, Option<&str>) {
        (&self.credential.access_key_id, self.session_token.as_deref())
    }

    /// As it was sent.
    #[must_use]
    pub fn signature(&self) -> &str {
        &self.signature
    }

    /// What the signatures of the chunks of this request chain on.
    #[must_use]
    pub fn chunk_signer(&self, key: SigningKey) -> chunked::Signer {
        let Credential { date, region, service, .. } = &self.credential;
        chunked::Signer {
            key,
            timestamp: self.timestamp.clone(),
            scope: format!("{date}/{region}/{service}/aws4_request"),
            previous: self.signature.clone(),
        }
    }
}

impl Credential {
    fn parse(text: &str) -> Result<Self, AuthError> {
        // The key id comes first and may itself hold slashes: the scope is read from the end.
        let mut parts = text.rsplitn(5, '/');
        let (terminator, service, region, date, key) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next());
        match (terminator, service, region, date, key) {
            (Some("aws4_request"), Some(service), Some(region), Some(date), Some(key))
                if date.len() == 8 && date.bytes().all(|b| b.is_ascii_digit()) && !key.is_empty() =>
            {
                // It becomes part of names and keys.
                let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
                if !(1..=REGION_LENGTH_MAX).contains(&region.len()) || !region.bytes().all(is_name) {
                    return Err(AuthError::Region);
                }
                Ok(Self {
                    access_key_id: key.to_owned(),
                    date: date.to_owned(),
                    region: region.to_owned(),
                    service: service.to_owned(),
                })
            }
            _ => Err(AuthError::Credential { text: text.to_owned() }),
        }
    }
}

impl Payload {
    /// What `x-amz-content-sha256` says; `None` without the header.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, AuthError> {
        let Some(text) = header(headers, "x-amz-content-sha256") else {
            return Ok(None);
        };
        if text == UNSIGNED_PAYLOAD {
            return Ok(Some(Self::Unsigned));
        }
        if let Some(mode) = chunked::Mode::parse(text) {
            return Ok(Some(Self::Chunked(mode)));
        }
        if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(Some(Self::Hash(Some(text.to_owned()))));
        }
        Err(AuthError::ContentHash)
    }
}

/// A header's text, if it is text.
pub(crate) fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Lower-case hexadecimal, without an allocation.
pub(crate) fn hex_digest<'b>(digest: &[u8; 32], buffer: &'b mut [u8; 64]) -> &'b str {
    // 32 bytes always fit into 64 digits, and digits are text.
    let _ = hex::encode_to_slice(digest, buffer);
    std::str::from_utf8(buffer).unwrap_or_default()
}

/// `20150830T123600Z` to epoch milliseconds.
fn parse_date(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let number = |range: std::ops::Range<usize>| {
        bytes[range].iter().try_fold(0i16, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i16::from(b - b'0')))
    };
    let (year, month, day) = (number(0..4)?, number(4..6)? as i8, number(6..8)? as i8);
    let (hour, minute, second) = (number(9..11)? as i8, number(11..13)? as i8, number(13..15)? as i8);
    let at = jiff::civil::DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    at.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp().as_millisecond())
}

/// Epoch milliseconds as `20150830T123600Z`.
pub(crate) fn format_date(at_ms: i64) -> String {
    hearth_types::clock::format_utc(at_ms, "%Y%m%dT%H%M%SZ")
}

/// A `Date` header in the form signatures use.
fn compact_date(text: &str) -> Option<String> {
    if parse_date(text).is_some() {
        return Some(text.to_owned());
    }
    use crate::timestamp::{Timestamp, TimestampFormat};
    [TimestampFormat::HttpDate, TimestampFormat::DateTime]
        .into_iter()
        .find_map(|format| Timestamp::parse(text, format))
        .map(|at| format_date(at.ms()))
}
