//! Refusals of signatures, in S3's words.

use hearth_wire::sigv4::v2::Link;
use hearth_wire::sigv4::{AuthError, Authorization, Explained};
use http::StatusCode;
use http::request::Parts;

use crate::error::S3Error;

/// As [`told_of`], with what tells whoever signed it where the two signatures differ.
pub(super) fn explained(
    error: &AuthError,
    head: &Parts,
    authorization: Option<&Authorization>,
    resource: &str,
) -> S3Error {
    let told = told_of(error);
    let is_mismatch = *error == AuthError::Mismatch;
    if !is_mismatch && *error != AuthError::UnknownKey {
        return told;
    }
    if let Some(authorization) = authorization {
        let told = told.with("AWSAccessKeyId", &authorization.credential.access_key_id);
        if !is_mismatch {
            return told;
        }
        let Explained { canonical_request, string_to_sign } = authorization.explain(head);
        let told = with_text_signed(told, &string_to_sign, authorization.signature());
        let told = told.with("CanonicalRequest", String::from_utf8_lossy(&canonical_request));
        return told.with("CanonicalRequestBytes", spaced_hex(&canonical_request));
    }
    let Some(link) = Link::parse(head) else { return told };
    let told = told.with("AWSAccessKeyId", &link.access_key_id);
    if is_mismatch { with_text_signed(told, &link.string_to_sign(head, resource), link.signature()) } else { told }
}

fn with_text_signed(told: S3Error, text: &str, signature: &str) -> S3Error {
    let told = told.with("StringToSign", text).with("SignatureProvided", signature);
    told.with("StringToSignBytes", spaced_hex(text.as_bytes()))
}

/// `41 57 53`
fn spaced_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// A signature's refusal in S3's words. Source: S3 API reference, "List of error codes"; recorded errors.
pub(crate) fn told_of(error: &AuthError) -> S3Error {
    let forbidden = StatusCode::FORBIDDEN;
    let bad = StatusCode::BAD_REQUEST;
    match error {
        AuthError::Missing => S3Error::access_denied("Access Denied"),
        AuthError::UnknownKey => {
            let message = "The AWS Access Key Id you provided does not exist in our records.";
            S3Error::new("InvalidAccessKeyId", forbidden, message)
        }
        AuthError::TokenExpired => S3Error::new("ExpiredToken", bad, "The provided token has expired."),
        AuthError::Mismatch => {
            let message = "The request signature we calculated does not match the signature you provided. Check your key \
                           and signing method.";
            S3Error::new("SignatureDoesNotMatch", forbidden, message)
        }
        AuthError::Expired { presigned: true, now_ms, age_ms_max, timestamp } => {
            let error = S3Error::access_denied("Request has expired");
            let error = error.with("X-Amz-Expires", (age_ms_max / 1_000).to_string());
            error
                .with("Signed", timestamp)
                .with("ServerTime", hearth_types::clock::format_utc(*now_ms, "%Y-%m-%dT%H:%M:%SZ"))
        }
        AuthError::Expired { .. } | AuthError::NotYet { .. } => {
            let message = "The difference between the request time and the current time is too large.";
            S3Error::new("RequestTimeTooSkewed", forbidden, message)
        }
        AuthError::HeadersNotSigned { names } => {
            let message = "There were headers present in the request which were not signed";
            S3Error::access_denied(message).with("HeadersNotSigned", names.join(", "))
        }
        AuthError::IncompleteQuery | AuthError::Expires => {
            let message = "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, \
                           X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.";
            S3Error::new("AuthorizationQueryParametersError", bad, message)
        }
        AuthError::Incomplete { .. }
        | AuthError::Algorithm { .. }
        | AuthError::Credential { .. }
        | AuthError::Date { .. }
        | AuthError::ScopeDate { .. }
        | AuthError::HostNotSigned
        | AuthError::Region
        | AuthError::Service { .. } => {
            let message = format!("The authorization header is malformed; {error}");
            S3Error::new("AuthorizationHeaderMalformed", bad, message)
        }
        AuthError::BodyHash => {
            let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
            S3Error::new("XAmzContentSHA256Mismatch", bad, message)
        }
        AuthError::Checksum { algorithm } => S3Error::bad_digest(algorithm),
        AuthError::ContentHash => S3Error::argument_name("x-amz-content-sha256", error.to_string()),
        AuthError::Chunks(_) => S3Error::new("IncompleteBody", bad, error.to_string()),
    }
}
