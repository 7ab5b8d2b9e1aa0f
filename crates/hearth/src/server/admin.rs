//! Hearth's own routes under `/_hearth/`: health, log lines for `hearth logs`, code downloads.
//! Answered on the outside listener only; never from inside a sandbox.

use bytes::Bytes;
use hearth_ports::LogQuery;
use hearth_types::{AccountId, Partition, Region, RequestContext, RequestId, Scope};
use hearth_wire::Body;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;

use super::http::App;

/// Log lines in one answer.
const LOG_PAGE_MAX: usize = 1_000;
/// How long a log request may wait for news.
const LOG_WAIT_MS_MAX: u64 = 20_000;

/// The health path that tools of older emulators poll.
const LEGACY_HEALTH: &str = "/_localstack/health";

pub(super) fn is_own_route(path: &str) -> bool {
    path.starts_with("/_hearth/") || path == LEGACY_HEALTH
}

pub(super) async fn handle<B>(app: &App, request: &Request<B>) -> Response<Body> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here\n");
    }
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    match path {
        "/_hearth/health" | LEGACY_HEALTH => health(app),
        "/_hearth/logs" => logs(app, query).await,
        _ if path.starts_with("/_hearth/code/") => hearth_lambda::code_location::serve(&app.lambda, path, query).await,
        _ => text(StatusCode::NOT_FOUND, "no such page; /_hearth/health is one\n"),
    }
}

fn health(app: &App) -> Response<Body> {
    json(&serde_json::json!({
        "status": "ok",
        "edition": "hearth",
        "version": env!("CARGO_PKG_VERSION"),
        // Everything this server runs for functions is below this control group.
        "cgroup": format!("hearth-{}", app.instance),
        "services": { "lambda": "running", "iam": "running", "sts": "running" },
    }))
}

#[derive(Deserialize)]
struct LogsInput {
    group: String,
    #[serde(default)]
    account: Option<AccountId>,
    #[serde(default)]
    region: Option<String>,
    #[serde(default)]
    after: u64,
    #[serde(default)]
    wait_ms: u64,
}

async fn logs(app: &App, query: &str) -> Response<Body> {
    let pairs: serde_json::Map<String, serde_json::Value> =
        query.split('&').filter_map(|pair| pair.split_once('=')).map(decoded_pair).collect();
    let input: LogsInput = match serde_json::from_value(serde_json::Value::Object(pairs)) {
        Ok(input) => input,
        Err(error) => return text(StatusCode::BAD_REQUEST, &format!("{error}\n")),
    };
    let region = Region::from(input.region.as_deref().unwrap_or(Region::DEFAULT));
    let scope = Scope {
        partition: Partition::of_region(region.as_str()),
        account: input.account.unwrap_or(AccountId::DEFAULT),
        region: Some(region),
    };
    let ctx = RequestContext::service(&scope, "hearth.internal", RequestId::from("logs"));
    let query = LogQuery { group: input.group, after_sequence: input.after, limit: LOG_PAGE_MAX };
    let mut events = app.logs.read(&ctx, &query).await;
    if events.is_empty() && input.wait_ms > 0 {
        app.logs.wait(&ctx, &query.group, query.after_sequence, input.wait_ms.min(LOG_WAIT_MS_MAX)).await;
        events = app.logs.read(&ctx, &query).await;
    }
    let rows: Vec<_> = events
        .iter()
        .map(|event| {
            serde_json::json!({
                "sequence": event.sequence,
                "timestamp": event.timestamp_ms,
                "stream": event.stream,
                "message": String::from_utf8_lossy(&event.message),
            })
        })
        .collect();
    json(&serde_json::json!({ "events": rows }))
}

/// Numbers stay numbers; everything else is percent-decoded text.
fn decoded_pair((key, value): (&str, &str)) -> (String, serde_json::Value) {
    let value = percent_decoded(value);
    let numeric = matches!(key, "after" | "wait_ms");
    let value = match value.parse::<u64>() {
        Ok(number) if numeric => number.into(),
        _ => value.into(),
    };
    (key.to_owned(), value)
}

fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

fn json(value: &serde_json::Value) -> Response<Body> {
    answer(StatusCode::OK, "application/json", value.to_string())
}

pub(super) fn text(status: StatusCode, message: &str) -> Response<Body> {
    answer(status, "text/plain; charset=utf-8", message.to_owned())
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(content_type));
    response
}
