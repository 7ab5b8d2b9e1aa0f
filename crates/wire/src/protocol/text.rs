//! Scalars as text: in labels, query strings, headers, forms and XML.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::EncodeError;
use crate::model::{Kind, Model, Shape, ShapeId};
use crate::timestamp::{Timestamp, TimestampFormat};
use crate::value::Value;

/// Query parameters in order, percent-decoded, `+` read as a space.
pub(crate) fn parse_query(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// Reads a scalar. The error is the text for the caller.
pub(crate) fn parse_scalar(shape: &Shape, text: &str, format: TimestampFormat) -> Result<Value, String> {
    let refused = || mismatch("STRING_VALUE", &shape.kind);
    match &shape.kind {
        Kind::String => Ok(Value::String(text.to_owned())),
        Kind::Integer => text.parse::<i32>().map(|number| Value::Int(number.into())).map_err(|_| refused()),
        Kind::Long => text.parse().map(Value::Int).map_err(|_| refused()),
        Kind::Float | Kind::Double => parse_float(text).map(Value::Float).ok_or_else(refused),
        Kind::Boolean => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err(refused()),
        },
        Kind::Timestamp => {
            Timestamp::parse(text, shape.timestamp_format.unwrap_or(format)).map(Value::Timestamp).ok_or_else(refused)
        }
        Kind::Blob => STANDARD.decode(text).map(|bytes| Value::Blob(Bytes::from(bytes))).map_err(|_| refused()),
        Kind::Document | Kind::Structure(_) | Kind::List { .. } | Kind::Map { .. } => Err(refused()),
    }
}

/// Writes a scalar as text.
pub(crate) fn format_scalar(
    model: &Model,
    id: ShapeId,
    value: &Value,
    format: TimestampFormat,
) -> Result<String, EncodeError> {
    let shape = model.shape(id);
    match (&shape.kind, value) {
        (Kind::String, Value::String(text)) => Ok(text.clone()),
        (Kind::Integer | Kind::Long, Value::Int(number)) => Ok(number.to_string()),
        (Kind::Float, Value::Float(number)) => Ok(format_float(f64::from(*number as f32), true)),
        (Kind::Double, Value::Float(number)) => Ok(format_float(*number, false)),
        (Kind::Float | Kind::Double, Value::Int(number)) => Ok(number.to_string()),
        (Kind::Boolean, Value::Bool(flag)) => Ok(flag.to_string()),
        (Kind::Blob, Value::Blob(bytes)) => Ok(STANDARD.encode(bytes)),
        (Kind::Timestamp, value) => timestamp(value)
            .map(|at| at.format(shape.timestamp_format.unwrap_or(format)))
            .ok_or_else(|| unfit(shape, value)),
        (_, value) => Err(unfit(shape, value)),
    }
}

/// A timestamp, also from a plain number of seconds.
pub(crate) fn timestamp(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Timestamp(at) => Some(*at),
        Value::Int(seconds) => Timestamp::from_seconds(*seconds as f64),
        Value::Float(seconds) => Timestamp::from_seconds(*seconds),
        _ => None,
    }
}

/// Numbers and the three names that are not.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        // Rust also reads "inf" and "nan", which no protocol knows.
        _ if text.ends_with(|c: char| c.is_ascii_digit() || c == '.') => text.parse().ok(),
        _ => None,
    }
}

/// Shortest text that reads back as the same number; `single` for 32-bit floats.
pub(crate) fn format_float(number: f64, single: bool) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else if single {
        format!("{:?}", number as f32)
    } else {
        format!("{number:?}")
    }
}

pub(crate) fn unfit(shape: &Shape, value: &Value) -> EncodeError {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Int(_) => "an integer",
        Value::Float(_) => "a float",
        Value::String(_) => "a string",
        Value::Blob(_) => "a blob",
        Value::Timestamp(_) => "a timestamp",
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
    };
    EncodeError(format!("{found} for the shape {}", shape.name))
}

/// The text of the real services for a value of another type.
pub(crate) fn mismatch(found: &str, kind: &Kind) -> String {
    let expected = match kind {
        Kind::String => "a String",
        Kind::Integer => "an Integer",
        Kind::Long => "a Long",
        Kind::Float => "a Float",
        Kind::Double => "a Double",
        Kind::Boolean => "a Boolean",
        Kind::Blob => "a ByteBuffer",
        Kind::Timestamp => "a Timestamp",
        Kind::List { .. } => return "Expected list or null".to_owned(),
        Kind::Map { .. } => return "Expected map or null".to_owned(),
        Kind::Structure(_) | Kind::Document => return "Expected null".to_owned(),
    };
    format!("{found} can not be converted to {expected}")
}
