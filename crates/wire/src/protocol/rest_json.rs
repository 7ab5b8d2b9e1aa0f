//! restJson1: members in path, query, headers, status and a JSON body.
//! Source: Smithy specification, "AWS restJson1 protocol" and "HTTP binding traits".

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};

use super::{EncodeError, Incoming, headers, json, serialization_error, text};
use crate::body::Body;
use crate::error::{ErrorAnswer, Fault};
use crate::model::{Kind, Location, Member, Model, OperationId, Structure};
use crate::timestamp::TimestampFormat;
use crate::value::Value;

pub(super) fn decode(model: &Model, operation: OperationId, request: &Incoming) -> Result<Value, ErrorAnswer> {
    let shape = model.input(operation);
    let Kind::Structure(structure) = &shape.kind else {
        return Ok(Value::Map(Vec::new()));
    };
    let query = request.query.as_deref().map(text::parse_query).unwrap_or_default();
    // Body members first: they come out of one pass over the JSON.
    let mut body = match structure.payload {
        None if structure.members.iter().any(|member| member.location == Location::Body)
            && !request.body.is_empty() =>
        {
            match json::decode(model, shape, &request.body)? {
                Value::Map(members) => members,
                _ => return Err(serialization_error("")),
            }
        }
        _ => Vec::new(),
    };
    let mut members = Vec::with_capacity(structure.members.len());
    for (index, member) in structure.members.iter().enumerate() {
        let value = match member.location {
            _ if structure.payload == Some(index) => payload(model, member, &request.body)?,
            Location::Body => take(&mut body, &member.name),
            Location::Uri => label(model, member, request)?,
            Location::Query => parameter(model, member, &query)?,
            Location::Header => headers::decode(model, member, &request.headers)?,
            Location::Headers => headers::decode_prefixed(member, &request.headers),
            Location::StatusCode => Value::Null,
        };
        if !value.is_null() {
            members.push((member.name.clone(), value));
        }
    }
    Ok(Value::Map(members))
}

fn take(members: &mut [(String, Value)], name: &str) -> Value {
    members.iter_mut().find(|(key, _)| key == name).map(|(_, value)| std::mem::take(value)).unwrap_or_default()
}

fn payload(model: &Model, member: &Member, body: &Bytes) -> Result<Value, ErrorAnswer> {
    let shape = model.shape(member.shape);
    match shape.kind {
        _ if body.is_empty() => Ok(Value::Null),
        Kind::Blob => Ok(Value::Blob(body.clone())),
        Kind::String => String::from_utf8(body.to_vec()).map(Value::String).map_err(|_| serialization_error("")),
        _ => json::decode(model, shape, body),
    }
}

fn label(model: &Model, member: &Member, request: &Incoming) -> Result<Value, ErrorAnswer> {
    match request.labels.iter().find(|(name, _)| **name == *member.name) {
        None => Ok(Value::Null),
        Some((_, text)) => scalar(model, member, member.shape, text),
    }
}

fn scalar(model: &Model, member: &Member, shape: crate::model::ShapeId, text: &str) -> Result<Value, ErrorAnswer> {
    let format = member.timestamp_format.unwrap_or(TimestampFormat::DateTime);
    text::parse_scalar(model.shape(shape), text, format).map_err(serialization_error)
}

fn parameter(model: &Model, member: &Member, query: &[(String, String)]) -> Result<Value, ErrorAnswer> {
    let shape = model.shape(member.shape);
    match &shape.kind {
        // A map takes every parameter there is.
        Kind::Map { value, .. } => {
            let many = matches!(model.shape(value.shape).kind, Kind::List { .. });
            Ok(parameter_map(query, many))
        }
        kind => {
            let mut texts = query.iter().filter(|(name, _)| *name == member.wire_name).map(|(_, text)| text);
            match kind {
                Kind::List { member: item, .. } => {
                    let items =
                        texts.map(|text| scalar(model, member, item.shape, text)).collect::<Result<Vec<_>, _>>()?;
                    Ok(if items.is_empty() { Value::Null } else { Value::List(items) })
                }
                _ => texts.next().map_or(Ok(Value::Null), |text| scalar(model, member, member.shape, text)),
            }
        }
    }
}

fn parameter_map(query: &[(String, String)], many: bool) -> Value {
    let mut entries: std::collections::BTreeMap<&str, Vec<Value>> = std::collections::BTreeMap::new();
    for (name, text) in query {
        entries.entry(name).or_default().push(Value::String(text.clone()));
    }
    if entries.is_empty() {
        return Value::Null;
    }
    let value = |mut values: Vec<Value>| if many { Value::List(values) } else { values.swap_remove(0) };
    Value::Map(entries.into_iter().map(|(name, values)| (name.to_owned(), value(values))).collect())
}

pub(super) fn encode(
    model: &Model,
    operation: OperationId,
    status: Option<StatusCode>,
    output: Value,
) -> Result<Response<Body>, EncodeError> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status.unwrap_or_else(|| model.operation(operation).status());
    let shape = model.output(operation);
    let (Kind::Structure(structure), Value::Map(mut members), true) =
        (&shape.kind, output, model.operation(operation).has_output())
    else {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        return Ok(response);
    };
    for member in &structure.members {
        let Some((_, value)) = members.iter().find(|(name, value)| *name == member.name && !value.is_null()) else {
            continue;
        };
        match member.location {
            Location::Header => headers::encode(model, member, value, response.headers_mut())?,
            Location::Headers => headers::encode_prefixed(member, value, response.headers_mut())?,
            Location::StatusCode => *response.status_mut() = status_code(value)?,
            Location::Body | Location::Uri | Location::Query => {}
        }
    }
    let (content_type, body) = match structure.payload {
        Some(index) => payload_body(model, &structure.members[index], &mut members)?,
        None => ("application/json", object(model, structure, &members)?),
    };
    // 204 and 304 have no body. Source: RFC 9110, section 6.4.1.
    if matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Ok(response);
    }
    response.headers_mut().entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(content_type));
    *response.body_mut() = Body::from(body);
    Ok(response)
}

fn status_code(value: &Value) -> Result<StatusCode, EncodeError> {
    let code = match value {
        Value::Int(code) => u16::try_from(*code).ok(),
        _ => None,
    };
    code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or_else(|| EncodeError("no HTTP status".to_owned()))
}

fn object(model: &Model, structure: &Structure, members: &[(String, Value)]) -> Result<Bytes, EncodeError> {
    let mut body = Vec::with_capacity(256);
    json::encode_members(model, structure, members, &mut body)?;
    Ok(body.into())
}

fn payload_body(
    model: &Model,
    member: &Member,
    members: &mut [(String, Value)],
) -> Result<(&'static str, Bytes), EncodeError> {
    let shape = model.shape(member.shape);
    match (&shape.kind, take(members, &member.name)) {
        (Kind::Blob, Value::Blob(bytes)) => Ok(("application/octet-stream", bytes)),
        (Kind::Blob, Value::Null) => Ok(("application/octet-stream", Bytes::new())),
        (Kind::String, Value::String(text)) => Ok(("text/plain", text.into())),
        (Kind::String, Value::Null) => Ok(("text/plain", Bytes::new())),
        (_, Value::Null) => Ok(("application/json", Bytes::new())),
        (_, value) => {
            let mut body = Vec::new();
            json::encode(model, shape, member.timestamp_format, &value, &mut body)?;
            Ok(("application/json", body.into()))
        }
    }
}

/// `{"Type":"User","message":"…"}` and further fields.
pub(super) fn error_body(error: &ErrorAnswer) -> Vec<u8> {
    let mut body = Vec::with_capacity(128 + error.message.len());
    body.push(b'{');
    let mut member = |name: &str, write: &dyn Fn(&mut Vec<u8>)| {
        if body.len() > 1 {
            body.push(b',');
        }
        json::string(name, &mut body);
        body.push(b':');
        write(&mut body);
    };
    if let Some(fault) = error.fault {
        let text = match fault {
            Fault::Client => "User",
            Fault::Server => "Service",
        };
        member("Type", &|body| json::string(text, body));
    }
    if !error.message.is_empty() {
        member(error.message_key.as_str(), &|body| json::string(&error.message, body));
    }
    for (name, value) in &error.fields {
        member(name, &|body| body.extend_from_slice(value.to_string().as_bytes()));
    }
    body.push(b'}');
    body
}
