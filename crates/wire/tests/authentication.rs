//! Who is let in: every mode, listener and kind of key, and every way a signature can be wrong, in each protocol.

#[path = "common/server.rs"]
mod server;

use bytes::Bytes;
use hearth_types::AuthMode::{Enforce, Open, Soft};
use hearth_types::{AuthMode, SandboxAuth};
use hearth_wire::Listener::{Outside, Sandbox};
use hearth_wire::{Front, Listener};
use http::Request;
use server::{HOST, NOW_MS, SECRET, Signing, connection, form, front_in, request, seen, send};

const WHO: &str = "Action=GetCallerIdentity&Version=2011-06-15";
const OPEN: &str = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A000000000000%3Arole%2Fr\
                    &RoleSessionName=me&WebIdentityToken=token";
const INVOKE: &str = "/2015-03-31/functions/f/invocations";
const MINUTE_MS: i64 = 60_000;

/// How a request of a protocol looks, and the service it is for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Query,
    Json,
    Rest,
}

const KINDS: [Kind; 3] = [Kind::Query, Kind::Json, Kind::Rest];

impl Kind {
    const fn service(self) -> &'static str {
        match self {
            Self::Query => "sts",
            Self::Json => "sqs",
            Self::Rest => "lambda",
        }
    }

    fn request(self) -> Request<Bytes> {
        match self {
            Self::Query => form(WHO),
            Self::Rest => request("POST", INVOKE, "{}"),
            Self::Json => {
                let mut request = request("POST", "/", "{}");
                let headers = request.headers_mut();
                headers.insert("x-amz-target", "AmazonSQS.ListQueues".parse().expect("a target"));
                headers.insert("content-type", "application/x-amz-json-1.0".parse().expect("a type"));
                request
            }
        }
    }

    fn signed(self, with: impl FnOnce(&mut Signing)) -> Request<Bytes> {
        let mut signing = Signing::known(self.service());
        with(&mut signing);
        signing.sign(self.request())
    }
}

/// Status, code and text of an answer; of a good one the status only.
async fn answer(front: &Front, listener: Listener, request: Request<Bytes>) -> (u16, String, String) {
    let answer = send(front, listener, request).await;
    let between = |start: &str, end: &str| {
        answer.body.split_once(start).and_then(|(_, rest)| rest.split_once(end)).map_or("", |(text, _)| text).to_owned()
    };
    let code = match answer.code() {
        "" => between("<Code>", "</Code>"),
        code => code.to_owned(),
    };
    let message = match answer.headers.get("content-type").map(http::HeaderValue::as_bytes) {
        Some(b"text/xml") => between("<Message>", "</Message>").replace("&apos;", "'").replace("&#39;", "'"),
        _ => between("\"message\":\"", "\"}"),
    };
    (answer.status, code, message)
}

/// An error of the table: its code in query services, its code in the others, status and text.
type Expected = (&'static str, &'static str, u16, &'static str);

const MISSING_QUERY: &str = "Request is missing Authentication Token";
const MISSING_JSON: &str = "Missing Authentication Token";
const UNKNOWN: Expected = (
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    403,
    "The security token included in the request is invalid.",
);
const EXPIRED_TOKEN: Expected =
    ("ExpiredToken", "ExpiredTokenException", 403, "The security token included in the request is expired");

const fn wrong_signature(text: &'static str) -> Expected {
    ("SignatureDoesNotMatch", "InvalidSignatureException", 403, text)
}

const fn incomplete(text: &'static str) -> Expected {
    ("IncompleteSignature", "IncompleteSignatureException", 400, text)
}

const MISMATCH: Expected = wrong_signature(
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
);

fn in_words_of(kind: Kind, (query, json, status, text): Expected) -> (u16, String, String) {
    (status, if kind == Kind::Query { query } else { json }.to_owned(), text.to_owned())
}

fn missing(kind: Kind) -> (u16, String, String) {
    let text = if kind == Kind::Query { MISSING_QUERY } else { MISSING_JSON };
    in_words_of(kind, ("MissingAuthenticationToken", "MissingAuthenticationTokenException", 403, text))
}

/// Every way into the server.
fn doors() -> Vec<(AuthMode, SandboxAuth, Listener)> {
    let mut doors = Vec::new();
    for auth in [Open, Soft, Enforce] {
        for sandbox in [SandboxAuth::Role, SandboxAuth::Open] {
            for listener in [Outside, Sandbox] {
                doors.push((auth, sandbox, listener));
            }
        }
    }
    doors
}

/// Whether strangers act as root behind a door.
fn believes(auth: AuthMode, sandbox: SandboxAuth, listener: Listener) -> bool {
    auth != Enforce && (listener == Outside || sandbox == SandboxAuth::Open)
}

#[tokio::test]
async fn strangers_are_root_where_they_are_believed_and_refused_elsewhere() {
    for (auth, sandbox, listener) in doors() {
        let front = front_in(auth, sandbox);
        for kind in KINDS {
            let unsigned = answer(&front, listener, kind.request()).await;
            let unknown = answer(&front, listener, kind.signed(|signing| signing.key = "AKIDUNKNOWN")).await;
            if believes(auth, sandbox, listener) {
                assert_eq!((unsigned.0, unknown.0), (200, 200), "{kind:?} {auth} {sandbox:?} {listener:?}");
            } else {
                assert_eq!(unsigned, missing(kind), "{kind:?} {auth} {sandbox:?} {listener:?}");
                assert_eq!(unknown, in_words_of(kind, UNKNOWN), "{kind:?} {auth} {sandbox:?} {listener:?}");
            }
        }
    }
}

#[tokio::test]
async fn known_keys_are_checked_behind_every_door() {
    for (auth, sandbox, listener) in doors() {
        let front = front_in(auth, sandbox);
        for kind in KINDS {
            let good = answer(&front, listener, kind.signed(|_| {})).await;
            assert_eq!(good.0, 200, "{good:?}");
            let temporary = kind.signed(|signing| (signing.key, signing.token) = ("ASIATEMP", Some("token")));
            assert_eq!(answer(&front, listener, temporary).await.0, 200);
            for (request, expected) in [
                (kind.signed(|signing| signing.secret = "wrong"), MISMATCH),
                (kind.signed(|signing| signing.key = "AKIDVOID"), UNKNOWN),
                (kind.signed(|signing| signing.token = Some("token")), UNKNOWN),
                (kind.signed(|signing| signing.key = "ASIATEMP"), UNKNOWN),
                (kind.signed(|signing| (signing.key, signing.token) = ("ASIATEMP", Some("tokem"))), UNKNOWN),
                (kind.signed(|signing| (signing.key, signing.token) = ("ASIAOLD", Some("token"))), EXPIRED_TOKEN),
            ] {
                assert_eq!(answer(&front, listener, request).await, in_words_of(kind, expected));
            }
        }
    }
}

#[tokio::test]
async fn the_context_says_who_asks_and_how_that_is_known() {
    let root = |account: &str| format!("arn:aws:iam::{account}:root");
    let (nobody, known) = (root("000000000000"), root(server::ACCOUNT));
    let key = |key, token| Some((key, token));
    for (sandbox, listener, signed, expected) in [
        (SandboxAuth::Role, Outside, None, format!("{nobody} unsigned Outside")),
        (
            SandboxAuth::Role,
            Outside,
            key("222222222222", None),
            format!("{} unknown 222222222222 Outside", root("222222222222")),
        ),
        (SandboxAuth::Role, Outside, key("test", None), format!("{nobody} unknown test Outside")),
        (SandboxAuth::Role, Outside, key("AKIDKNOWN", None), format!("{known} key AKIDKNOWN Outside")),
        (SandboxAuth::Role, Outside, key("ASIAFUNCTION", Some("token")), format!("{known} key ASIAFUNCTION Function")),
        (SandboxAuth::Role, Sandbox, key("AKIDKNOWN", None), format!("{known} key AKIDKNOWN Function")),
        (SandboxAuth::Open, Sandbox, key("ASIAFUNCTION", Some("token")), format!("{known} key ASIAFUNCTION Outside")),
        (SandboxAuth::Open, Sandbox, None, format!("{nobody} unsigned Outside")),
    ] {
        let request = match signed {
            Some((key, token)) => Kind::Rest.signed(|signing| (signing.key, signing.token) = (key, token)),
            None => Kind::Rest.request(),
        };
        let answer = send(&front_in(Open, sandbox), listener, request).await;
        assert_eq!(answer.headers["x-seen"], expected, "{sandbox:?} {listener:?}");
    }
}

#[tokio::test]
async fn an_operation_that_needs_no_credentials_is_open_and_its_caller_nobody() {
    for (auth, sandbox, listener) in doors() {
        let front = front_in(auth, sandbox);
        let origin = if listener == Sandbox && sandbox == SandboxAuth::Role { "Function" } else { "Outside" };
        let sign = |with: fn(&mut Signing)| {
            let mut signing = Signing::known("sts");
            with(&mut signing);
            signing.sign(form(OPEN))
        };
        // A signature is not looked at: wrong, of a void key, for another service.
        for request in [
            form(OPEN),
            request("GET", &format!("/?{OPEN}"), ""),
            sign(|_| {}),
            sign(|signing| signing.secret = "wrong"),
            sign(|signing| signing.key = "AKIDVOID"),
            sign(|signing| signing.key = "AKIDUNKNOWN"),
            sign(|signing| signing.service = "lambda"),
        ] {
            let answer = send(&front, listener, request).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            let expected = format!("<Provider>anonymous unsigned {origin}</Provider><Audience>000000000000</Audience>");
            assert!(answer.body.contains(&expected), "{}", answer.body);
        }
    }
}

#[tokio::test]
async fn who_shows_no_credentials_learns_nothing_else() {
    let front = front_in(Enforce, SandboxAuth::Role);
    let chunked = || {
        let mut request = form(&format!("{:x}\r\n{OPEN}\r\n0\r\n\r\n", OPEN.len()));
        let mode = "STREAMING-UNSIGNED-PAYLOAD-TRAILER".parse().expect("a mode");
        request.headers_mut().insert("x-amz-content-sha256", mode);
        request
    };
    let claims_nonsense = || {
        let mut request = form(WHO);
        request.headers_mut().insert("x-amz-content-sha256", "nonsense".parse().expect("a text"));
        request
    };
    let target = |target: &str| {
        let mut request = Kind::Json.request();
        request.headers_mut().insert("x-amz-target", target.parse().expect("a target"));
        request
    };
    for (kind, request) in [
        (Kind::Rest, request("GET", "/", "")),
        (Kind::Rest, request("GET", "/no/such/path", "")),
        (Kind::Rest, request("DELETE", "/2015-03-31/functions/f", "")),
        (Kind::Rest, request("POST", INVOKE, &"x".repeat(1_001))),
        (Kind::Json, target("AmazonSQS.NoSuchOperation")),
        (Kind::Json, target("NoSuchService.ListQueues")),
        (Kind::Query, form("")),
        (Kind::Query, form("Action=NoSuchAction&Version=2011-06-15")),
        (Kind::Query, form("Action=ListUsers&Version=2010-05-08")),
        (Kind::Query, form(&format!("{WHO}&x={}", "x".repeat(1_001)))),
        (Kind::Query, form(&format!("{OPEN}&x={}", "x".repeat(600_000)))),
        (Kind::Query, chunked()),
        (Kind::Query, claims_nonsense()),
    ] {
        let target = request.uri().clone();
        assert_eq!(answer(&front, Outside, request).await, missing(kind), "{kind:?} {target}");
    }
}

#[tokio::test]
async fn an_unknown_key_is_refused_before_its_service_or_operation_is_looked_at() {
    let front = front_in(Enforce, SandboxAuth::Role);
    for (kind, service, request) in [
        (Kind::Rest, "lambda", request("GET", "/no/such/path", "")),
        (Kind::Rest, "dynamodb", request("GET", "/", "")),
        (Kind::Query, "sts", form("Action=NoSuchAction&Version=2011-06-15")),
        (Kind::Query, "iam", form("Action=NoSuchAction&Version=2010-05-08")),
    ] {
        let signing = Signing { key: "AKIDUNKNOWN", ..Signing::known(service) };
        assert_eq!(answer(&front, Outside, signing.sign(request)).await, in_words_of(kind, UNKNOWN));
    }
}

// Source: IAM user guide, "Troubleshoot signed requests for AWS APIs", "Credential scope errors".
#[tokio::test]
async fn a_signature_is_for_one_service_only() {
    let front = front_in(Open, SandboxAuth::Role);
    for (kind, signed_for, text) in [
        (Kind::Rest, "sts", "Credential should be scoped to correct service: 'lambda'."),
        (Kind::Rest, "sqs", "Credential should be scoped to correct service: 'lambda'."),
        (Kind::Json, "lambda", "Credential should be scoped to correct service: 'sqs'."),
        (Kind::Query, "iam", "Credential should be scoped to correct service: 'sts'."),
        (Kind::Query, "lambda", "Credential should be scoped to correct service: 'sts'."),
    ] {
        for key in ["AKIDKNOWN", "AKIDUNKNOWN"] {
            let request = kind.signed(|signing| (signing.service, signing.key) = (signed_for, key));
            let expected = in_words_of(kind, wrong_signature(text));
            assert_eq!(answer(&front, Outside, request).await, expected, "{kind:?} {signed_for}");
        }
    }
}

// Source: as above, "Date".
#[tokio::test]
async fn a_signature_has_its_time() {
    const LATE: &str =
        "Signature expired: 20261123T114400Z is now earlier than 20261123T114500Z (20261123T120000Z - 15 min.)";
    const EARLY: &str =
        "Signature not yet current: 20261123T121600Z is still later than 20261123T121500Z (20261123T120000Z + 15 min.)";
    const PRESIGNED: &str =
        "Signature expired: 20261123T115800Z is now earlier than 20261123T115900Z (20261123T120000Z - 60 sec.)";
    let front = front_in(Enforce, SandboxAuth::Role);
    for kind in KINDS {
        for (minutes, presigned_seconds, text) in [
            (-15, None, ""),
            (-16, None, LATE),
            (15, None, ""),
            (16, None, EARLY),
            (-1, Some(60), ""),
            (-2, Some(60), PRESIGNED),
            (16, Some(3_600), EARLY),
            (-6 * 24 * 60, Some(604_800), ""),
        ] {
            let request = kind.signed(|signing| {
                signing.at_ms = NOW_MS + minutes * MINUTE_MS;
                signing.presigned_seconds = presigned_seconds;
            });
            let answer = answer(&front, Outside, request).await;
            if text.is_empty() {
                assert_eq!(answer.0, 200, "{kind:?} {minutes} {presigned_seconds:?} {answer:?}");
            } else {
                assert_eq!(answer, in_words_of(kind, wrong_signature(text)), "{kind:?} {minutes}");
            }
        }
    }
}

// Source: IAM user guide, "Elements of an AWS API request signature"; General Reference, "Troubleshooting AWS
// Signature Version 4 errors".
#[tokio::test]
async fn a_header_that_is_not_whole_says_what_is_missing() {
    const CREDENTIAL: &str = "Credential=AKIDKNOWN/20261123/r/s/aws4_request";
    let front = front_in(Enforce, SandboxAuth::Role);
    for (date, header, expected) in [
        (
            true,
            "AWS4-HMAC-SHA256 SignedHeaders=host, Signature=x".to_owned(),
            incomplete(
                "Authorization header requires 'Credential' parameter. Authorization=AWS4-HMAC-SHA256 SignedHeaders=host, Signature=x",
            ),
        ),
        (
            true,
            "AWS4-HMAC-SHA256 x=y".to_owned(),
            incomplete(
                "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. Authorization=AWS4-HMAC-SHA256 x=y",
            ),
        ),
        (
            false,
            format!("AWS4-HMAC-SHA256 {CREDENTIAL}, SignedHeaders=host, Signature=x"),
            incomplete(
                "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=AWS4-HMAC-SHA256 Credential=AKIDKNOWN/20261123/r/s/aws4_request, SignedHeaders=host, Signature=x",
            ),
        ),
        (true, "Bearer x".to_owned(), incomplete("Unsupported AWS 'algorithm': 'Bearer'.")),
        (
            true,
            "AWS4-HMAC-SHA256 Credential=AKIDKNOWN, SignedHeaders=host, Signature=x".to_owned(),
            incomplete(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'AKIDKNOWN'",
            ),
        ),
        (
            true,
            format!("AWS4-HMAC-SHA256 {CREDENTIAL}, SignedHeaders=x-amz-date, Signature=x"),
            wrong_signature("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."),
        ),
        (
            true,
            format!("AWS4-HMAC-SHA256 {}, SignedHeaders=host, Signature=x", CREDENTIAL.replace("1123", "1122")),
            wrong_signature(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20261122' != '20261123', from '20261123T120000Z'.",
            ),
        ),
        (
            true,
            format!("AWS4-HMAC-SHA256 {}, SignedHeaders=host, Signature=x", CREDENTIAL.replace("/r/", "/A:b/")),
            wrong_signature("Credential should be scoped to a valid region."),
        ),
    ] {
        for kind in KINDS {
            let mut request = kind.request();
            request.headers_mut().insert("authorization", header.parse().expect("a header"));
            if date {
                request.headers_mut().insert("x-amz-date", "20261123T120000Z".parse().expect("a date"));
            }
            assert_eq!(answer(&front, Outside, request).await, in_words_of(kind, expected), "{kind:?} {header}");
        }
    }
}

#[tokio::test]
async fn a_presigned_request_must_be_whole_and_unchanged() {
    let front = front_in(Enforce, SandboxAuth::Role);
    let token = |signing: &mut Signing| {
        (signing.key, signing.token, signing.presigned_seconds) = ("ASIATEMP", Some("token"), Some(60));
    };
    for kind in KINDS {
        assert_eq!(answer(&front, Outside, kind.signed(token)).await.0, 200);
        let missing = incomplete(
            "AWS query-string parameters must include 'X-Amz-Algorithm', 'X-Amz-Credential', 'X-Amz-Signature', 'X-Amz-SignedHeaders' and 'X-Amz-Date'. Re-examine the query-string parameters.",
        );
        for (from, to, expected) in [
            ("X-Amz-Date=", "X-Amz-Dat=", missing),
            ("X-Amz-SignedHeaders=", "x=", missing),
            (
                "X-Amz-Algorithm=AWS4-HMAC-SHA256",
                "X-Amz-Algorithm=AWS4",
                incomplete("Unsupported AWS 'algorithm': 'AWS4'."),
            ),
            ("X-Amz-Expires=60", "X-Amz-Expires=61", MISMATCH),
            (
                "X-Amz-Expires=60",
                "X-Amz-Expires=604801",
                incomplete("X-Amz-Expires must be a number between 0 and 604800 (seconds)"),
            ),
            ("X-Amz-Security-Token=token", "X-Amz-Security-Token=other", UNKNOWN),
            ("X-Amz-Security-Token=token", "x=token", UNKNOWN),
        ] {
            let mut request = kind.signed(token);
            let uri = request.uri().to_string();
            assert!(uri.contains(from), "{uri}");
            *request.uri_mut() = uri.replace(from, to).parse().expect("a target");
            assert_eq!(answer(&front, Outside, request).await, in_words_of(kind, expected), "{kind:?} {to}");
        }
    }
}

/// A body of one signed chunk and the closing one, signed with `secret` after the signature of the head.
fn signed_chunks(signing: &Signing, chunk_secret: &str) -> Request<Bytes> {
    use hearth_wire::sigv4::{Credential, SigningKey};
    let credential = Credential {
        access_key_id: signing.key.to_owned(),
        date: "20261123".to_owned(),
        region: signing.region.to_owned(),
        service: signing.service.to_owned(),
    };
    let key = SigningKey::derive(chunk_secret, &credential);
    let mut request = signing.sign(request("POST", INVOKE, ""));
    let head = request.headers()["authorization"].to_str().expect("text").rsplit('=').next().expect("a signature");
    let mut previous = head.to_owned();
    let mut body = String::new();
    for chunk in ["hello", ""] {
        let digest = |text: &str| hex::encode(<sha2::Sha256 as sha2::Digest>::digest(text));
        let scope = format!("20261123/{}/{}/aws4_request", signing.region, signing.service);
        let parts = ["AWS4-HMAC-SHA256-PAYLOAD\n20261123T120000Z\n", &scope, "\n", &previous, "\n", &digest(""), "\n"];
        let signature = hex::encode(key.sign(&[parts.concat().as_str(), &digest(chunk)]));
        body.push_str(&format!("{:x};chunk-signature={signature}\r\n{chunk}\r\n", chunk.len()));
        previous = signature;
    }
    *request.body_mut() = body.into();
    request
}

#[tokio::test]
async fn every_chunk_of_a_chunked_body_is_checked() {
    let front = front_in(Enforce, SandboxAuth::Role);
    let signing = Signing { payload: Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), ..Signing::known("lambda") };
    let good = send(&front, Outside, signed_chunks(&signing, SECRET)).await;
    assert_eq!((good.status, good.body.as_str()), (200, "hello"));
    let changed = |from: &str, to: &str| {
        let mut request = signed_chunks(&signing, SECRET);
        *request.body_mut() = String::from_utf8_lossy(request.body()).replace(from, to).into();
        request
    };
    let mismatch = in_words_of(Kind::Rest, MISMATCH);
    assert_eq!(answer(&front, Outside, signed_chunks(&signing, "other")).await, mismatch);
    assert_eq!(answer(&front, Outside, changed("hello", "hellO")).await, mismatch);
    assert_eq!(answer(&front, Outside, changed("chunk-signature=", "x=")).await, mismatch);
    let late = Signing { at_ms: NOW_MS - 16 * MINUTE_MS, ..signing.clone() };
    assert_eq!(answer(&front, Outside, signed_chunks(&late, SECRET)).await.1, "InvalidSignatureException");
    let unknown = Signing { key: "AKIDUNKNOWN", ..signing.clone() };
    assert_eq!(answer(&front, Outside, signed_chunks(&unknown, SECRET)).await, in_words_of(Kind::Rest, UNKNOWN));
    let cut = changed("0;chunk-signature", "");
    assert_eq!(answer(&front, Outside, cut).await.1, "InvalidRequestException");
}

#[tokio::test]
async fn pages_of_hearth_s_own_know_their_caller_by_the_same_rules() {
    let page = || request("GET", "/_hearth/logs?function=f", "");
    let authenticate = |auth, listener, request: Request<Bytes>| {
        let (head, body) = request.into_parts();
        front_in(auth, SandboxAuth::Role).authenticate(&connection(listener), &head, body).map_err(Box::new)
    };
    for service in ["lambda", "logs", "hearth"] {
        let signing = Signing { region: "eu-central-1", ..Signing::known(service) };
        let mut request = page();
        for (name, value) in [("user-agent", "hearth/1"), ("referer", "http://x"), ("x-amzn-trace-id", "Root=1")] {
            request.headers_mut().insert(name, value.parse().expect("a header"));
        }
        let ctx = authenticate(Enforce, Outside, signing.sign(request)).expect("known");
        assert_eq!(seen(&ctx), format!("arn:aws:iam::{}:root key AKIDKNOWN Outside", server::ACCOUNT));
        assert_eq!((ctx.account.as_str(), ctx.region.as_str(), &*ctx.host), (server::ACCOUNT, "eu-central-1", HOST));
        let headers = [&ctx.user_agent, &ctx.referer, &ctx.trace].map(|header| header.as_deref().unwrap_or_default());
        assert_eq!(headers, ["hearth/1", "http://x", "Root=1"]);
    }
    let open = authenticate(Open, Outside, page()).expect("anyone");
    assert_eq!(seen(&open), "arn:aws:iam::000000000000:root unsigned Outside");
    let presigned = Signing { presigned_seconds: Some(60), ..Signing::known("lambda") };
    assert!(authenticate(Enforce, Outside, presigned.sign(page())).is_ok());

    let mut other = Signing::known("lambda").sign(page());
    *other.uri_mut() = "/_hearth/logs?function=g".parse().expect("a target");
    let with_key = |key| Signing { key, ..Signing::known("lambda") }.sign(page());
    for (auth, listener, request, code) in [
        (Enforce, Outside, page(), "MissingAuthenticationTokenException"),
        (Open, Sandbox, page(), "MissingAuthenticationTokenException"),
        (Enforce, Outside, with_key("AKIDUNKNOWN"), "UnrecognizedClientException"),
        (Open, Outside, with_key("AKIDVOID"), "UnrecognizedClientException"),
        (Open, Outside, other, "InvalidSignatureException"),
    ] {
        let refused = authenticate(auth, listener, request).expect_err("refused");
        assert_eq!(refused.headers()["x-amzn-errortype"], code);
        assert!(refused.headers().contains_key("x-amzn-requestid"));
        assert_eq!(refused.headers()["content-type"], "application/json");
    }
}
