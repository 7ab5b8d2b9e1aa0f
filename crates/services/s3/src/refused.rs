//! What no operation takes: headers of what Hearth has not, also those that `s3s` does not know. Each is refused by name.

use http::HeaderMap;

use crate::error::S3Error;

/// Header, and what it asks for.
const REFUSED: [(&str, &str); 25] = [
    ("x-amz-server-side-encryption-customer-algorithm", "SSE-C"),
    ("x-amz-server-side-encryption-customer-key", "SSE-C"),
    ("x-amz-server-side-encryption-customer-key-md5", "SSE-C"),
    ("x-amz-copy-source-server-side-encryption-customer-algorithm", "SSE-C"),
    ("x-amz-copy-source-server-side-encryption-customer-key", "SSE-C"),
    ("x-amz-copy-source-server-side-encryption-customer-key-md5", "SSE-C"),
    ("x-amz-server-side-encryption-context", "An encryption context"),
    ("x-amz-server-side-encryption-bucket-key-enabled", "An S3 Bucket Key"),
    ("x-amz-object-lock-mode", "Object Lock"),
    ("x-amz-object-lock-retain-until-date", "Object Lock"),
    ("x-amz-object-lock-legal-hold", "Object Lock"),
    ("x-amz-object-lock-event-hold", "Object Lock"),
    ("x-amz-object-lock-event-hold-duration-days", "Object Lock"),
    ("x-amz-object-lock-event-hold-duration-years", "Object Lock"),
    ("x-amz-object-annotation-directive", "x-amz-object-annotation-directive"),
    ("x-amz-website-redirect-location", "x-amz-website-redirect-location"),
    ("x-amz-write-offset-bytes", "Appending to objects"),
    ("x-amz-bucket-namespace", "x-amz-bucket-namespace"),
    ("x-amz-confirm-remove-self-bucket-access", "x-amz-confirm-remove-self-bucket-access"),
    ("x-amz-mfa", "MFA Delete"),
    ("x-amz-checksum-md5", "The checksum MD5"),
    ("x-amz-checksum-sha512", "The checksum SHA512"),
    ("x-amz-checksum-xxhash3", "The checksum XXHASH3"),
    ("x-amz-checksum-xxhash64", "The checksum XXHASH64"),
    ("x-amz-checksum-xxhash128", "The checksum XXHASH128"),
];

/// # Errors
/// [`S3Error`]: the first that a request has.
pub(crate) fn check(headers: &HeaderMap) -> Result<(), S3Error> {
    match REFUSED.iter().find(|(header, _)| headers.contains_key(*header)) {
        Some((_, what)) => Err(S3Error::unsupported(what)),
        None => Ok(()),
    }
}
