//! An HTTP request as the event a function gets: payload format 2.0. Pure.
//!
//! Source: Lambda developer guide, "Invoking Lambda function URLs"; API Gateway developer guide, "Create AWS Lambda proxy
//! integrations for HTTP APIs"; which bodies are text was recorded from the real service.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hearth_types::clock::format_utc;
use hearth_types::{Caller, RequestContext};
use hearth_wire::front::Tls;
use http::header::{CONTENT_TYPE, COOKIE, HeaderMap, HeaderName};
use http::request::Parts;
use serde::Serialize;

use super::address::Address;

/// Source: Lambda developer guide, "Invoking Lambda function URLs".
const TLS_VERSION: &str = "x-amzn-tls-version";
const TLS_CIPHER_SUITE: &str = "x-amzn-tls-cipher-suite";
/// As logs of web servers have it.
const TIME_PATTERN: &str = "%d/%b/%Y:%H:%M:%S +0000";
/// Names of the only route and stage there are.
const DEFAULT: &str = "$default";
/// Media types beside `text/…` whose bodies are handed over as they are.
const TEXT_TYPES: [&str; 3] = ["application/json", "application/xml", "application/javascript"];

/// What is known about a request beside its head and body.
pub(crate) struct Request<'a> {
    pub(crate) ctx: &'a RequestContext,
    pub(crate) address: &'a Address,
    pub(crate) head: &'a Parts,
    pub(crate) body: &'a Bytes,
    /// The caller had to sign.
    pub(crate) is_signed: bool,
    /// `X-Amzn-Trace-Id` as the function shall see it.
    pub(crate) trace: &'a str,
    pub(crate) now_ms: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    version: &'static str,
    route_key: &'static str,
    raw_path: &'a str,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query_string_parameters: BTreeMap<String, String>,
    request_context: Context<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    /// The caller's.
    account_id: String,
    api_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<Authorizer>,
    domain_name: String,
    domain_prefix: &'a str,
    http: Http<'a>,
    request_id: &'a str,
    route_key: &'static str,
    stage: &'static str,
    time: String,
    time_epoch: i64,
}

#[derive(Serialize)]
struct Authorizer {
    iam: Iam,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Iam {
    access_key: Option<String>,
    account_id: Option<String>,
    caller_id: Option<String>,
    cognito_identity: Option<()>,
    principal_org_id: Option<()>,
    user_arn: String,
    user_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Http<'a> {
    method: &'a str,
    path: &'a str,
    protocol: String,
    source_ip: String,
    user_agent: Option<&'a str>,
}

impl Request<'_> {
    /// The event, as JSON.
    pub(crate) fn event(&self) -> Bytes {
        let Request { ctx, address, head, body, now_ms, .. } = self;
        let query = head.uri.query().unwrap_or_default();
        let (body, is_base64_encoded) = encoded(&head.headers, body);
        let event = Event {
            version: "2.0",
            route_key: DEFAULT,
            raw_path: &address.path,
            raw_query_string: query,
            cookies: cookies(&head.headers),
            headers: self.headers(),
            query_string_parameters: parameters(query),
            request_context: Context {
                account_id: if self.is_signed {
                    ctx.caller.account().unwrap_or(ctx.account).to_string()
                } else {
                    "anonymous".to_owned()
                },
                api_id: &address.id,
                authorizer: self.is_signed.then(|| Authorizer { iam: iam(ctx) }),
                domain_name: address.name.clone().unwrap_or_else(|| host_name(&ctx.host).to_owned()),
                domain_prefix: &address.id,
                http: Http {
                    method: head.method.as_str(),
                    path: &address.path,
                    protocol: format!("{:?}", head.version),
                    source_ip: ctx.source_ip.to_string(),
                    user_agent: ctx.user_agent.as_deref(),
                },
                request_id: ctx.request_id.as_str(),
                route_key: DEFAULT,
                stage: DEFAULT,
                time: format_utc(*now_ms, TIME_PATTERN),
                time_epoch: *now_ms,
            },
            body,
            is_base64_encoded,
        };
        // Text keys and plain values: this cannot fail.
        serde_json::to_vec(&event).unwrap_or_default().into()
    }

    /// Names in lower case, values of one name joined; those that say how the request came are ours.
    fn headers(&self) -> BTreeMap<String, String> {
        let ctx = self.ctx;
        let tls = self.head.extensions.get::<Tls>();
        let names = self.head.headers.keys().filter(|name| *name != COOKIE);
        let mut headers: BTreeMap<String, String> =
            names.map(|name| (name.as_str().to_owned(), joined(&self.head.headers, name))).collect();
        let (scheme, default_port) = if ctx.secure { ("https", "443") } else { ("http", "80") };
        let port = ctx.host.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.ends_with(']'));
        headers.insert("host".to_owned(), ctx.host.to_string());
        headers.insert("x-forwarded-for".to_owned(), ctx.source_ip.to_string());
        headers.insert("x-forwarded-port".to_owned(), port.unwrap_or(default_port).to_owned());
        headers.insert("x-forwarded-proto".to_owned(), scheme.to_owned());
        headers.insert("x-amzn-trace-id".to_owned(), self.trace.to_owned());
        for (name, value) in
            [(TLS_VERSION, tls.map(|tls| tls.version)), (TLS_CIPHER_SUITE, tls.map(|tls| tls.cipher_suite))]
        {
            match value {
                Some(value) => drop(headers.insert(name.to_owned(), value.to_owned())),
                None => drop(headers.remove(name)),
            }
        }
        headers
    }
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    values.collect::<Vec<_>>().join(",")
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(COOKIE).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let all: Vec<String> = lines.collect();
    let each = all.iter().flat_map(|line| line.split(';')).map(str::trim);
    each.filter(|cookie| !cookie.is_empty()).map(str::to_owned).collect()
}

/// Decoded; values of one name joined.
fn parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        parameters
            .entry(name.into_owned())
            .and_modify(|values| {
                values.push(',');
                values.push_str(&value);
            })
            .or_insert_with(|| value.clone().into_owned());
    }
    parameters
}

/// The body as a JSON string can hold it, and whether it is base64 now.
fn encoded(headers: &HeaderMap, body: &Bytes) -> (Option<String>, bool) {
    if body.is_empty() {
        return (None, false);
    }
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_text = media_type.starts_with("text/") || TEXT_TYPES.contains(&media_type.as_str());
    match std::str::from_utf8(body) {
        Ok(text) if is_text => (Some(text.to_owned()), false),
        _ => (Some(STANDARD.encode(body)), true),
    }
}

fn iam(ctx: &RequestContext) -> Iam {
    let account = ctx.caller.account().map(|account| account.to_string());
    let id = match &ctx.caller {
        Caller::User { user_id, .. } => Some(user_id.to_string()),
        Caller::RoleSession { assumed_role_id, .. } => Some(assumed_role_id.to_string()),
        _ => account.clone(),
    };
    Iam {
        access_key: ctx.proof.access_key_id().map(ToString::to_string),
        account_id: account,
        caller_id: id.clone(),
        cognito_identity: None,
        principal_org_id: None,
        user_arn: ctx.caller.arn(ctx.partition),
        user_id: id,
    }
}

fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use hearth_types::{AccountId, Partition, Proof, RequestId, Scope};
    use serde_json::{Value, json};

    use super::*;

    const ID: &str = "abcdefghijklmnopqrstuvwxyz234567";
    const NOW_MS: i64 = 1_583_348_638_390;

    fn ctx() -> RequestContext {
        let account: AccountId = "123456789012".parse().expect("digits");
        let scope = Scope { partition: Partition::Aws, account, region: Some("us-west-2".into()) };
        RequestContext {
            caller: Caller::Anonymous,
            source_ip: [192, 0, 2, 7].into(),
            user_agent: Some("agent".into()),
            host: format!("{ID}.lambda-url.us-west-2.localhost:4566").as_str().into(),
            ..RequestContext::service(&scope, "test", RequestId::from("id"))
        }
    }

    fn event_of(ctx: &RequestContext, is_signed: bool, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Value {
        event_with(ctx, is_signed, target, headers, body, None)
    }

    fn event_with(
        ctx: &RequestContext,
        is_signed: bool,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        tls: Option<Tls>,
    ) -> Value {
        let mut request = http::Request::builder().method("POST").uri(target).header("host", &*ctx.host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut head, ()) = request.body(()).expect("a request").into_parts();
        if let Some(tls) = tls {
            head.extensions.insert(tls);
        }
        let address = Address::of(&head.uri, &head.headers).expect("a URL");
        let body = Bytes::copy_from_slice(body);
        let request = Request {
            ctx,
            address: &address,
            head: &head,
            body: &body,
            is_signed,
            trace: "Root=1-2-3",
            now_ms: NOW_MS,
        };
        serde_json::from_slice(&request.event()).expect("JSON")
    }

    // The example of the developer guide, as far as it can be asked for.
    #[test]
    fn the_event_is_the_documented_one() {
        let headers = [
            ("header1", "value1"),
            ("Header2", "value1"),
            ("header2", "value2"),
            ("cookie", "cookie1; cookie2"),
            ("user-agent", "agent"),
            ("content-type", "text/plain"),
        ];
        let target = "/my/path?parameter1=value1&parameter1=value2&parameter2=value";
        let domain = format!("{ID}.lambda-url.us-west-2.localhost");
        assert_eq!(
            event_of(&ctx(), false, target, &headers, b"Hello from client!"),
            json!({
                "version": "2.0",
                "routeKey": "$default",
                "rawPath": "/my/path",
                "rawQueryString": "parameter1=value1&parameter1=value2&parameter2=value",
                "cookies": ["cookie1", "cookie2"],
                "headers": {
                    "header1": "value1",
                    "header2": "value1,value2",
                    "user-agent": "agent",
                    "content-type": "text/plain",
                    "host": format!("{domain}:4566"),
                    "x-amzn-trace-id": "Root=1-2-3",
                    "x-forwarded-for": "192.0.2.7",
                    "x-forwarded-port": "4566",
                    "x-forwarded-proto": "http",
                },
                "queryStringParameters": {"parameter1": "value1,value2", "parameter2": "value"},
                "requestContext": {
                    "accountId": "anonymous",
                    "apiId": ID,
                    "domainName": domain,
                    "domainPrefix": ID,
                    "http": {
                        "method": "POST",
                        "path": "/my/path",
                        "protocol": "HTTP/1.1",
                        "sourceIp": "192.0.2.7",
                        "userAgent": "agent",
                    },
                    "requestId": "id",
                    "routeKey": "$default",
                    "stage": "$default",
                    "time": "04/Mar/2020:19:03:58 +0000",
                    "timeEpoch": NOW_MS,
                },
                "body": "Hello from client!",
                "isBase64Encoded": false,
            })
        );
    }

    #[test]
    fn how_it_was_encrypted_is_what_the_server_saw_and_no_header_of_the_client() {
        let spoofed = [("x-amzn-tls-version", "TLSv1.3"), ("x-amzn-tls-cipher-suite", "NULL")];
        let plain = event_of(&ctx(), false, "/", &spoofed, b"");
        let secure = event_with(&ctx(), false, "/", &spoofed, b"", Some(Tls { version: "TLSv1.2", cipher_suite: "S" }));
        for (name, seen) in [("x-amzn-tls-version", "TLSv1.2"), ("x-amzn-tls-cipher-suite", "S")] {
            assert_eq!(plain["headers"].get(name), None, "{name}");
            assert_eq!(secure["headers"][name], seen, "{name}");
        }
    }

    #[test]
    fn what_the_request_has_not_the_event_has_not() {
        let event = event_of(&ctx(), false, "/", &[], b"");
        for absent in ["cookies", "queryStringParameters", "body"] {
            assert_eq!(event.get(absent), None, "{absent}");
        }
        assert_eq!((&event["rawQueryString"], &event["isBase64Encoded"]), (&json!(""), &json!(false)));
        assert_eq!(event["requestContext"].get("authorizer"), None);
    }

    #[test]
    fn path_and_query_stay_as_sent_and_parameters_are_decoded() {
        let event = event_of(&ctx(), false, "/a%20b/%C3%BC?q=%C3%BC+x&flag&=e", &[], b"");
        assert_eq!(event["rawPath"], "/a%20b/%C3%BC");
        assert_eq!(event["rawQueryString"], "q=%C3%BC+x&flag&=e");
        assert_eq!(event["queryStringParameters"], json!({"q": "ü x", "flag": "", "": "e"}));
        let path_form = format!("/_hearth/url/{ID}/a/b?c=d");
        let mut ctx = ctx();
        ctx.host = "127.0.0.1:4566".into();
        let event = event_of(&ctx, false, &path_form, &[], b"");
        assert_eq!((&event["rawPath"], &event["requestContext"]["domainName"]), (&json!("/a/b"), &json!("127.0.0.1")));
    }

    // Recorded from the real service, but the two that no text can hold.
    #[test]
    fn bodies_are_text_by_their_type_and_base64_otherwise() {
        let table: [(Option<&str>, &[u8], &str, bool); 10] = [
            (Some("text/csv"), b"a", "a", false),
            (Some("application/json"), b"{}", "{}", false),
            (Some("Application/JSON; charset=utf-8"), b"{}", "{}", false),
            (Some("application/xml"), b"<a/>", "<a/>", false),
            (Some("application/javascript"), b"1", "1", false),
            (Some("application/x-www-form-urlencoded"), b"a=b", "YT1i", true),
            (Some("application/octet-stream"), b"a=b", "YT1i", true),
            (None, b"a=b", "YT1i", true),
            (Some("text/plain"), b"\xff\xfe", "//4=", true),
            (Some("image/png"), b"\x89PNG", "iVBORw==", true),
        ];
        for (media_type, body, text, is_base64) in table {
            let headers: Vec<_> = media_type.map(|media_type| ("content-type", media_type)).into_iter().collect();
            let event = event_of(&ctx(), false, "/", &headers, body);
            assert_eq!(
                (&event["body"], &event["isBase64Encoded"]),
                (&json!(text), &json!(is_base64)),
                "{media_type:?}"
            );
        }
    }

    #[test]
    fn who_signed_is_told() {
        let account = "111122223333".parse().expect("digits");
        let user = Caller::User {
            account,
            name: "example-user".into(),
            arn: "arn:aws:iam::111122223333:user/example-user".into(),
            user_id: "AIDAEXAMPLE".into(),
            session: None,
        };
        let ctx = RequestContext { caller: user, proof: Proof::Key("AKIAEXAMPLE".into()), secure: true, ..ctx() };
        let event = event_of(&ctx, true, "/", &[("x-forwarded-for", "spoofed"), ("x-forwarded-proto", "x")], b"");
        assert_eq!(event["requestContext"]["accountId"], "111122223333");
        assert_eq!(
            event["requestContext"]["authorizer"],
            json!({"iam": {
                "accessKey": "AKIAEXAMPLE",
                "accountId": "111122223333",
                "callerId": "AIDAEXAMPLE",
                "cognitoIdentity": null,
                "principalOrgId": null,
                "userArn": "arn:aws:iam::111122223333:user/example-user",
                "userId": "AIDAEXAMPLE",
            }})
        );
        assert_eq!(event["headers"]["x-forwarded-for"], "192.0.2.7");
        assert_eq!(event["headers"]["x-forwarded-proto"], "https");
    }
}
