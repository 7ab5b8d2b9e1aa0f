//! Links signed with version 2 of the signature, which clients still make for S3 unless told otherwise. Headers signed so are
//! refused: nobody sends them. Source: S3 user guide, "Signing and authenticating REST requests", query string
//! authentication.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::request::Parts;
use sha1::Sha1;
use subtle::ConstantTimeEq as _;

use super::{AuthError, header};

/// Parameters that are part of what is signed. Source: as above, "Constructing the CanonicalizedResource element".
const SIGNED: [&str; 31] = [
    "accelerate",
    "acl",
    "cors",
    "defaultObjectAcl",
    "delete",
    "lifecycle",
    "location",
    "logging",
    "notification",
    "partNumber",
    "policy",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
    "object-lock",
];

/// What a link says about who signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub access_key_id: String,
    signature: String,
    /// Epoch seconds.
    expires: String,
    pub session_token: Option<String>,
}

impl Link {
    /// `None`: it is not signed so.
    #[must_use]
    pub fn parse(head: &Parts) -> Option<Self> {
        let query = head.uri.query()?;
        let find = |name: &str| {
            form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        Some(Self {
            access_key_id: find("AWSAccessKeyId")?,
            signature: find("Signature")?,
            expires: find("Expires")?,
            session_token: find("x-amz-security-token"),
        })
    }

    /// Recomputes the signature; `resource` is `/BUCKET/KEY` as it was sent.
    ///
    /// # Errors
    /// [`AuthError::Mismatch`], [`AuthError::Expired`].
    pub fn check(&self, head: &Parts, resource: &str, secret: &str, now_ms: i64) -> Result<(), AuthError> {
        let mut hash = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).map_err(|_| AuthError::Mismatch)?;
        hash.update(self.string_to_sign(head, resource).as_bytes());
        let expected = STANDARD.encode(hash.finalize().into_bytes());
        if !bool::from(expected.as_bytes().ct_eq(self.signature.as_bytes())) {
            return Err(AuthError::Mismatch);
        }
        let expires_ms = self.expires.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(1_000));
        if expires_ms.is_some_and(|expires| expires >= now_ms) {
            return Ok(());
        }
        Err(AuthError::Expired { timestamp: self.expires.clone(), now_ms, age_ms_max: 0, presigned: true })
    }

    /// As it was sent.
    #[must_use]
    pub fn signature(&self) -> &str {
        &self.signature
    }

    /// What is signed.
    #[must_use]
    pub fn string_to_sign(&self, head: &Parts, resource: &str) -> String {
        let of = |name: &str| header(&head.headers, name).unwrap_or_default();
        let query = head.uri.query().unwrap_or_default();
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let in_query = pairs.iter().filter(|(name, _)| name.starts_with("x-amz-")).cloned();
        let in_headers = head.headers.iter().filter(|(name, _)| name.as_str().starts_with("x-amz-"));
        let in_headers =
            in_headers.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
        let mut amz: Vec<(String, String)> = in_headers.chain(in_query).collect();
        amz.sort_unstable();
        let amz: String = amz.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        let mut signed: Vec<String> = pairs
            .iter()
            .filter(|(name, _)| SIGNED.contains(&name.as_str()))
            .map(|(name, value)| if value.is_empty() { name.clone() } else { format!("{name}={value}") })
            .collect();
        signed.sort_unstable();
        let mark = if signed.is_empty() { "" } else { "?" };
        format!(
            "{}\n{}\n{}\n{}\n{amz}{resource}{mark}{}",
            head.method,
            of("content-md5"),
            of("content-type"),
            self.expires,
            signed.join("&")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: S3 user guide, "Signing and authenticating REST requests", the example of a query string.
    #[test]
    fn the_documented_link_verifies_until_it_expires() {
        let target = "/photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620";
        let request = http::Request::builder().uri(target).header("host", "johnsmith.s3.amazonaws.com");
        let (head, ()) = request.body(()).expect("a request").into_parts();
        let link = Link::parse(&head).expect("a link");
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let resource = "/johnsmith/photos/puppy.jpg";
        assert_eq!(link.check(&head, resource, secret, 1_175_139_620_000), Ok(()));
        let late = link.check(&head, resource, secret, 1_175_139_621_000);
        assert!(matches!(late, Err(AuthError::Expired { .. })));
        assert_eq!(link.check(&head, "/other/photos/puppy.jpg", secret, 0), Err(AuthError::Mismatch));
    }
}
