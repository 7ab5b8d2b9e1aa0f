//! Which web pages may read a bucket: its rules, and what they say of a request. Pure.
//! Source: S3 user guide, "Elements of a CORS configuration"; S3 API reference, "CORS OPTIONS".

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CorsRule {
    #[serde(default)]
    pub(crate) id: Option<String>,
    pub(crate) origins: Vec<String>,
    pub(crate) methods: Vec<String>,
    #[serde(default)]
    pub(crate) headers: Vec<String>,
    #[serde(default)]
    pub(crate) exposed: Vec<String>,
    #[serde(default)]
    pub(crate) max_age_s: Option<i32>,
}

pub(crate) const METHODS: [&str; 5] = ["GET", "PUT", "HEAD", "POST", "DELETE"];

/// The first rule that lets a page of `origin` send such a request.
pub(crate) fn find<'r>(rules: &'r [CorsRule], origin: &str, method: &str, headers: &[&str]) -> Option<&'r CorsRule> {
    rules.iter().find(|rule| {
        rule.origins.iter().any(|pattern| matches(pattern, origin))
            && rule.methods.iter().any(|allowed| allowed == method)
            && headers.iter().all(|header| {
                let header = header.to_ascii_lowercase();
                rule.headers.iter().any(|pattern| matches(&pattern.to_ascii_lowercase(), &header))
            })
    })
}

impl CorsRule {
    /// `*` where the rule has it alone.
    pub(crate) fn allowed_origin<'o>(&self, origin: &'o str) -> &'o str {
        if self.origins.iter().any(|pattern| pattern == "*") { "*" } else { origin }
    }
}

/// With one `*` at most.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(origins: &[&str], methods: &[&str], headers: &[&str]) -> CorsRule {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        CorsRule { origins: texts(origins), methods: texts(methods), headers: texts(headers), ..CorsRule::default() }
    }

    #[test]
    fn the_first_rule_that_fits_in_origin_method_and_headers_decides() {
        let rules = [rule(&["http://*.example.com"], &["PUT"], &["x-amz-*"]), rule(&["*"], &["GET"], &[])];
        let found =
            |origin, method, headers: &[&str]| find(&rules, origin, method, headers).map(|rule| &rule.methods[0]);
        assert_eq!(found("http://a.example.com", "PUT", &["X-Amz-Date"]).map(String::as_str), Some("PUT"));
        assert_eq!(found("http://a.example.com", "PUT", &["content-type"]), None);
        assert_eq!(found("http://example.org", "PUT", &[]), None);
        assert_eq!(found("http://example.org", "GET", &[]).map(String::as_str), Some("GET"));
        assert_eq!(rules[0].allowed_origin("http://a.example.com"), "http://a.example.com");
        assert_eq!(rules[1].allowed_origin("http://a.example.com"), "*");
    }
}
