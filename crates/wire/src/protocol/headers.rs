//! Members that travel in headers: scalars, comma-separated lists, JSON values and prefixed maps.
//! Source: Smithy specification, "httpHeader trait" and "httpPrefixHeaders trait".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{EncodeError, serialization_error, text};
use crate::error::ErrorAnswer;
use crate::model::{Kind, Member, Model, Shape};
use crate::timestamp::TimestampFormat;
use crate::value::Value;

/// Reads a member from a header; `Null` when it is not there.
pub(crate) fn decode(model: &Model, member: &Member, headers: &HeaderMap) -> Result<Value, ErrorAnswer> {
    let texts =
        headers.get_all(member.wire_name.as_str()).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let Some(text) = texts.reduce(|all, next| format!("{all}, {next}").into()) else {
        return Ok(Value::Null);
    };
    let shape = model.shape(member.shape);
    if member.json_value {
        let json = STANDARD.decode(text.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        return json.map(Value::String).ok_or_else(|| serialization_error(""));
    }
    let format = member.timestamp_format.unwrap_or(TimestampFormat::HttpDate);
    let value = match &shape.kind {
        Kind::List { member: item, .. } => {
            let item = model.shape(item.shape);
            // An HTTP date has a comma of its own.
            let dates = matches!(item.kind, Kind::Timestamp)
                && item.timestamp_format.unwrap_or(format) == TimestampFormat::HttpDate;
            split(&text, if dates { 2 } else { 1 })
                .iter()
                .map(|text| text::parse_scalar(item, text, format))
                .collect::<Result<_, _>>()
                .map(Value::List)
        }
        _ => text::parse_scalar(shape, text.trim(), format),
    };
    value.map_err(serialization_error)
}

/// Reads a map of all headers that start with the member's name.
pub(crate) fn decode_prefixed(member: &Member, headers: &HeaderMap) -> Value {
    let prefix = member.wire_name.to_ascii_lowercase();
    let mut entries: Vec<(String, Value)> = Vec::new();
    for (name, value) in headers {
        if let Some(rest) = name.as_str().strip_prefix(&prefix) {
            entries.push((rest.to_owned(), Value::String(String::from_utf8_lossy(value.as_bytes()).into_owned())));
        }
    }
    if entries.is_empty() { Value::Null } else { Value::Map(entries) }
}

/// Writes a member as a header; an empty list is no header.
pub(crate) fn encode(
    model: &Model,
    member: &Member,
    value: &Value,
    headers: &mut HeaderMap,
) -> Result<(), EncodeError> {
    let format = member.timestamp_format.unwrap_or(TimestampFormat::HttpDate);
    let shape = model.shape(member.shape);
    let text = match (&shape.kind, value) {
        (Kind::String, Value::String(json)) if member.json_value => STANDARD.encode(json),
        (Kind::List { .. }, Value::List(items)) if items.is_empty() => return Ok(()),
        (Kind::List { member: item, .. }, Value::List(items)) => {
            let item_shape = model.shape(item.shape);
            let texts = items.iter().map(|value| {
                text::format_scalar(model, item.shape, value, format).map(|text| quoted(item_shape, text))
            });
            texts.collect::<Result<Vec<_>, _>>()?.join(", ")
        }
        _ => text::format_scalar(model, member.shape, value, format)?,
    };
    headers.insert(name(&member.wire_name)?, header_value(&text)?);
    Ok(())
}

/// Writes a map as headers that start with the member's name.
pub(crate) fn encode_prefixed(member: &Member, value: &Value, headers: &mut HeaderMap) -> Result<(), EncodeError> {
    let Value::Map(entries) = value else {
        return Err(EncodeError(format!("the member {} is no map", member.name)));
    };
    for (key, value) in entries {
        let Value::String(text) = value else { continue };
        headers.insert(name(&format!("{}{key}", member.wire_name))?, header_value(text)?);
    }
    Ok(())
}

fn name(text: &str) -> Result<HeaderName, EncodeError> {
    text.parse().map_err(|_| EncodeError(format!("{text:?} is no header name")))
}

fn header_value(text: &str) -> Result<HeaderValue, EncodeError> {
    HeaderValue::from_maybe_shared(Bytes::copy_from_slice(text.as_bytes()))
        .map_err(|_| EncodeError(format!("{text:?} cannot stand in a header")))
}

/// A list's text with a comma or quote in it is quoted, so that it stays one.
fn quoted(shape: &Shape, text: String) -> String {
    if matches!(shape.kind, Kind::String) && text.contains([',', '"']) {
        format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
    } else {
        text
    }
}

/// The parts of a list; every part holds `commas` − 1 commas of its own.
fn split(text: &str, commas: usize) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut in_quotes, mut was_quoted, mut seen) = (false, false, 0);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let Some(part) = parts.last_mut() else { break };
        match c {
            '"' if in_quotes => (in_quotes, was_quoted) = (false, true),
            '"' if part.trim().is_empty() => {
                in_quotes = true;
                part.clear();
            }
            '\\' if in_quotes => part.extend(chars.next()),
            ',' if !in_quotes => {
                seen += 1;
                if seen % commas == 0 {
                    trim(part, was_quoted);
                    was_quoted = false;
                    parts.push(String::new());
                } else {
                    part.push(c);
                }
            }
            // White space behind a closing quote is not part of the value.
            _ if was_quoted => {}
            _ => part.push(c),
        }
    }
    if let Some(last) = parts.last_mut() {
        trim(last, was_quoted);
    }
    if parts.len() == 1 && parts[0].is_empty() && !was_quoted {
        parts.clear();
    }
    parts
}

fn trim(part: &mut String, was_quoted: bool) {
    if !was_quoted {
        *part = part.trim().to_owned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The examples of the Smithy specification's httpHeader trait.
    #[test]
    fn lists_are_split_at_commas_outside_quotes() {
        assert_eq!(split(r#""b,c", "\"def\"", a"#, 1), ["b,c", "\"def\"", "a"]);
        assert_eq!(split("a, b,c", 1), ["a", "b", "c"]);
        assert_eq!(split("", 1), Vec::<String>::new());
        assert_eq!(
            split("Mon, 16 Dec 2019 23:48:18 GMT, Tue, 17 Dec 2019 23:48:18 GMT", 2),
            ["Mon, 16 Dec 2019 23:48:18 GMT", "Tue, 17 Dec 2019 23:48:18 GMT"]
        );
    }
}
