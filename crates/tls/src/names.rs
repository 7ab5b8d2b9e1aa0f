//! By which names the server answers, and what stands in the certificate for each. Pure.

use std::net::IpAddr;

/// The label of function URLs: one certificate serves all of a region. Source: Lambda developer guide.
const URL_LABEL: &str = "lambda-url";
/// Domains beneath which there are function URLs: of this machine (RFC 6761), and the real ones.
const URL_DOMAINS: [&str; 2] = ["localhost", "on.aws"];
/// What clients of streams put before the host of their endpoint. Source: the API models, `endpoint.hostPrefix`.
const HOST_PREFIXES: [&str; 2] = ["stream-", "streaming-"];
/// What functions call the machine they run on.
const HOST_NAME: &str = "host.hearth.internal";
/// Source: RFC 1035, section 2.3.4.
const NAME_BYTES_MAX: usize = 253;

/// The names of one server.
#[derive(Clone, Debug, Default)]
pub struct Names {
    own: Vec<String>,
    url_domains: Vec<String>,
}

impl Names {
    /// `own` are names beside `localhost` and addresses; function URLs are beneath them and beneath `url_domain`.
    #[must_use]
    pub fn new(own: &[String], url_domain: Option<&str>) -> Self {
        let own: Vec<String> = own.iter().map(|name| name.to_ascii_lowercase()).collect();
        let domains = URL_DOMAINS.into_iter().chain(url_domain).map(str::to_ascii_lowercase);
        Self { url_domains: domains.chain(own.iter().cloned()).collect(), own }
    }

    /// What the certificate for that name is for: the name itself, or all of its kind. `None`: nobody here is called so.
    pub(crate) fn subject(&self, name: &str) -> Option<String> {
        let name = name.to_ascii_lowercase();
        if name.len() > NAME_BYTES_MAX || name.split('.').any(|label| label.is_empty() || label.contains('*')) {
            return None;
        }
        if let Some((_, rest)) = name.split_once('.')
            && let Some((region, domain)) =
                rest.strip_prefix(URL_LABEL).and_then(|rest| rest.strip_prefix('.')?.split_once('.'))
            && self.url_domains.iter().any(|known| known == domain)
        {
            return Some(format!("*.{URL_LABEL}.{region}.{domain}"));
        }
        let bare = HOST_PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(&name);
        let is_own = bare == "localhost"
            || bare.ends_with(".localhost")
            || bare == HOST_NAME
            || bare.parse::<IpAddr>().is_ok()
            || self.own.iter().any(|own| own == bare);
        is_own.then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::new(&["Hearth.Test".to_owned()], Some("fn.example"))
    }

    #[test]
    fn a_name_of_the_server_has_a_certificate() {
        let table = [
            ("localhost", "localhost"),
            ("LocalHost", "localhost"),
            ("b.s3.localhost", "b.s3.localhost"),
            ("hearth.test", "hearth.test"),
            ("streaming-localhost", "streaming-localhost"),
            ("stream-127.0.0.1", "stream-127.0.0.1"),
            ("host.hearth.internal", "host.hearth.internal"),
            ("abc.lambda-url.us-east-1.on.aws", "*.lambda-url.us-east-1.on.aws"),
            ("abc.lambda-url.eu-west-1.localhost", "*.lambda-url.eu-west-1.localhost"),
            ("abc.lambda-url.eu-west-1.fn.example", "*.lambda-url.eu-west-1.fn.example"),
            ("abc.lambda-url.eu-west-1.hearth.test", "*.lambda-url.eu-west-1.hearth.test"),
        ];
        for (name, subject) in table {
            assert_eq!(names().subject(name).as_deref(), Some(subject), "{name}");
        }
    }

    #[test]
    fn nobody_else_s_name_has_one() {
        for name in [
            "example.com",
            "aws.amazon.com",
            "lambda.us-east-1.amazonaws.com",
            "abc.lambda-url.us-east-1.on.aws.example.com",
            "abc.lambda-url.us-east-1.example.com",
            "abc.lambda-url.on.aws",
            "notlocalhost",
            "localhost.example.com",
            "sub.hearth.test",
            "*.localhost",
            "",
            ".localhost",
            &"a.".repeat(130),
        ] {
            assert_eq!(names().subject(name), None, "{name}");
        }
    }
}
