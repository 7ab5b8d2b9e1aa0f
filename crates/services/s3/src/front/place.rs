//! Where a request's bucket stands: in the host's name or first in the path.

use http::Uri;
use http::header::{HOST, HeaderMap};

use super::text;
use crate::bucket::is_name;

/// The name in an authority.
pub(super) fn host_name(host: &str) -> &str {
    host.rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(host, |(name, _)| name)
}

/// `s3.…` and `s3-…`: without a bucket.
pub(super) fn is_s3_host(name: &str) -> bool {
    name.starts_with("s3.") || name.starts_with("s3-")
}

/// The bucket in a host's name, and whether the host says that it is one of S3.
/// Source: S3 user guide, "Virtual hosting of general purpose buckets".
pub(super) fn virtual_bucket(name: &str) -> Option<(&str, bool)> {
    if is_s3_host(name) {
        return None;
    }
    let found = [".s3.", ".s3-"].iter().filter_map(|mark| name.find(mark)).min();
    let (bucket, is_s3) = match found {
        Some(at) => (&name[..at], true),
        None => (name.strip_suffix(".localhost")?, false),
    };
    is_name(bucket).then_some((bucket, is_s3))
}

pub(super) fn authority<'h>(uri: &'h Uri, headers: &'h HeaderMap) -> &'h str {
    let host = text(headers, HOST);
    host.or_else(|| uri.authority().map(http::uri::Authority::as_str)).unwrap_or_default()
}

pub(super) fn bucket_of(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    if let Some((bucket, _)) = virtual_bucket(host_name(authority(uri, headers))) {
        return Some(bucket.to_owned());
    }
    let first = uri.path().strip_prefix('/')?.split('/').next()?;
    Some(first.to_owned()).filter(|first| !first.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_stands_in_the_host_or_first_in_the_path() {
        let bucket = |host: &str, path: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().expect("a header value"));
            bucket_of(&Uri::from_static(path), &headers)
        };
        for (host, path, want) in [
            ("photos.s3.localhost:4566", "/a/b", Some("photos")),
            ("photos.s3.eu-central-1.amazonaws.com", "/a", Some("photos")),
            ("my.photos.s3-eu-west-1.amazonaws.com", "/a", Some("my.photos")),
            ("photos.localhost:4566", "/", Some("photos")),
            ("s3.localhost:4566", "/photos/a", Some("photos")),
            ("localhost:4566", "/photos", Some("photos")),
            ("127.0.0.1:4566", "/photos/", Some("photos")),
            ("127.0.0.1:4566", "/", None),
        ] {
            assert_eq!(bucket(host, path).as_deref(), want, "{host}{path}");
        }
    }
}
