//! Hearth's own routes, under `/_hearth/` and where users know them from: health, log lines for `hearth logs`, code
//! downloads, the messages of queues, metrics for Prometheus.
//! Answered on the outside listener only; never from inside a sandbox.

use std::collections::BTreeMap;

use bytes::Bytes;
use hearth_ports::{Access, LogQuery};
use hearth_types::{AccountId, Arn, Region, RequestContext};
use hearth_wire::{Body, Connection};
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;

use super::http::App;
use super::metering;

/// Log lines in one answer.
const LOG_PAGE_MAX: usize = 1_000;
/// How long a log request may wait for news.
const LOG_WAIT_MS_MAX: u64 = 20_000;

/// The health path that tools of older emulators poll.
const LEGACY_HEALTH: &str = "/_localstack/health";

pub(super) fn is_own_route(path: &str) -> bool {
    path.starts_with("/_hearth/") || path == LEGACY_HEALTH || hearth_sqs::is_inspection(path)
}

pub(super) async fn handle<B>(app: &App, connection: &Connection, request: Request<B>) -> Response<Body> {
    let (head, _) = request.into_parts();
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here\n");
    }
    let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
    match path {
        // Open to everyone in every mode: health, what clients must trust for HTTPS, and code downloads, whose address is
        // a secret of its own.
        "/_hearth/health" | LEGACY_HEALTH => health(app),
        "/_hearth/ca.pem" => authority(app),
        _ if path.starts_with("/_hearth/code/") => hearth_lambda::code_location::serve(&app.lambda, path, query).await,
        _ => match app.front.authenticate(connection, &head, Bytes::new()) {
            Err(refused) => refused,
            Ok(ctx) if path == "/_hearth/logs" => logs(app, ctx, query).await,
            Ok(ctx) if path == "/_hearth/metrics" => metering::page(app, &ctx),
            Ok(ctx) if hearth_sqs::is_inspection(path) => app.sqs.inspect(&ctx, &head).await,
            Ok(_) => text(StatusCode::NOT_FOUND, "no such page; /_hearth/health is one\n"),
        },
    }
}

fn health(app: &App) -> Response<Body> {
    let services: BTreeMap<_, _> = app.services.iter().map(|name| (name, "running")).collect();
    json(&serde_json::json!({
        "status": "ok",
        "edition": "hearth",
        "version": env!("CARGO_PKG_VERSION"),
        // Everything this server runs for functions is below this control group.
        "cgroup": format!("hearth-{}", app.instance),
        "services": services,
    }))
}

fn authority(app: &App) -> Response<Body> {
    answer(StatusCode::OK, "application/x-pem-file", app.certificates.authority().pem().to_owned())
}

/// What messages of topics are verified by.
pub(super) fn certificate(app: &App, path: &str) -> Response<Body> {
    match app.sns.certificate(path) {
        Ok(Some(pem)) => answer(StatusCode::OK, "application/x-pem-file", pem),
        Ok(None) => text(StatusCode::NOT_FOUND, "no such certificate\n"),
        Err(error) => {
            tracing::error!(%error, "the certificate for messages cannot be read");
            text(StatusCode::INTERNAL_SERVER_ERROR, "the certificate cannot be read\n")
        }
    }
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

async fn logs(app: &App, ctx: RequestContext, query: &str) -> Response<Body> {
    let pairs: serde_json::Map<String, serde_json::Value> =
        query.split('&').filter_map(|pair| pair.split_once('=')).map(decoded_pair).collect();
    let input: LogsInput = match serde_json::from_value(serde_json::Value::Object(pairs)) {
        Ok(input) => input,
        Err(error) => return text(StatusCode::BAD_REQUEST, &format!("{error}\n")),
    };
    let region = input.region.map_or_else(|| ctx.region.clone(), |region| Region::from(region.as_str()));
    let account = input.account.unwrap_or(ctx.account);
    let ctx = RequestContext { partition: region.partition(), account, region, ..ctx };
    let group = Arn {
        partition: ctx.partition.as_str().to_owned(),
        service: "logs".to_owned(),
        region: ctx.region.to_string(),
        account: account.to_string(),
        // As FilterLogEvents names it.
        resource: format!("log-group:{}:log-stream:", input.group),
    };
    if let Err(denied) = app.authorizer.authorize(&ctx, &Access::new("logs:FilterLogEvents", &group)) {
        return forbidden(&denied.message);
    }
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
                // `hearth logs` prints lines.
                "message": String::from_utf8_lossy(event.message.strip_suffix(b"\n").unwrap_or(&event.message)),
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

/// In the words of a REST service.
pub(super) fn forbidden(message: &str) -> Response<Body> {
    let mut refused = json(&serde_json::json!({ "message": message }));
    *refused.status_mut() = StatusCode::FORBIDDEN;
    let code = hyper::header::HeaderValue::from_static("AccessDeniedException");
    refused.headers_mut().insert("x-amzn-errortype", code);
    refused
}

pub(super) fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(content_type));
    response
}
