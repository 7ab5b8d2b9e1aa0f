//! Why a signature was refused, in the words of the two families of services: query and the JSON ones.

use http::StatusCode;

use super::format_date;
use crate::error::ErrorAnswer;
use crate::limits::CLOCK_SKEW_MS_MAX;
use crate::protocol::Protocol;

/// A request that is not from whom it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// No signature at all.
    Missing,
    Incomplete {
        missing: Vec<&'static str>,
        header: String,
    },
    IncompleteQuery,
    Algorithm {
        header: String,
    },
    Credential {
        text: String,
    },
    Date {
        timestamp: String,
    },
    ScopeDate {
        scope: String,
        timestamp: String,
    },
    HostNotSigned,
    /// S3 only: headers of its own that are sent and not signed.
    HeadersNotSigned {
        names: Vec<String>,
    },
    /// The scope's region is no name.
    Region,
    /// Signed for another service than the one that is asked.
    Service {
        expected: String,
    },
    Expires,
    /// A key nobody has, or a session token that does not belong to it.
    UnknownKey,
    TokenExpired,
    Expired {
        timestamp: String,
        now_ms: i64,
        age_ms_max: i64,
        presigned: bool,
    },
    NotYet {
        timestamp: String,
        now_ms: i64,
    },
    Mismatch,
    BodyHash,
    ContentHash,
    /// An aws-chunked body that is not one.
    Chunks(&'static str),
    /// A trailer's checksum that the content does not have.
    Checksum {
        algorithm: &'static str,
    },
}

impl std::fmt::Display for AuthError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message(false))
    }
}

impl std::error::Error for AuthError {}

impl AuthError {
    /// The answer of a service of this protocol.
    #[must_use]
    pub fn answer(&self, protocol: Protocol) -> ErrorAnswer {
        let (query, json, status) = self.codes();
        let is_query = protocol == Protocol::Query;
        ErrorAnswer::new(if is_query { query } else { json }, status, self.message(is_query))
    }

    /// Code in query services, code in JSON services, status.
    const fn codes(&self) -> (&'static str, &'static str, StatusCode) {
        match self {
            Self::Missing => {
                ("MissingAuthenticationToken", "MissingAuthenticationTokenException", StatusCode::FORBIDDEN)
            }
            Self::Incomplete { .. }
            | Self::IncompleteQuery
            | Self::Algorithm { .. }
            | Self::Credential { .. }
            | Self::Date { .. }
            | Self::Expires => ("IncompleteSignature", "IncompleteSignatureException", StatusCode::BAD_REQUEST),
            Self::UnknownKey => ("InvalidClientTokenId", "UnrecognizedClientException", StatusCode::FORBIDDEN),
            Self::TokenExpired => ("ExpiredToken", "ExpiredTokenException", StatusCode::FORBIDDEN),
            Self::ScopeDate { .. }
            | Self::HostNotSigned
            | Self::Region
            | Self::Service { .. }
            | Self::Expired { .. }
            | Self::NotYet { .. }
            | Self::Mismatch
            | Self::BodyHash => ("SignatureDoesNotMatch", "InvalidSignatureException", StatusCode::FORBIDDEN),
            Self::HeadersNotSigned { .. } => ("AccessDenied", "AccessDeniedException", StatusCode::FORBIDDEN),
            Self::ContentHash | Self::Chunks(_) => {
                ("InvalidRequest", "InvalidRequestException", StatusCode::BAD_REQUEST)
            }
            Self::Checksum { .. } => ("BadDigest", "BadDigest", StatusCode::BAD_REQUEST),
        }
    }

    fn message(&self, is_query: bool) -> String {
        match self {
            Self::Missing if is_query => "Request is missing Authentication Token".to_owned(),
            Self::Missing => "Missing Authentication Token".to_owned(),
            Self::Incomplete { missing, header } => {
                let demands: String = missing.iter().map(|what| format!("Authorization header requires {what}. ")).collect();
                format!("{demands}Authorization={header}")
            }
            Self::IncompleteQuery => {
                "AWS query-string parameters must include 'X-Amz-Algorithm', 'X-Amz-Credential', 'X-Amz-Signature', 'X-Amz-SignedHeaders' and 'X-Amz-Date'. Re-examine the query-string parameters.".to_owned()
            }
            Self::Algorithm { header } => format!("Unsupported AWS 'algorithm': '{}'.", header.split(' ').next().unwrap_or_default()),
            Self::Credential { text } => {
                format!("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{text}'")
            }
            Self::Date { timestamp } => {
                format!("Date must be in ISO-8601 'basic format'. Got '{timestamp}'. See http://en.wikipedia.org/wiki/ISO_8601")
            }
            Self::ScopeDate { scope, timestamp } => format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{scope}' != '{}', from '{timestamp}'.",
                timestamp.get(..8).unwrap_or(timestamp)
            ),
            Self::HostNotSigned => {
                "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".to_owned()
            }
            Self::HeadersNotSigned { .. } => "There were headers present in the request which were not signed".to_owned(),
            Self::Region => "Credential should be scoped to a valid region.".to_owned(),
            Self::Service { expected } => format!("Credential should be scoped to correct service: '{expected}'."),
            Self::Expires => "X-Amz-Expires must be a number between 0 and 604800 (seconds)".to_owned(),
            Self::UnknownKey => "The security token included in the request is invalid.".to_owned(),
            Self::TokenExpired => "The security token included in the request is expired".to_owned(),
            Self::Expired { timestamp, now_ms, age_ms_max, presigned } => {
                let now = format_date(*now_ms);
                let limit = format_date(now_ms - age_ms_max);
                if *presigned {
                    format!("Signature expired: {timestamp} is now earlier than {limit} ({now} - {} sec.)", age_ms_max / 1000)
                } else {
                    format!("Signature expired: {timestamp} is now earlier than {limit} ({now} - {} min.)", age_ms_max / 60_000)
                }
            }
            Self::NotYet { timestamp, now_ms } => format!(
                "Signature not yet current: {timestamp} is still later than {} ({} + {} min.)",
                format_date(now_ms + CLOCK_SKEW_MS_MAX),
                format_date(*now_ms),
                CLOCK_SKEW_MS_MAX / 60_000
            ),
            Self::Mismatch => "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.".to_owned(),
            Self::BodyHash => "The provided 'x-amz-content-sha256' header does not match what was computed.".to_owned(),
            Self::ContentHash => "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER or a valid sha256 value.".to_owned(),
            Self::Chunks(what) => format!("The aws-chunked body is malformed: {what}."),
            Self::Checksum { algorithm } => format!("The {algorithm} you specified did not match the calculated checksum."),
        }
    }
}
