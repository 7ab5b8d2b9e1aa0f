//! awsQuery: a form with `Action` and `Version` in, XML out.
//! Source: Smithy specification, "AWS query protocol".

use bytes::Bytes;
use hearth_types::RequestId;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};

use super::form::Node;
use super::xml::{XmlWriter, flat_name};
use super::{EncodeError, Incoming, malformed_input, text};
use crate::body::Body;
use crate::error::{ErrorAnswer, Fault};
use crate::model::{Kind, Location, Model, OperationId, Reference, Shape, ShapeId};
use crate::timestamp::TimestampFormat;
use crate::value::Value;

/// The namespace of answers when the model gives none.
const NAMESPACE: &str = "http://webservices.amazon.com/AWSFault/2005-15-09";

/// The form of a request: its body, or the query string when it has none.
pub(crate) fn form_bytes<'a>(query: Option<&'a str>, body: &'a Bytes) -> &'a [u8] {
    if body.is_empty() { query.unwrap_or_default().as_bytes() } else { body }
}

pub(super) fn decode(model: &Model, operation: OperationId, request: &Incoming) -> Result<Value, ErrorAnswer> {
    let form = Node::parse(form_bytes(request.query.as_deref(), &request.body))?;
    let mut input = structure(model, model.input(operation), &form)?;
    // A resource's URL is where its requests are sent: it need not stand in the form.
    if let (Kind::Structure(structure), Value::Map(members)) = (&model.input(operation).kind, &mut input) {
        for member in structure.members.iter().filter(|member| member.location == Location::Uri) {
            if request.path.len() > 1 && !members.iter().any(|(name, _)| *name == member.name) {
                members.push((member.name.clone(), Value::String(request.path.clone())));
            }
        }
    }
    Ok(input)
}

fn structure(model: &Model, shape: &Shape, node: &Node) -> Result<Value, ErrorAnswer> {
    let Kind::Structure(structure) = &shape.kind else {
        return Ok(Value::Null);
    };
    let mut members = Vec::new();
    for member in &structure.members {
        if let Some(node) = node.get(flat_name(model, member)) {
            let value = decode_shape(model, member.shape, member.flattened, node)?;
            members.push((member.name.clone(), value));
        }
    }
    Ok(Value::Map(members))
}

fn decode_shape(model: &Model, id: ShapeId, flattened: bool, node: &Node) -> Result<Value, ErrorAnswer> {
    let shape = model.shape(id);
    match &shape.kind {
        Kind::Structure(_) => structure(model, shape, node),
        Kind::List { member, flattened: always } => {
            let name = member.location_name.as_deref().unwrap_or("member");
            let items = if *always || flattened { Some(node) } else { node.get(name) };
            let items = items.map(Node::entries).unwrap_or_default();
            items
                .into_iter()
                .map(|item| decode_shape(model, member.shape, false, item))
                .collect::<Result<_, _>>()
                .map(Value::List)
        }
        Kind::Map { key, value, flattened: always } => {
            let entries = if *always || flattened { Some(node) } else { node.get("entry") };
            let entries = entries.map(Node::entries).unwrap_or_default();
            entries
                .into_iter()
                .map(|entry| decode_entry(model, key, value, entry))
                .collect::<Result<_, _>>()
                .map(Value::Map)
        }
        _ => {
            let text = node.text.as_deref().filter(|_| node.is_leaf());
            let Some(text) = text else {
                return Err(malformed_input("Start of structure or map found where not expected."));
            };
            text::parse_scalar(shape, text, TimestampFormat::DateTime).map_err(malformed_input)
        }
    }
}

fn decode_entry(
    model: &Model,
    key: &Reference,
    value: &Reference,
    entry: &Node,
) -> Result<(String, Value), ErrorAnswer> {
    let key_name = key.location_name.as_deref().unwrap_or("key");
    let value_name = value.location_name.as_deref().unwrap_or("value");
    let key = entry
        .get(key_name)
        .and_then(|node| node.text.clone())
        .ok_or_else(|| malformed_input("A map entry has no key"))?;
    let value = entry.get(value_name).map_or(Ok(Value::Null), |node| decode_shape(model, value.shape, false, node))?;
    Ok((key, value))
}

pub(super) fn encode(
    model: &Model,
    operation: OperationId,
    status: Option<StatusCode>,
    output: Value,
    request_id: &RequestId,
) -> Result<Response<Body>, EncodeError> {
    let name = model.operation(operation).name();
    let root = format!("{name}Response");
    let mut xml = XmlWriter::new();
    xml.open(&root, Some(("", model.xml_namespace().unwrap_or(NAMESPACE))));
    if let (Kind::Structure(structure), Value::Map(members), true) =
        (&model.output(operation).kind, &output, model.operation(operation).has_output())
    {
        let wrapper =
            model.operation(operation).result_wrapper().map_or_else(|| format!("{name}Result"), str::to_owned);
        xml.open(&wrapper, None);
        xml.members(model, &structure.members, members)?;
        xml.close(&wrapper);
    }
    xml.open("ResponseMetadata", None);
    xml.text_element("RequestId", request_id.as_str());
    xml.close("ResponseMetadata");
    xml.close(&root);
    let mut response = Response::new(Body::from(xml.finish()));
    *response.status_mut() = status.unwrap_or_else(|| model.operation(operation).status());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    Ok(response)
}

/// Whose fault it is, in this protocol's words.
pub(super) fn fault(error: &ErrorAnswer) -> &'static str {
    match error.fault {
        Some(Fault::Client) => "Sender",
        Some(Fault::Server) => "Receiver",
        None if error.status.is_server_error() => "Receiver",
        None => "Sender",
    }
}

/// `<ErrorResponse><Error><Type/><Code/><Message/></Error><RequestId/></ErrorResponse>`.
pub(super) fn error_body(model: Option<&Model>, error: &ErrorAnswer, request_id: &RequestId) -> Vec<u8> {
    let (code, message) = match &error.query {
        Some(form) => (form.code, form.message.unwrap_or(&error.message)),
        None => (error.code.as_ref(), error.message.as_str()),
    };
    let mut xml = XmlWriter::new();
    xml.open("ErrorResponse", Some(("", model.and_then(Model::xml_namespace).unwrap_or(NAMESPACE))));
    xml.open("Error", None);
    xml.text_element("Type", fault(error));
    xml.text_element("Code", code);
    if !message.is_empty() {
        xml.text_element("Message", message);
    }
    for (name, value) in &error.fields {
        field(&mut xml, name, value);
    }
    xml.close("Error");
    xml.text_element("RequestId", request_id.as_str());
    xml.close("ErrorResponse");
    xml.finish().into_bytes()
}

fn field(xml: &mut XmlWriter, name: &str, value: &serde_json::Value) {
    use serde_json::Value as Json;
    match value {
        Json::Object(members) => {
            xml.open(name, None);
            members.iter().for_each(|(name, value)| field(xml, name, value));
            xml.close(name);
        }
        Json::Array(items) => {
            xml.open(name, None);
            items.iter().for_each(|item| field(xml, "member", item));
            xml.close(name);
        }
        Json::String(text) => xml.text_element(name, text),
        scalar => xml.text_element(name, &scalar.to_string()),
    }
}
