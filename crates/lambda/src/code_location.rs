//! `Code.Location`: presigned URLs of code packages, served by Hearth itself.
//!
//! `http://HOST/_hearth/code/ACCOUNT/REGION/FUNCTION/VERSION?sha256=…&expires=…&signature=…`. As with the real
//! service's S3 URLs, whoever has the URL has the package until it expires, and the URL stays that of the package it
//! was made for when the function changes. The key lives as long as the server.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_ports::CodeDigest;
use hearth_types::{Random, RequestContext, limits};
use hearth_wire::Body;
use hmac::{Hmac, KeyInit, Mac};
use http::{StatusCode, header};
use sha2::Sha256;

use crate::error::LambdaError;
use crate::lambda::Lambda;

/// Paths the binary routes to [`serve`] start so.
pub const PATH_PREFIX: &str = "/_hearth/code/";

/// One block of SHA-256: the key HMAC takes as it is.
const KEY_BYTES: usize = 64;

/// Makes and checks the URLs.
pub(crate) struct CodeLocations {
    key: [u8; KEY_BYTES],
}

impl CodeLocations {
    pub(crate) fn new(random: &dyn Random) -> Self {
        let mut key = [0; KEY_BYTES];
        random.fill(&mut key);
        Self { key }
    }

    /// A URL for the host the client used, valid from now for [`limits::CODE_LOCATION_TTL`].
    pub(crate) fn url(
        &self,
        ctx: &RequestContext,
        function: &str,
        version: &str,
        code: CodeDigest,
        now_ms: i64,
    ) -> String {
        let scheme = if ctx.secure { "https" } else { "http" };
        let path = format!("{PATH_PREFIX}{}/{}/{function}/{version}", ctx.account, ctx.region);
        let expires_ms = now_ms.saturating_add_unsigned(limits::CODE_LOCATION_TTL.0);
        let sha256 = code.hex();
        let signature = URL_SAFE_NO_PAD.encode(self.mac(&path, &sha256, expires_ms).finalize().into_bytes());
        format!("{scheme}://{}{path}?sha256={sha256}&expires={expires_ms}&signature={signature}", ctx.host)
    }

    /// The package a URL names, if the URL is ours and still valid.
    fn check(&self, path: &str, query: &str, now_ms: i64) -> Result<CodeDigest, Refusal> {
        let part = |name: &str| {
            query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value)
        };
        let (Some(sha256), Some(expires), Some(signature)) = (part("sha256"), part("expires"), part("signature"))
        else {
            return Err(Refusal::Signature);
        };
        let expires_ms: i64 = expires.parse().map_err(|_| Refusal::Signature)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Refusal::Signature)?;
        self.mac(path, sha256, expires_ms).verify_slice(&signature).map_err(|_| Refusal::Signature)?;
        if now_ms >= expires_ms {
            return Err(Refusal::Expired);
        }
        let mut digest = [0; 32];
        hex::decode_to_slice(sha256, &mut digest).map_err(|_| Refusal::Signature)?;
        Ok(CodeDigest(digest))
    }

    fn mac(&self, path: &str, sha256: &str, expires_ms: i64) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new(&self.key.into());
        // No part can hold a newline: the path is a request's, the others are digits.
        mac.update(format!("{path}\n{sha256}\n{expires_ms}").as_bytes());
        mac
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    Signature,
    Expired,
}

/// Answers a GET of a URL made by GetFunction. `path` as in the request line, `query` without the question mark.
pub async fn serve(lambda: &Lambda, path: &str, query: &str) -> http::Response<Body> {
    let digest = match lambda.locations.check(path, query, lambda.clock.now_ms()) {
        Ok(digest) => digest,
        Err(Refusal::Signature) => return text(StatusCode::FORBIDDEN, "The signature of this URL is not valid.\n"),
        Err(Refusal::Expired) => return text(StatusCode::FORBIDDEN, "This URL has expired: call GetFunction again.\n"),
    };
    match lambda.packages.zip(digest).await {
        Ok(Some(zip)) => answer(StatusCode::OK, "application/zip", Body::from(zip)),
        Ok(None) => text(StatusCode::NOT_FOUND, "No function version has this package any more.\n"),
        Err(error) => {
            let error: hearth_wire::ErrorAnswer = LambdaError::into(error);
            text(error.status, "The package cannot be read.\n")
        }
    }
}

fn text(status: StatusCode, text: &'static str) -> http::Response<Body> {
    answer(status, "text/plain; charset=utf-8", Body::from(text))
}

fn answer(status: StatusCode, content_type: &'static str, body: Body) -> http::Response<Body> {
    let mut response = http::Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use hearth_types::{Partition, RequestId, Scope, SeededRandom};

    use super::*;

    const NOW_MS: i64 = 1_768_232_232_000;

    fn url() -> (CodeLocations, String, String) {
        let locations = CodeLocations::new(&SeededRandom::new(1));
        let scope = Scope {
            partition: Partition::Aws,
            account: "123456789012".parse().expect("digits"),
            region: Some("us-east-1".into()),
        };
        let mut ctx = RequestContext::service(&scope, "test", RequestId::from("r"));
        ctx.host = "127.0.0.1:4566".into();
        let url = locations.url(&ctx, "f", "$LATEST", CodeDigest([7; 32]), NOW_MS);
        let rest = url.strip_prefix("http://127.0.0.1:4566").expect("the host the client used");
        let (path, query) = rest.split_once('?').expect("a query");
        (locations, path.to_owned(), query.to_owned())
    }

    #[test]
    fn a_url_is_valid_for_ten_minutes() {
        let (locations, path, query) = url();
        assert_eq!(path, "/_hearth/code/123456789012/us-east-1/f/$LATEST");
        assert_eq!(locations.check(&path, &query, NOW_MS), Ok(CodeDigest([7; 32])));
        assert_eq!(locations.check(&path, &query, NOW_MS + 599_999), Ok(CodeDigest([7; 32])));
        assert_eq!(locations.check(&path, &query, NOW_MS + 600_000), Err(Refusal::Expired));
    }

    #[test]
    fn nothing_in_a_url_can_be_changed() {
        let (locations, path, query) = url();
        assert_eq!(locations.check(&path.replace("/f/", "/g/"), &query, NOW_MS), Err(Refusal::Signature));
        assert_eq!(locations.check(&path, &query.replace("sha256=07", "sha256=08"), NOW_MS), Err(Refusal::Signature));
        assert_eq!(locations.check(&path, &query.replace("expires=1", "expires=2"), NOW_MS), Err(Refusal::Signature));
        assert_eq!(locations.check(&path, "", NOW_MS), Err(Refusal::Signature));
        let other = CodeLocations::new(&SeededRandom::new(2));
        assert_eq!(other.check(&path, &query, NOW_MS), Err(Refusal::Signature));
    }
}
