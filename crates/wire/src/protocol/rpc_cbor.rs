//! smithy-rpc-v2-cbor: the operation in the path, everything else in one CBOR body.
//! Source: Smithy specification, "Smithy RPC v2 CBOR protocol".

use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Response, StatusCode};

use super::{EncodeError, Incoming, cbor};
use crate::body::Body;
use crate::error::ErrorAnswer;
use crate::model::{Model, OperationId};
use crate::value::Value;

/// Says on both sides that this protocol is spoken.
pub(crate) const SMITHY_PROTOCOL: HeaderName = HeaderName::from_static("smithy-protocol");
pub(crate) const NAME: &str = "rpc-v2-cbor";
pub(super) const CONTENT: &str = "application/cbor";

/// Service and operation of `/service/SERVICE/operation/OPERATION`; a prefix of the endpoint's own may stand before it.
pub(crate) fn target(path: &str) -> Option<(&str, &str)> {
    let (_, rest) = path.rsplit_once("/service/")?;
    let (service, operation) = rest.split_once("/operation/")?;
    (!service.contains('/') && !operation.contains('/')).then_some((service, operation))
}

pub(super) fn decode(model: &Model, operation: OperationId, request: &Incoming) -> Result<Value, ErrorAnswer> {
    if request.body.is_empty() {
        return Ok(Value::Map(Vec::new()));
    }
    match cbor::decode(model, model.input(operation), &request.body)? {
        Value::Null => Err(super::serialization_error("")),
        value => Ok(value),
    }
}

pub(super) fn encode(
    model: &Model,
    operation: OperationId,
    status: Option<StatusCode>,
    output: &Value,
) -> Result<Response<Body>, EncodeError> {
    // An operation without output has no body, and none that would be of a type.
    let has_output = model.operation(operation).has_output();
    let body = if has_output { cbor::encode(model, model.output(operation), output)? } else { Vec::new() };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status.unwrap_or(StatusCode::OK);
    if has_output {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT));
    }
    response.headers_mut().insert(SMITHY_PROTOCOL, HeaderValue::from_static(NAME));
    Ok(response)
}

pub(super) fn error_body(error: &ErrorAnswer) -> Vec<u8> {
    let message = (!error.message.is_empty()).then_some((error.message_key.as_str(), error.message.as_str()));
    cbor::encode_error(&error.code, message, &error.fields)
}
