//! awsJson1.0 and 1.1: the operation in `X-Amz-Target`, everything else in one JSON body.
//! Source: Smithy specification, "AWS JSON 1.0 protocol", "AWS JSON 1.1 protocol".

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};

use super::{EncodeError, Incoming, JsonVersion, json};
use crate::body::Body;
use crate::error::ErrorAnswer;
use crate::model::{Kind, Model, OperationId};
use crate::value::Value;

pub(super) fn decode(model: &Model, operation: OperationId, request: &Incoming) -> Result<Value, ErrorAnswer> {
    if request.body.is_empty() {
        return Ok(Value::Map(Vec::new()));
    }
    match json::decode(model, model.input(operation), &request.body)? {
        Value::Null => Err(super::serialization_error("")),
        value => Ok(value),
    }
}

pub(super) fn encode(
    version: JsonVersion,
    model: &Model,
    operation: OperationId,
    status: Option<StatusCode>,
    output: Value,
) -> Result<Response<Body>, EncodeError> {
    let mut body = Vec::new();
    let shape = model.output(operation);
    if let (true, Kind::Structure(structure), Value::Map(members)) =
        (model.operation(operation).has_output(), &shape.kind, &output)
    {
        json::encode_members(model, structure, members, &mut body)?;
    }
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status.unwrap_or(StatusCode::OK);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(version.content_type()));
    Ok(response)
}

pub(super) fn error_body(error: &ErrorAnswer) -> Vec<u8> {
    let mut members = serde_json::Map::new();
    members.insert("__type".to_owned(), error.code.clone().into());
    if !error.message.is_empty() {
        members.insert(error.message_key.as_str().to_owned(), error.message.clone().into());
    }
    members.extend(error.fields.iter().cloned());
    serde_json::Value::Object(members).to_string().into_bytes()
}
