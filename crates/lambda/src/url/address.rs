//! Where a function URL is: made for a client, and recognised in a request. Pure.
//!
//! Two forms lead to the same function:
//!
//! ```text
//! http://URL-ID.lambda-url.REGION.localhost:4566/path     the host form, as on AWS
//! http://127.0.0.1:4566/_hearth/url/URL-ID/path           the path form, which needs no name to resolve
//! ```

use std::net::{Ipv4Addr, Ipv6Addr};

use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, Uri};

/// Requests in path form start so.
const PATH_PREFIX: &str = "/_hearth/url/";
/// The label after the id. Source: Lambda developer guide, "Creating and managing Lambda function URLs".
const LABEL: &str = "lambda-url";
/// Where every `localhost` name leads: to the machine itself. Source: RFC 6761.
const LOCAL_DOMAIN: &str = "localhost";

/// Beneath which domain the host form is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UrlDomain(Option<String>);

impl UrlDomain {
    /// A domain whose names all lead to this server; `None`: `localhost`, for clients of this machine.
    #[must_use]
    pub const fn new(domain: Option<String>) -> Self {
        Self(domain)
    }

    /// A URL that works for a client that reached the server as `host`.
    pub(crate) fn url(&self, id: &str, region: &str, host: &str, secure: bool) -> String {
        let scheme = if secure { "https" } else { "http" };
        let (name, port) = split_port(host);
        match self.0.as_deref().or_else(|| is_local(name).then_some(LOCAL_DOMAIN)) {
            Some(domain) => format!("{scheme}://{id}.{LABEL}.{region}.{domain}{port}/"),
            // What the client calls another machine has no names beneath it that anybody knows of.
            None => format!("{scheme}://{host}{PATH_PREFIX}{id}/"),
        }
    }
}

/// A request for a function URL, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub(crate) id: String,
    /// As the function sees it; starts with `/`.
    pub(crate) path: String,
    /// The name the request was sent to, if that was the URL's own.
    pub(crate) name: Option<String>,
}

impl Address {
    /// `None`: the request is for something else.
    #[must_use]
    pub fn of(uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        if let Some(rest) = uri.path().strip_prefix(PATH_PREFIX) {
            let (id, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let path = if path.is_empty() { "/" } else { path };
            return Some(Self { id: id.to_owned(), path: path.to_owned(), name: None });
        }
        let host = headers.get(HOST).map(|host| host.to_str().unwrap_or_default());
        // HTTP/2 has the authority in the request's target.
        let host = host.or_else(|| uri.authority().map(Authority::as_str))?;
        let (name, _) = split_port(host);
        let id = id_of_name(name)?;
        Some(Self { id, path: uri.path().to_owned(), name: Some(name.to_ascii_lowercase()) })
    }

    /// Whether the URL was called by its path, on a name that other things share.
    #[must_use]
    pub const fn is_path_form(&self) -> bool {
        self.name.is_none()
    }
}

/// The id in `URL-ID.lambda-url.REGION.DOMAIN`, whatever the domain is: the id alone says which URL is meant.
#[must_use]
pub fn id_of_name(name: &str) -> Option<String> {
    let mut labels = name.split('.');
    let id = labels.next().filter(|id| !id.is_empty())?;
    let is_url = labels.next().is_some_and(|label| label.eq_ignore_ascii_case(LABEL));
    // A region and a domain.
    (is_url && labels.filter(|label| !label.is_empty()).count() >= 2).then(|| id.to_ascii_lowercase())
}

/// Name and `:port`, which may be empty.
fn split_port(host: &str) -> (&str, &str) {
    let after_address = host.rfind(']').map_or(0, |end| end + 1);
    let port = host[after_address..].find(':').map_or(host.len(), |colon| after_address + colon);
    host.split_at(port)
}

fn is_local(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == LOCAL_DOMAIN
        || name.ends_with(".localhost")
        || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || name.trim_matches(['[', ']']).parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "abcdefghijklmnopqrstuvwxyz234567";

    #[test]
    fn a_url_works_for_the_client_that_asks() {
        let local = UrlDomain::default();
        let named = UrlDomain::new(Some("hearth.test".to_owned()));
        let table = [
            (&local, "127.0.0.1:4566", false, "http://ID.lambda-url.eu-west-1.localhost:4566/"),
            (&local, "localhost:4566", true, "https://ID.lambda-url.eu-west-1.localhost:4566/"),
            (&local, "LOCALHOST", false, "http://ID.lambda-url.eu-west-1.localhost/"),
            (&local, "[::1]:80", false, "http://ID.lambda-url.eu-west-1.localhost:80/"),
            (&local, "lambda.localhost:1", false, "http://ID.lambda-url.eu-west-1.localhost:1/"),
            (&local, "169.254.100.1:4566", false, "http://169.254.100.1:4566/_hearth/url/ID/"),
            (&local, "build-server:4566", true, "https://build-server:4566/_hearth/url/ID/"),
            (&local, "[2001:db8::1]:4566", false, "http://[2001:db8::1]:4566/_hearth/url/ID/"),
            (&named, "build-server:4566", true, "https://ID.lambda-url.eu-west-1.hearth.test:4566/"),
            (&named, "localhost:4566", false, "http://ID.lambda-url.eu-west-1.hearth.test:4566/"),
        ];
        for (domain, host, secure, url) in table {
            assert_eq!(domain.url(ID, "eu-west-1", host, secure), url.replace("ID", ID), "{host}");
        }
    }

    fn address(host: &str, target: &str) -> Option<Address> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().expect("a header value"));
        Address::of(&target.parse().expect("a target"), &headers)
    }

    #[test]
    fn both_forms_and_the_name_on_aws_are_recognised() {
        let table = [
            ("ID.lambda-url.us-east-1.localhost:4566", "/a%20b?c=d", "/a%20b", true),
            ("ID.lambda-url.us-east-1.on.aws", "/", "/", true),
            ("ID.Lambda-URL.us-east-1.hearth.test", "/x", "/x", true),
            ("127.0.0.1:4566", "/_hearth/url/ID", "/", false),
            ("127.0.0.1:4566", "/_hearth/url/ID/", "/", false),
            ("127.0.0.1:4566", "/_hearth/url/ID/a//b/?c", "/a//b/", false),
        ];
        for (host, target, path, is_host_form) in table {
            let (host, target) = (host.replace("ID", ID), target.replace("ID", ID));
            let found = address(&host, &target).expect(&host);
            assert_eq!(
                (found.id.as_str(), found.path.as_str(), found.name.is_some()),
                (ID, path, is_host_form),
                "{host}"
            );
        }
    }

    #[test]
    fn everything_else_is_not() {
        for (host, target) in [
            ("localhost:4566", "/2015-03-31/functions"),
            ("lambda-url.us-east-1.localhost", "/"),
            (".lambda-url.us-east-1.localhost", "/"),
            ("a.lambda-url.localhost", "/"),
            ("a.lambda.us-east-1.amazonaws.com", "/"),
            ("localhost", "/_hearth/urls/a"),
            ("[::1]:4566", "/_hearth/health"),
        ] {
            assert_eq!(address(host, target), None, "{host}{target}");
        }
    }
}
