//! Cross-origin requests, answered for the function by its URL's configuration. Pure.
//!
//! Source: Lambda API reference, "Cors"; the Fetch standard, "CORS protocol".

use http::Method;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};
use serde::{Deserialize, Serialize};

const ANY: &str = "*";

/// `Cors` of the API model. Its bounds are the model's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Cors {
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_credentials: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_headers: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_methods: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_origins: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expose_headers: Option<Vec<String>>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age: Option<u32>,
}

/// The headers this module answers with: what the function says of them itself gives way.
const OURS: [HeaderName; 6] = [
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
];

impl Cors {
    /// One without any member is how a client takes a configuration away.
    pub(crate) fn says_something(&self) -> bool {
        *self != Self::default()
    }

    /// The headers that answer a preflight; `None`: the request is none.
    pub(crate) fn preflight(&self, method: &Method, request: &HeaderMap) -> Option<HeaderMap> {
        if method != Method::OPTIONS {
            return None;
        }
        let (_, wanted) = (request.get(ORIGIN)?, request.get(ACCESS_CONTROL_REQUEST_METHOD)?);
        let mut headers = self.origin(request);
        let methods = self.allow_methods.as_deref().unwrap_or_default();
        let is_allowed = wanted.to_str().is_ok_and(|wanted| is_listed(methods, wanted));
        if !is_allowed || !headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            return Some(HeaderMap::new());
        }
        // Beside credentials an asterisk is a name like any other, so the browser is told what it asked for.
        let is_any = |list: &[String]| list.iter().any(|entry| entry == ANY);
        let with_credentials = self.allow_credentials == Some(true);
        let method = if is_any(methods) && with_credentials { wanted.to_str().ok().map(str::to_owned) } else { None };
        set(&mut headers, ACCESS_CONTROL_ALLOW_METHODS, &method.unwrap_or_else(|| methods.join(",")));
        let names = self.allow_headers.as_deref().unwrap_or_default();
        match request.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            Some(wanted) if is_any(names) && with_credentials => {
                headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
            }
            _ => set(&mut headers, ACCESS_CONTROL_ALLOW_HEADERS, &names.join(",")),
        }
        if let Some(seconds) = self.max_age {
            set(&mut headers, ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
        }
        Some(headers)
    }

    /// Lays the headers for this request over those of a function's answer.
    pub(crate) fn apply(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        for name in OURS {
            answer.remove(name);
        }
        let mut headers = self.origin(request);
        if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            let exposed = self.expose_headers.as_deref().unwrap_or_default();
            set(&mut headers, ACCESS_CONTROL_EXPOSE_HEADERS, &exposed.join(","));
        }
        for (name, value) in headers {
            // What the function's answer varies by it varies by still.
            let Some(name) = name else { continue };
            if name == VARY {
                answer.append(name, value)
            } else {
                answer.insert(name, value).is_some()
            };
        }
    }

    /// Whether the page's origin is let in.
    fn origin(&self, request: &HeaderMap) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let origins = self.allow_origins.as_deref().unwrap_or_default();
        let Some(origin) = request.get(ORIGIN) else { return headers };
        if !origin.to_str().is_ok_and(|origin| is_listed(origins, origin)) {
            return headers;
        }
        let with_credentials = self.allow_credentials == Some(true);
        if origins.iter().any(|entry| entry == ANY) && !with_credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static(ANY));
        } else {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(VARY, HeaderValue::from_static("Origin"));
        }
        if with_credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        headers
    }
}

fn is_listed(list: &[String], value: &str) -> bool {
    list.iter().any(|entry| entry == ANY || entry.eq_ignore_ascii_case(value))
}

/// Nothing to say is said by leaving the header away; what is no header value cannot be said.
fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if !value.is_empty()
        && let Ok(value) = HeaderValue::from_str(value)
    {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn cors(members: Value) -> Cors {
        serde_json::from_value(members).expect("a Cors")
    }

    fn request(headers: &[(&'static str, &str)]) -> HeaderMap {
        headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a value"))).collect()
    }

    fn shown(headers: &HeaderMap) -> Vec<(&str, &str)> {
        let mut all: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("text"))).collect();
        all.sort_unstable();
        all
    }

    const PREFLIGHT: [(&str, &str); 3] = [
        ("origin", "https://a.example"),
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", "x-one"),
    ];

    #[test]
    fn a_preflight_is_answered_by_the_configuration() {
        let table = [
            (
                json!({"AllowOrigins": ["*"], "AllowMethods": ["*"]}),
                vec![("access-control-allow-methods", "*"), ("access-control-allow-origin", "*")],
            ),
            (
                json!({"AllowOrigins": ["https://b.example", "https://a.example"], "AllowMethods": ["GET", "PUT"],
                       "AllowHeaders": ["x-one", "x-two"], "MaxAge": 60, "ExposeHeaders": ["x-three"]}),
                vec![
                    ("access-control-allow-headers", "x-one,x-two"),
                    ("access-control-allow-methods", "GET,PUT"),
                    ("access-control-allow-origin", "https://a.example"),
                    ("access-control-max-age", "60"),
                    ("vary", "Origin"),
                ],
            ),
            // With credentials a browser takes no asterisk.
            (
                json!({"AllowOrigins": ["*"], "AllowMethods": ["*"], "AllowHeaders": ["*"], "AllowCredentials": true}),
                vec![
                    ("access-control-allow-credentials", "true"),
                    ("access-control-allow-headers", "x-one"),
                    ("access-control-allow-methods", "PUT"),
                    ("access-control-allow-origin", "https://a.example"),
                    ("vary", "Origin"),
                ],
            ),
            (json!({"AllowOrigins": ["https://b.example"], "AllowMethods": ["*"]}), vec![]),
            (json!({"AllowOrigins": ["*"], "AllowMethods": ["GET"]}), vec![]),
            (json!({"AllowOrigins": ["*"]}), vec![]),
        ];
        for (members, expected) in table {
            let headers = cors(members.clone()).preflight(&Method::OPTIONS, &request(&PREFLIGHT)).expect("a preflight");
            assert_eq!(shown(&headers), expected, "{members}");
        }
    }

    #[test]
    fn what_is_no_preflight_is_the_function_s() {
        let cors = cors(json!({"AllowOrigins": ["*"], "AllowMethods": ["*"]}));
        assert_eq!(cors.preflight(&Method::PUT, &request(&PREFLIGHT)), None);
        assert_eq!(cors.preflight(&Method::OPTIONS, &request(&PREFLIGHT[..1])), None);
        assert_eq!(cors.preflight(&Method::OPTIONS, &request(&PREFLIGHT[1..])), None);
    }

    #[test]
    fn the_configuration_wins_over_the_function_s_own_headers() {
        let own = [("access-control-allow-origin", "https://function.example"), ("vary", "Accept"), ("x-a", "b")];
        let cases = [
            (
                json!({"AllowOrigins": ["https://a.example"], "ExposeHeaders": ["x-a", "x-b"]}),
                vec![
                    ("access-control-allow-origin", "https://a.example"),
                    ("access-control-expose-headers", "x-a,x-b"),
                    ("vary", "Accept"),
                    ("vary", "Origin"),
                    ("x-a", "b"),
                ],
            ),
            (json!({"AllowOrigins": ["https://b.example"]}), vec![("vary", "Accept"), ("x-a", "b")]),
        ];
        for (members, expected) in cases {
            let mut answer = request(&own);
            cors(members.clone()).apply(&request(&PREFLIGHT), &mut answer);
            assert_eq!(shown(&answer), expected, "{members}");
        }
    }
}
