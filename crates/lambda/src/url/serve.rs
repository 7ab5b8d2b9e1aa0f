//! A request at a function URL, from its head to its answer:
//!
//! ```text
//! address ─▶ which URL? ─▶ preflight? ─▶ who? may it? ─▶ body within its limit ─▶ event ─▶ Invoker ─▶ answer
//! ```
//!
//! What the function may not decide is decided ahead of it: nobody who may not come in has it run. Source: Lambda
//! developer guide, "Control access to Lambda function URLs"; statuses and texts are recorded.

use std::sync::Arc;

use bytes::Bytes;
use hearth_ports::metrics::lambda as metrics;
use hearth_ports::{Access, InvocationType, InvokeError, InvokeRequest};
use hearth_types::limits::INVOKE_REQUEST_BYTES_MAX;
use hearth_types::{Arn, Qualifier, RequestContext};
use hearth_wire::protocol::Protocol;
use hearth_wire::{Body, BodyError, Connection, ErrorAnswer, Front};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode};

use super::address::Address;
use super::config::{AuthType, InvokeMode, UrlRecord};
use super::{answer, event, stream};
use crate::catalog::Function;
use crate::error::LambdaError;
use crate::lambda::Lambda;

/// Who signs, signs for this service.
const SERVICE: &str = "lambda";
const FORBIDDEN: &str = r#"{"Message":"Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"}"#;
const UNKNOWN: &str = r#"{"Message":null}"#;
const FAILED: &str = "Internal Server Error";
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");
/// In path form a page shares its origin with the AWS APIs, which trust pages of this machine: it gets an origin of its own.
const OWN_ORIGIN: HeaderValue = HeaderValue::from_static(
    "sandbox allow-downloads allow-forms allow-modals allow-popups allow-presentation allow-scripts",
);

/// A URL that is there.
struct Url {
    id: String,
    function: Arc<Function>,
    /// The alias it is for.
    qualifier: Option<Qualifier>,
    arn: Arn,
}

impl Url {
    fn find(lambda: &Lambda, ctx: &mut RequestContext, id: &str) -> Option<Self> {
        let (scope, function, alias) = lambda.functions.catalog().by_url(id)?;
        ctx.partition = scope.partition;
        ctx.account = scope.account;
        ctx.region = scope.region?;
        let qualifier = (!alias.is_empty()).then(|| Qualifier::parse(&alias));
        let arn = ctx.function_arn(&function.record.name);
        let arn = if alias.is_empty() { arn } else { arn.qualified(&alias) };
        Some(Self { id: id.to_owned(), function, qualifier, arn })
    }

    fn record(&self) -> Option<&UrlRecord> {
        self.function.record.urls.values().find(|url| url.id == self.id)
    }

    /// Source: Lambda developer guide, "Monitoring Lambda function URLs".
    fn tell(&self, lambda: &Lambda, ctx: &RequestContext, began_ms: i64, status: StatusCode) {
        let name = &*self.function.record.name;
        let resource = self.qualifier.as_ref().map_or_else(|| name.to_owned(), |of| format!("{name}:{of}"));
        let sets = vec![metrics::of_region(), metrics::of_function(name), metrics::of_resource(name, &resource)];
        let flag = |is: bool| f64::from(u8::from(is));
        let values = [
            (&metrics::URL_REQUEST_COUNT, 1.0),
            (&metrics::URL_4XX_COUNT, flag(status.is_client_error())),
            (&metrics::URL_5XX_COUNT, flag(status.is_server_error())),
            (&metrics::URL_REQUEST_LATENCY, (lambda.clock.now_ms() - began_ms) as f64),
        ];
        lambda.metrics.meter(ctx, sets).record(began_ms, &values);
    }

    /// May the caller use the URL? Whether it may invoke the function is asked where all invocations come through.
    fn admits(&self, lambda: &Lambda, ctx: &RequestContext, auth: AuthType) -> bool {
        let qualifier = self.qualifier.as_ref().map(ToString::to_string);
        let guard = self.function.guard(qualifier.as_deref());
        let conditions = [&[auth.condition()], &*guard.conditions].concat();
        let access = Access::new("lambda:InvokeFunctionUrl", &self.arn).with_policy(guard.policy());
        lambda.authorizer.authorize(ctx, &access.under(&conditions)).is_ok()
    }
}

/// Answers a request that came to a function URL.
pub async fn serve<B>(
    lambda: &Arc<Lambda>,
    front: &Front,
    connection: &Connection,
    address: &Address,
    request: Request<B>,
) -> Response<Body>
where
    B: http_body::Body + Send,
    B::Data: Send,
    B::Error: Into<BodyError>,
{
    let (head, body) = request.into_parts();
    let mut ctx = front.stranger(connection, &head);
    let url = Url::find(lambda, &mut ctx, &address.id);
    let began_ms = lambda.clock.now_ms();
    let mut response = match url.as_ref().and_then(|url| Some((url, url.record()?))) {
        None => refused(StatusCode::FORBIDDEN, UNKNOWN),
        Some((url, record)) => {
            let preflight = record.cors.as_ref().and_then(|cors| cors.preflight(&head.method, &head.headers));
            if let Some(headers) = preflight {
                let mut response = Response::new(Body::empty());
                *response.headers_mut() = headers;
                response
            } else {
                let mut response =
                    visit(lambda, front, connection, (url, record, address), &mut ctx, &head, body).await;
                if let Some(cors) = &record.cors {
                    cors.apply(&head.headers, response.headers_mut());
                }
                response
            }
        }
    };
    if let Some(url) = &url {
        url.tell(lambda, &ctx, began_ms, response.status());
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(ctx.request_id.as_str()) {
        headers.insert(REQUEST_ID, id);
    }
    if address.is_path_form() {
        headers.append(CONTENT_SECURITY_POLICY, OWN_ORIGIN);
    }
    response
}

/// Lets the caller in, and has the function run. `ctx` becomes the caller's.
async fn visit<B>(
    lambda: &Arc<Lambda>,
    front: &Front,
    connection: &Connection,
    (url, record, address): (&Url, &UrlRecord, &Address),
    ctx: &mut RequestContext,
    head: &Parts,
    body: B,
) -> Response<Body>
where
    B: http_body::Body + Send,
    B::Data: Send,
    B::Error: Into<BodyError>,
{
    let is_signed = record.auth == AuthType::Iam;
    let body = if is_signed {
        match front.signed(connection, head, body, SERVICE, INVOKE_REQUEST_BYTES_MAX).await {
            Ok(Some((signer, body))) => {
                let request_id = ctx.request_id.clone();
                let (account, region, partition) = (ctx.account, ctx.region.clone(), ctx.partition);
                *ctx = RequestContext { account, region, partition, request_id, ..signer };
                if !url.admits(lambda, ctx, record.auth) {
                    return forbidden();
                }
                Ok(body)
            }
            Ok(None) => return forbidden(),
            Err(answer) => Err(answer),
        }
    } else {
        if !url.admits(lambda, ctx, record.auth) {
            return forbidden();
        }
        hearth_wire::front::read_body(body, INVOKE_REQUEST_BYTES_MAX).await
    };
    let body = match body {
        Ok(body) => body,
        Err(answer) if answer.status == StatusCode::PAYLOAD_TOO_LARGE => {
            return error(LambdaError::PayloadTooLarge { max: INVOKE_REQUEST_BYTES_MAX }, ctx);
        }
        Err(answer) => return Protocol::RestJson.encode_error(None, &answer, &ctx.request_id),
    };

    let is_traced = ctx.trace.is_some();
    let trace = ctx.trace.get_or_insert_with(|| lambda.new_trace()).clone();
    // A trace of our own is shown by its root alone.
    let shown = if is_traced { &*trace } else { trace.split(';').next().unwrap_or_default() };
    let now_ms = lambda.clock.now_ms();
    let payload = event::Request { ctx, address, head, body: &body, is_signed, trace: shown, now_ms }.event();
    let mut response = invoke(lambda, url, record.mode, ctx, payload).await;
    if let Ok(trace) = HeaderValue::from_str(&trace) {
        response.headers_mut().insert(TRACE_ID, trace);
    }
    response
}

async fn invoke(lambda: &Lambda, url: &Url, mode: InvokeMode, ctx: &RequestContext, payload: Bytes) -> Response<Body> {
    let request = InvokeRequest {
        function_name: url.function.record.name.clone(),
        qualifier: url.qualifier.clone(),
        invocation_type: InvocationType::RequestResponse,
        payload,
        log_tail: false,
        client_context: None,
        via_url: true,
    };
    let answered = match mode {
        InvokeMode::Buffered => lambda.invoker.invoke(ctx, request).await.map(|answer| match answer.function_error {
            Some(_) => Err(answer::Invalid),
            None => answer::response(&answer.payload),
        }),
        InvokeMode::ResponseStream => match lambda.invoker.invoke_streaming(ctx, request).await {
            Ok(streamed) => Ok(stream::response(streamed).await),
            Err(error) => Err(error),
        },
    };
    match answered {
        Ok(Ok(response)) => response,
        Ok(Err(answer::Invalid)) => failed(),
        Err(InvokeError::AccessDenied { .. }) => forbidden(),
        // It went while the request was on its way.
        Err(InvokeError::FunctionNotFound { .. }) => refused(StatusCode::FORBIDDEN, UNKNOWN),
        Err(other) => error(other.into(), ctx),
    }
}

fn refused(status: StatusCode, body: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static("AccessDeniedException"));
    response
}

fn forbidden() -> Response<Body> {
    refused(StatusCode::FORBIDDEN, FORBIDDEN)
}

/// The function failed, or its answer is no HTTP response.
fn failed() -> Response<Body> {
    let mut response = Response::new(Body::from(FAILED));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// No function ran: as the Lambda API says it.
fn error(error: LambdaError, ctx: &RequestContext) -> Response<Body> {
    Protocol::RestJson.encode_error(None, &ErrorAnswer::from(error), &ctx.request_id)
}
