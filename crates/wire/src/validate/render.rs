//! Values as the error texts show them: Java's `toString`.

use crate::model::{Kind, Model, Shape};
use crate::value::Value;

/// `None` for what must not be shown.
pub(super) fn render(model: &Model, shape: &Shape, value: &Value) -> Option<String> {
    if is_sensitive(model, shape) {
        return None;
    }
    let mut out = String::new();
    write(model, shape, value, &mut out);
    Some(out)
}

/// A collection of secrets is one.
fn is_sensitive(model: &Model, shape: &Shape) -> bool {
    let sensitive = |id| model.shape(id).sensitive;
    shape.sensitive
        || match &shape.kind {
            Kind::List { member, .. } => sensitive(member.shape),
            Kind::Map { key, value, .. } => sensitive(key.shape) || sensitive(value.shape),
            _ => false,
        }
}

fn write(model: &Model, shape: &Shape, value: &Value, out: &mut String) {
    if is_sensitive(model, shape) {
        out.push_str("***Sensitive Data Redacted***");
        return;
    }
    match (value, &shape.kind) {
        (Value::Null, _) => out.push_str("null"),
        (Value::Bool(flag), _) => out.push_str(if *flag { "true" } else { "false" }),
        (Value::Int(number), _) => out.push_str(&number.to_string()),
        (Value::Float(number), _) => out.push_str(&java_double(*number)),
        (Value::String(text), _) => out.push_str(text),
        (Value::Blob(bytes), _) => {
            let size = bytes.len();
            out.push_str(&format!("java.nio.HeapByteBuffer[pos=0 lim={size} cap={size}]"));
        }
        (Value::Timestamp(at), _) => out.push_str(&at.format(crate::timestamp::TimestampFormat::DateTime)),
        (Value::List(items), Kind::List { member, .. }) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                write(model, model.shape(member.shape), item, out);
            }
            out.push(']');
        }
        (Value::Map(entries), Kind::Map { value, .. }) => {
            out.push('{');
            for (index, (key, item)) in entries.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                out.push_str(key);
                out.push('=');
                write(model, model.shape(value.shape), item, out);
            }
            out.push('}');
        }
        (Value::Map(members), Kind::Structure(structure)) => {
            out.push_str(&shape.name);
            out.push('(');
            for (index, member) in structure.members.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                out.push_str(&super::lower_camel(&member.name));
                out.push('=');
                let item = members.iter().find(|(name, _)| *name == member.name).map_or(&Value::Null, |(_, item)| item);
                match item {
                    Value::Null => out.push_str("null"),
                    item => write(model, model.shape(member.shape), item, out),
                }
            }
            out.push(')');
        }
        (Value::List(_) | Value::Map(_), _) => {}
    }
}

/// A bound of the model as its type writes it: `1` or `1.0`.
pub(super) fn bound(number: f64, is_float: bool) -> String {
    if is_float { java_double(number) } else { format!("{number:.0}") }
}

/// `Double.toString`. Source: Java platform API.
fn java_double(number: f64) -> String {
    let size = number.abs();
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else if size == 0.0 || (1e-3..1e7).contains(&size) {
        format!("{number:?}")
    } else {
        let text = format!("{number:E}");
        match text.split_once('E') {
            Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
            _ => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Source: Java platform API, Double.toString.
    #[test]
    fn doubles_look_as_in_java() {
        for (number, text) in
            [(2.0, "2.0"), (-1.0, "-1.0"), (0.5, "0.5"), (1e7, "1.0E7"), (1.25e-4, "1.25E-4"), (0.0, "0.0")]
        {
            assert_eq!(java_double(number), text);
        }
    }
}
