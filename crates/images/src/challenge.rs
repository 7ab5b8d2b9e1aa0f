//! What a registry asks of who is not authenticated. Pure. Source: RFC 9110 section 11.6.1 and Docker's "Token
//! Authentication Specification".

use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    Basic,
    /// Where to get a token, without the scope.
    Bearer {
        realm: String,
        service: Option<String>,
    },
}

impl Challenge {
    /// From `WWW-Authenticate`; `None` when it is another scheme.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut parameters = parameters(rest);
        Some(Self::Bearer { realm: parameters.remove("realm")?, service: parameters.remove("service") })
    }
}

/// `name="value"` and `name=value`, separated by commas.
fn parameters(mut text: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    while let Some((name, rest)) = text.split_once('=') {
        let (value, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once(',').map_or((rest, ""), |(value, after)| (value, after)),
        };
        all.insert(name.trim_matches([',', ' ']).to_ascii_lowercase(), value.trim().to_owned());
        text = after;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer { realm: realm.to_owned(), service: service.map(str::to_owned) })
        };
        for (header, expected) in [
            ("Basic realm=\"r\"", Some(Challenge::Basic)),
            ("basic", Some(Challenge::Basic)),
            (
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#,
                bearer("https://auth.docker.io/token", Some("registry.docker.io")),
            ),
            (r#"bearer realm="https://a/b""#, bearer("https://a/b", None)),
            (r#"Bearer scope="x,y", service=s, realm="https://a""#, bearer("https://a", Some("s"))),
            ("Bearer service=\"s\"", None),
            ("Negotiate", None),
            ("", None),
        ] {
            assert_eq!(Challenge::parse(header), expected, "{header}");
        }
    }
}
