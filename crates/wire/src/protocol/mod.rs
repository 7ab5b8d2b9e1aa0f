//! The AWS protocols on the serving side, one module each. Services never see which one they speak.
//!
//! A protocol is four functions over the model: `decode` a request into a [`Value`], `encode` a
//! result, `encode_error`, and its way to name an operation (see `detect`). A new one slots in as a variant here.
//! Source: Smithy specification, "AWS protocols".

mod aws_json;
mod cbor;
pub(crate) mod form;
pub(crate) mod headers;
pub(crate) mod json;
mod query;
mod rest_json;
pub(crate) mod rpc_cbor;
pub(crate) mod text;
mod xml;

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use hearth_types::RequestId;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::body::Body;
use crate::error::{ErrorAnswer, Fault};
use crate::model::{Model, OperationId};
use crate::service::RawRequest;
use crate::value::Value;

pub(crate) use query::form_bytes;

/// Carries the request's id in every answer.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
/// Carries the error's code in JSON answers.
pub(crate) const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// Carries the error's older code in the JSON answers of services that have one.
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

/// A protocol this crate serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// restJson1
    RestJson,
    /// awsJson1.0 and 1.1
    AwsJson(JsonVersion),
    /// awsQuery
    Query,
    /// smithy-rpc-v2-cbor
    RpcCbor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JsonVersion {
    V1_0,
    V1_1,
}

impl Protocol {
    /// By the name and JSON version of a model's metadata. `None` for what is not served yet (restXml, ec2).
    #[must_use]
    pub fn of_model(name: &str, json_version: Option<&str>) -> Option<Self> {
        match name {
            "rest-json" => Some(Self::RestJson),
            "json" if json_version == Some("1.0") => Some(Self::AwsJson(JsonVersion::V1_0)),
            "json" => Some(Self::AwsJson(JsonVersion::V1_1)),
            "query" => Some(Self::Query),
            "smithy-rpc-v2-cbor" => Some(Self::RpcCbor),
            _ => None,
        }
    }

    /// Reads the input structure of an operation.
    ///
    /// # Errors
    /// What does not parse, or has another type than the model says: `SerializationException` and its like.
    pub fn decode(self, model: &Model, operation: OperationId, request: &Incoming) -> Result<Value, ErrorAnswer> {
        match self {
            Self::RestJson => rest_json::decode(model, operation, request),
            Self::AwsJson(_) => aws_json::decode(model, operation, request),
            Self::Query => query::decode(model, operation, request),
            Self::RpcCbor => rpc_cbor::decode(model, operation, request),
        }
    }

    /// Writes a result.
    ///
    /// # Errors
    /// An output that contradicts the model; the cause is in the log and the answer an internal failure.
    pub fn encode(
        self,
        model: &Model,
        operation: OperationId,
        status: Option<StatusCode>,
        output: Value,
        request_id: &RequestId,
    ) -> Result<Response<Body>, ErrorAnswer> {
        let encoded = match self {
            Self::RestJson => rest_json::encode(model, operation, status, output),
            Self::AwsJson(version) => aws_json::encode(version, model, operation, status, output),
            Self::Query => query::encode(model, operation, status, output, request_id),
            Self::RpcCbor => rpc_cbor::encode(model, operation, status, &output),
        };
        let mut response = encoded.map_err(|EncodeError(detail)| {
            tracing::error!(operation = model.operation(operation).name(), detail, "the output does not fit the model");
            ErrorAnswer::internal()
        })?;
        identify(&mut response, request_id);
        Ok(response)
    }

    /// Writes an error.
    #[must_use]
    pub fn encode_error(self, model: Option<&Model>, error: &ErrorAnswer, request_id: &RequestId) -> Response<Body> {
        let (content_type, body) = match self {
            Self::RestJson => ("application/json", rest_json::error_body(error)),
            Self::AwsJson(version) => (version.content_type(), aws_json::error_body(error)),
            Self::Query => ("text/xml", query::error_body(model, error, request_id)),
            Self::RpcCbor => (rpc_cbor::CONTENT, rpc_cbor::error_body(error)),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = error.status;
        let headers = response.headers_mut();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if self == Self::RpcCbor {
            headers.insert(rpc_cbor::SMITHY_PROTOCOL, HeaderValue::from_static(rpc_cbor::NAME));
        }
        if matches!(self, Self::RestJson | Self::AwsJson(_))
            && let Ok(code) = HeaderValue::from_str(&error.code)
        {
            headers.insert(ERROR_TYPE, code);
        }
        if let (Self::AwsJson(_) | Self::RpcCbor, Some(form)) = (self, &error.query) {
            let fault = query::fault(error);
            if let Ok(value) = HeaderValue::from_str(&format!("{};{fault}", form.code)) {
                headers.insert(QUERY_ERROR, value);
            }
        }
        for (name, value) in &error.headers {
            headers.insert(name.clone(), value.clone());
        }
        identify(&mut response, request_id);
        response
    }

    /// The code of a failed generic validation.
    pub(crate) const fn validation_code(self) -> &'static str {
        match self {
            Self::Query => "ValidationError",
            Self::RestJson | Self::AwsJson(_) | Self::RpcCbor => "ValidationException",
        }
    }
}

impl JsonVersion {
    const fn content_type(self) -> &'static str {
        match self {
            Self::V1_0 => "application/x-amz-json-1.0",
            Self::V1_1 => "application/x-amz-json-1.1",
        }
    }
}

/// Adds the request id unless the response names it already.
pub(crate) fn identify(response: &mut Response<Body>, request_id: &RequestId) {
    if let Ok(id) = HeaderValue::from_str(request_id.as_str()) {
        response.headers_mut().entry(REQUEST_ID).or_insert(id);
    }
}

/// A request after detection: its operation is known, its body complete, its signature checked.
#[derive(Debug, Default)]
pub struct Incoming {
    /// Path labels by member name, percent-decoded.
    pub labels: Vec<(Arc<str>, String)>,
    /// As it came.
    pub path: String,
    /// The query string as it came.
    pub query: Option<String>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Incoming {
    pub(crate) fn into_raw(self) -> RawRequest {
        RawRequest {
            labels: self
                .labels
                .into_iter()
                .map(|(name, value)| (name.as_ref().to_owned(), value))
                .collect::<HashMap<_, _>>(),
            query: self.query.as_deref().map(text::parse_query).unwrap_or_default(),
            headers: self.headers,
            body: self.body,
        }
    }
}

/// An output that does not fit the model: a defect of a handler.
#[derive(Debug)]
pub(crate) struct EncodeError(pub(crate) String);

/// The answer to a request whose members do not have the model's types. An empty text leaves the message out, as the
/// real services do for what is no JSON at all.
pub(crate) fn serialization_error(message: impl Into<String>) -> ErrorAnswer {
    ErrorAnswer::new("SerializationException", StatusCode::BAD_REQUEST, message)
}

/// The same for forms.
pub(crate) fn malformed_input(message: impl Into<String>) -> ErrorAnswer {
    ErrorAnswer::new("MalformedInput", StatusCode::BAD_REQUEST, message).fault(Fault::Client)
}
