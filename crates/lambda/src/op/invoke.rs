//! Invoke: the HTTP side. Running the function is the data plane's.
//!
//! Whether the caller may invoke is the data plane's question, for everyone who invokes: it is asked once.
//!
//! The hot path: the payload is passed on as it came, and labels, query and headers are read here, not by the codec.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hearth_ports::{InvocationType, InvokeRequest, InvokeResponse};
use hearth_types::{RequestContext, limits};
use hearth_wire::{Body, RawRequest};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::name::Target;

/// Source: the model's `NamespacedFunctionName`.
const NAME_CHARS_MAX: usize = 256;
/// Source: the model's `Qualifier`; the pattern as recorded.
const QUALIFIER_CHARS_MAX: usize = 128;
const QUALIFIER_PATTERN: &str = r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+";

const INVOCATION_TYPE: HeaderName = HeaderName::from_static("x-amz-invocation-type");
const LOG_TYPE: HeaderName = HeaderName::from_static("x-amz-log-type");
const CLIENT_CONTEXT: HeaderName = HeaderName::from_static("x-amz-client-context");
const TENANT_ID: HeaderName = HeaderName::from_static("x-amz-tenant-id");
const DURABLE_EXECUTION_NAME: HeaderName = HeaderName::from_static("x-amz-durable-execution-name");
pub(super) const EXECUTED_VERSION: HeaderName = HeaderName::from_static("x-amz-executed-version");
const FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");
const LOG_RESULT: HeaderName = HeaderName::from_static("x-amz-log-result");
pub(super) const TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");
pub(super) const REMAPPED_CONTENT_LENGTH: HeaderName = HeaderName::from_static("x-amzn-remapped-content-length");

pub(super) async fn handle(
    lambda: Arc<Lambda>,
    ctx: RequestContext,
    request: RawRequest,
) -> Result<Response<Body>, LambdaError> {
    let (ctx, request) = read(&lambda, ctx, request, &InvocationTypes::INVOKE)?;
    let invocation_type = request.invocation_type;
    let response = lambda.invoker.invoke(&ctx, request).await?;
    Ok(answer(invocation_type, response, ctx.trace.as_deref()))
}

/// What the data plane is asked for, by Invoke and by its streaming sister. The context that comes back has a trace.
///
/// # Errors
/// What a header or the name says wrong.
pub(super) fn read(
    lambda: &Lambda,
    ctx: RequestContext,
    request: RawRequest,
    types: &InvocationTypes,
) -> Result<(RequestContext, InvokeRequest), LambdaError> {
    let name = request.labels.get("FunctionName").map_or("", String::as_str);
    let qualifier = request.query.iter().find(|(key, _)| key == "Qualifier").map(|(_, value)| value.as_str());
    check_lengths(name, qualifier)?;
    let target = Target::parse(&ctx, name, qualifier)?;
    let mut ctx = target.context(ctx)?;
    let options = Options::read(&request.headers, types)?;
    let max = match options.invocation_type {
        InvocationType::Event => limits::INVOKE_EVENT_BYTES_MAX,
        InvocationType::RequestResponse | InvocationType::DryRun => limits::INVOKE_REQUEST_BYTES_MAX,
    };
    if request.body.len() > max {
        return Err(LambdaError::PayloadTooLarge { max });
    }
    ctx.trace.get_or_insert_with(|| lambda.new_trace());
    let request = InvokeRequest {
        qualifier: target.qualifier(),
        function_name: target.name,
        invocation_type: options.invocation_type,
        payload: request.body,
        log_tail: options.log_tail,
        client_context: options.client_context,
        via_url: false,
    };
    Ok((ctx, request))
}

/// The invocation types of an operation, and how a refusal lists them.
pub(super) struct InvocationTypes {
    accepted: &'static [(&'static str, InvocationType)],
    listed: &'static str,
}

impl InvocationTypes {
    pub(super) const INVOKE: Self = Self {
        accepted: &[
            ("RequestResponse", InvocationType::RequestResponse),
            ("Event", InvocationType::Event),
            ("DryRun", InvocationType::DryRun),
        ],
        listed: "[Event, RequestResponse, DryRun]",
    };
    /// Source: the model's `ResponseStreamingInvocationType`.
    pub(super) const STREAMING: Self = Self {
        accepted: &[("RequestResponse", InvocationType::RequestResponse), ("DryRun", InvocationType::DryRun)],
        listed: "[RequestResponse, DryRun]",
    };

    fn parse(&self, text: Option<&str>) -> Result<InvocationType, LambdaError> {
        let Some(text) = text else { return Ok(InvocationType::RequestResponse) };
        let found = self.accepted.iter().find(|(name, _)| *name == text);
        found.map(|(_, kind)| *kind).ok_or_else(|| not_in(text, "invocationType", self.listed))
    }
}

/// What the headers ask for.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    invocation_type: InvocationType,
    log_tail: bool,
    client_context: Option<String>,
}

impl Options {
    fn read(headers: &HeaderMap, types: &InvocationTypes) -> Result<Self, LambdaError> {
        let text = |name: &HeaderName| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let invocation_type = types.parse(text(&INVOCATION_TYPE).as_deref())?;
        let log_tail = match text(&LOG_TYPE).as_deref() {
            None | Some("None") => false,
            Some("Tail") => true,
            Some(other) => return Err(not_in(other, "logType", "[None, Tail]")),
        };
        for (header, member, instead) in [
            (&TENANT_ID, "TenantId", "the function has no tenants; leave it out."),
            (&DURABLE_EXECUTION_NAME, "DurableExecutionName", "executions are not durable; leave it out."),
        ] {
            if headers.contains_key(header) {
                return Err(LambdaError::Unsupported { member: member.to_owned(), instead: instead.to_owned() });
            }
        }
        let is_sync = invocation_type == InvocationType::RequestResponse;
        let client_context = text(&CLIENT_CONTEXT).map(|context| check_client_context(&context)).transpose()?;
        // Both are for synchronous invocations only. Source: Lambda API reference, Invoke.
        Ok(Self { invocation_type, log_tail: log_tail && is_sync, client_context: client_context.filter(|_| is_sync) })
    }
}

fn check_client_context(text: &str) -> Result<String, LambdaError> {
    let not_json =
        || LambdaError::InvalidRequestContent("Client context must be a valid Base64-encoded JSON object.".to_owned());
    let decoded = STANDARD.decode(text).map_err(|_| not_json())?;
    if decoded.len() > limits::CLIENT_CONTEXT_BYTES_MAX {
        return Err(LambdaError::InvalidRequestContent(format!(
            "Client context must be no more than {} bytes.",
            limits::CLIENT_CONTEXT_BYTES_MAX
        )));
    }
    match serde_json::from_slice(&decoded) {
        Ok(serde_json::Value::Object(_)) => Ok(text.to_owned()),
        _ => Err(not_json()),
    }
}

fn not_in(value: &str, member: &'static str, values: &str) -> LambdaError {
    LambdaError::Validation {
        value: value.to_owned(),
        member,
        constraint: format!("Member must satisfy enum value set: {values}"),
    }
}

pub(super) fn check_lengths(name: &str, qualifier: Option<&str>) -> Result<(), LambdaError> {
    let too_long = |value: &str, member, max: usize| LambdaError::Validation {
        value: value.to_owned(),
        member,
        constraint: format!("Member must have length less than or equal to {max}"),
    };
    if name.len() > NAME_CHARS_MAX {
        return Err(too_long(name, "functionName", NAME_CHARS_MAX));
    }
    let Some(qualifier) = qualifier else { return Ok(()) };
    if qualifier.len() > QUALIFIER_CHARS_MAX {
        return Err(too_long(qualifier, "qualifier", QUALIFIER_CHARS_MAX));
    }
    let fits = qualifier.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'$'));
    if (fits && !qualifier.is_empty()) || qualifier == "$LATEST.PUBLISHED" {
        return Ok(());
    }
    Err(LambdaError::Validation {
        value: qualifier.to_owned(),
        member: "qualifier",
        constraint: format!("Member must satisfy regular expression pattern: {QUALIFIER_PATTERN}"),
    })
}

fn answer(invocation_type: InvocationType, response: InvokeResponse, trace: Option<&str>) -> Response<Body> {
    let status = match invocation_type {
        InvocationType::RequestResponse => StatusCode::OK,
        InvocationType::Event => StatusCode::ACCEPTED,
        InvocationType::DryRun => StatusCode::NO_CONTENT,
    };
    let mut headers = HeaderMap::with_capacity(6);
    headers.insert(REMAPPED_CONTENT_LENGTH, HeaderValue::from_static("0"));
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    if let Some(trace) = trace {
        set(TRACE_ID, trace);
    }
    if let Some(version) = response.executed_version {
        set(EXECUTED_VERSION, &version.to_string());
    }
    if let Some(error) = response.function_error {
        set(FUNCTION_ERROR, error);
    }
    if let Some(tail) = &response.log_tail {
        set(LOG_RESULT, &STANDARD.encode(tail));
    }
    if invocation_type == InvocationType::RequestResponse {
        set(CONTENT_TYPE, "application/json");
    }
    let mut http = Response::new(Body::from(response.payload));
    *http.status_mut() = status;
    *http.headers_mut() = headers;
    http
}
