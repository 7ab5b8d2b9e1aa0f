//! Documents that set something: read whole, and compared with what the request says of them.

use bytes::Bytes;
use hearth_wire::front::CheckedBody;
use http::header::HeaderName;
use http::request::Parts;
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use md5::{Digest as _, Md5};

use super::text;
use crate::checksum::{Algorithm, Claimed, Running};
use crate::content::{compare_md5, read_md5};
use crate::error::S3Error;
use crate::limits::XML_BYTES_MAX;

/// Of the document of CreateBucket.
const TAGS: &[u8] = b"<Tags>";
/// Sub-resources that are set by a document.
const SET_BY_DOCUMENT: [&str; 12] = [
    "acl",
    "cors",
    "delete",
    "encryption",
    "lifecycle",
    "notification",
    "ownershipControls",
    "policy",
    "publicAccessBlock",
    "requestPayment",
    "tagging",
    "versioning",
];

/// Whether the request brings one.
pub(super) fn is_in(head: &Parts) -> bool {
    let query = head.uri.query().unwrap_or_default();
    let mut names = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    let is_set = names.any(|name| SET_BY_DOCUMENT.contains(&name));
    (is_set && matches!(head.method, Method::PUT | Method::POST)) || makes_bucket(head)
}

/// Whether it is CreateBucket.
fn makes_bucket(head: &Parts) -> bool {
    let is_plain = head.uri.query().is_none_or(|query| query.is_empty() || query.starts_with("x-id="));
    head.method == Method::PUT && is_plain && !head.uri.path().trim_matches('/').contains('/')
}

/// # Errors
/// [`S3Error`]: it is too long, or not what is said of it.
pub(super) async fn read(head: &Parts, body: CheckedBody, announced: Option<&str>) -> Result<Bytes, S3Error> {
    let header = |name: &str| text(&head.headers, HeaderName::try_from(name).ok()?).map(str::to_owned);
    let md5 = header("content-md5").map(|text| read_md5(&text)).transpose()?;
    let values = Algorithm::ALL.map(|algorithm| header(&algorithm.header()));
    let claimed = Claimed::read(values, header("x-amz-sdk-checksum-algorithm").as_deref(), announced)?;
    let trailers = body.trailers();
    let document = Limited::new(body, XML_BYTES_MAX).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            let message = "Your request was too big.";
            return S3Error::new("MaxMessageLengthExceeded", StatusCode::BAD_REQUEST, message);
        }
        S3Error::of_body(error)
    })?;
    let document = document.to_bytes();
    compare_md5(md5, &hex::encode(Md5::digest(&document)))?;
    let found = claimed.algorithm.map(|algorithm| {
        let mut running = Running::new(algorithm);
        running.update(&document);
        running.finish()
    });
    claimed.compare(&trailers, found.as_deref())?;
    // `s3s` reads over them.
    if makes_bucket(head) && document.windows(TAGS.len()).any(|text| text == TAGS) {
        return Err(S3Error::unsupported("Tags in CreateBucket"));
    }
    Ok(document)
}
