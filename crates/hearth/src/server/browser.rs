//! Keeps web pages out. On loopback any caller is trusted, and a browser calls from loopback on behalf of whatever page
//! it shows: a page can send requests here (their `Origin` tells), or have its own name resolve to this machine (then
//! the `Host` tells). Pure.

use std::net::{Ipv4Addr, Ipv6Addr};

use hyper::header::{HOST, ORIGIN};
use hyper::{HeaderMap, Uri};

/// Of requests for streams. Source: the API models, `endpoint.hostPrefix`: today's and the one before April 2026.
const HOST_PREFIXES: [&str; 2] = ["stream-", "streaming-"];

/// Why a request is refused, as the caller reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("requests from web pages are answered only for pages of this machine")]
    Origin,
    #[error("this server does not answer by that name; use localhost or an address, or add it to `allowed_hosts`")]
    Host,
}

/// `allowed` are names beside `localhost` and addresses.
pub(super) fn check(uri: &Uri, headers: &HeaderMap, allowed: &[String]) -> Result<(), Refused> {
    if let Some(origin) = headers.get(ORIGIN) {
        let host = origin.to_str().ok().and_then(|origin| Some(origin.split_once("://")?.1));
        if !host.is_some_and(|authority| is_known(authority, allowed)) {
            return Err(Refused::Origin);
        }
    }
    let host = headers.get(HOST).map(|host| host.to_str().unwrap_or_default());
    // HTTP/2 has the authority in the request's target.
    match host.or_else(|| uri.authority().map(http::uri::Authority::as_str)) {
        Some(authority) if !is_known(authority, allowed) => Err(Refused::Host),
        _ => Ok(()),
    }
}

fn is_known(authority: &str, allowed: &[String]) -> bool {
    if let Some(address) = authority.strip_prefix('[') {
        return address.split_once(']').is_some_and(|(address, _)| address.parse::<Ipv6Addr>().is_ok());
    }
    let name = authority.split_once(':').map_or(authority, |(name, _)| name).to_ascii_lowercase();
    // What a function's page asks for it asks for as a function, not as somebody of this machine.
    if hearth_lambda::url::id_of_name(&name).is_some() {
        return false;
    }
    // What clients put before the host of whatever endpoint they are given, for StartLiveTail.
    let name = HOST_PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(&name);
    name.parse::<Ipv4Addr>().is_ok()
        || name == "localhost"
        || name.ends_with(".localhost")
        || allowed.iter().any(|other| other.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(host: &str, origin: Option<&str>) -> Result<(), Refused> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().expect("a header value"));
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().expect("a header value"));
        }
        check(&Uri::from_static("/"), &headers, &["hearth.test".to_owned()])
    }

    #[test]
    fn clients_of_this_machine_are_answered() {
        for host in [
            "127.0.0.1:4566",
            "localhost:4566",
            "LOCALHOST",
            "[::1]:4566",
            "b.s3.localhost:4566",
            "hearth.test:1",
            "stream-localhost:4566",
            "streaming-127.0.0.1:4566",
            "stream-hearth.test",
        ] {
            assert_eq!(checked(host, None), Ok(()), "{host}");
        }
    }

    #[test]
    fn a_name_that_was_made_to_resolve_here_is_refused() {
        for host in [
            "evil.example:4566",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "notlocalhost",
            "",
            "stream-evil.example",
        ] {
            assert_eq!(checked(host, None), Err(Refused::Host), "{host}");
        }
    }

    #[test]
    fn a_page_from_elsewhere_is_refused_and_one_from_here_is_not() {
        let function = "http://abc.lambda-url.us-east-1.localhost:4566";
        assert_eq!(checked("localhost", Some(function)), Err(Refused::Origin), "a function's page is no one of ours");
        assert_eq!(checked("localhost", Some("https://evil.example")), Err(Refused::Origin));
        assert_eq!(checked("localhost", Some("null")), Err(Refused::Origin));
        assert_eq!(checked("localhost", Some("http://localhost:3000")), Ok(()));
    }
}
