//! botocore's protocol cases: a model of one operation, and what its client sends or expects.

use std::path::Path;
use std::sync::Arc;

use hearth_wire::model::{Kind, Location, Model, OperationId, Shape, ShapeId};
use hearth_wire::{Timestamp, Value};
use serde_json::{Value as Json, json};

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) model: Arc<Model>,
    pub(crate) operation: OperationId,
    pub(crate) json: Json,
    /// The model's text.
    pub(crate) source: Json,
    /// Names of members the client fills with a token by itself.
    pub(crate) tokens: Vec<String>,
}

/// All cases of one file.
pub(crate) fn read(path: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(path).expect("a file of cases");
    let suites: Vec<Json> = serde_json::from_str(&text).expect("JSON");
    let mut cases = Vec::new();
    for suite in suites {
        for (index, case) in suite["cases"].as_array().expect("cases").iter().enumerate() {
            let given = &case["given"];
            let operation = given["name"].as_str().unwrap_or("OperationName");
            let model = json!({
                "metadata": suite["metadata"],
                "operations": { operation: given },
                "shapes": suite["shapes"],
            });
            let source = model;
            let model = Model::parse(&source.to_string()).expect("a model");
            let tokens = suite["shapes"][given["input"]["shape"].as_str().unwrap_or_default()]["members"]
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(_, member)| member["idempotencyToken"] == true)
                .map(|(name, _)| name.clone())
                .collect();
            let name = case["id"].as_str().map_or_else(
                || format!("{}:{index}", suite["description"].as_str().unwrap_or_default()),
                str::to_owned,
            );
            cases.push(Case {
                name,
                operation: model.operation_id(operation).expect("the operation"),
                model: Arc::new(model),
                json: case.clone(),
                source,
                tokens,
            });
        }
    }
    cases
}

/// The same case's model with the answer for its request: what we write is read back as if it were sent.
pub(crate) fn reversed(case: &Case) -> (Model, OperationId) {
    let mut model = case.source.clone();
    let operation = case.model.operation(case.operation).name().to_owned();
    model["operations"][&operation]["input"] = model["operations"][&operation]["output"].clone();
    let model = Model::parse(&model.to_string()).expect("a model");
    let id = model.operation_id(&operation).expect("the operation");
    (model, id)
}

/// The value a case's JSON stands for.
pub(crate) fn value(model: &Model, shape: &Shape, json: &Json) -> Value {
    let element = |id: ShapeId, json: &Json| value(model, model.shape(id), json);
    match (&shape.kind, json) {
        (_, Json::Null) => Value::Null,
        (Kind::Structure(structure), Json::Object(members)) => Value::Map(
            members
                .iter()
                .map(|(name, json)| {
                    let member = structure.members.iter().find(|member| member.name == *name).expect("a member");
                    (name.clone(), element(member.shape, json))
                })
                .filter(|(_, value)| !value.is_null())
                .collect(),
        ),
        (Kind::List { member, .. }, Json::Array(items)) => {
            Value::List(items.iter().map(|item| element(member.shape, item)).collect())
        }
        (Kind::Map { value, .. }, Json::Object(entries)) => {
            Value::Map(entries.iter().map(|(key, json)| (key.clone(), element(value.shape, json))).collect())
        }
        (Kind::Timestamp, Json::Number(seconds)) => {
            Value::Timestamp(Timestamp::from_seconds(seconds.as_f64().expect("seconds")).expect("in range"))
        }
        (Kind::Blob, Json::String(text)) => Value::Blob(text.clone().into()),
        (Kind::Float | Kind::Double, Json::String(text)) => Value::Float(match text.as_str() {
            "NaN" => f64::NAN,
            "Infinity" => f64::INFINITY,
            _ => f64::NEG_INFINITY,
        }),
        (Kind::Float | Kind::Double, Json::Number(number)) => Value::Float(number.as_f64().expect("a float")),
        (_, json) => document(json),
    }
}

fn document(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => {
            number.as_i64().map_or_else(|| Value::Float(number.as_f64().expect("a float")), Value::Int)
        }
        Json::String(text) => Value::String(text.clone()),
        Json::Array(items) => Value::List(items.iter().map(document).collect()),
        Json::Object(members) => Value::Map(members.iter().map(|(key, json)| (key.clone(), document(json))).collect()),
    }
}

/// Equal up to the order of members; what is not a number equals itself.
pub(crate) fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Float(left), Value::Float(right)) => left == right || (left.is_nan() && right.is_nan()),
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Map(left), Value::Map(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, left)| right.iter().any(|(other, right)| name == other && same(left, right)))
        }
        (left, right) => left == right,
    }
}

/// Whether decoded input is what the client was given. A client leaves out empty collections that travel as text, and
/// a map of query parameters or headers holds all of them, also those that other members took.
pub(crate) fn same_input(model: &Model, shape: &Shape, decoded: &Value, expected: &Value) -> bool {
    let (Value::Map(decoded), Value::Map(expected), Kind::Structure(structure)) = (decoded, expected, &shape.kind)
    else {
        return same(decoded, expected);
    };
    let find = |members: &[(String, Value)], name: &str| {
        members.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    structure.members.iter().all(|member| {
        let (decoded, expected) = (find(decoded, &member.name), find(expected, &member.name));
        let is_map = matches!(model.shape(member.shape).kind, Kind::Map { .. });
        match (&decoded, &expected) {
            (Value::Null, Value::List(items)) if items.is_empty() => true,
            (Value::Null, Value::Map(entries)) if entries.is_empty() => true,
            // A client that has nothing to put into a body of one structure sends an empty one.
            (Value::Map(entries), Value::Null) if entries.is_empty() && structure.payload.is_some() => true,
            (Value::Map(all), Value::Map(some))
                if is_map && matches!(member.location, Location::Query | Location::Headers) =>
            {
                let taken = |name: &String| {
                    structure.members.iter().any(|other| other.name != member.name && other.wire_name == *name)
                };
                some.iter().filter(|(name, _)| !taken(name)).all(|(name, value)| same(&find(all, name), value))
            }
            (Value::Map(_), Value::Null)
                if is_map && matches!(member.location, Location::Query | Location::Headers) =>
            {
                true
            }
            (decoded, expected) => same(decoded, expected),
        }
    })
}
