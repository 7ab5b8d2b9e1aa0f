//! JSON bodies, driven by the model: shared by restJson1 and awsJson.
//!
//! The decoder is a serde seed per shape: the text is read once, blobs are decoded from where they stand, unknown
//! members are skipped. Depth is bounded by serde_json's own limit.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::text::{self, mismatch, unfit};
use super::{EncodeError, serialization_error};
use crate::error::ErrorAnswer;
use crate::model::{Kind, Location, Member, Model, Shape, Structure};
use crate::timestamp::{Timestamp, TimestampFormat};
use crate::value::Value;

/// Source: measured answers of the real services' JSON front.
const LIST_UNEXPECTED: &str = "Start of list found where not expected";
const MAP_UNEXPECTED: &str = "Start of structure or map found where not expected.";

/// Reads one JSON text of the given shape. Only members that travel in the body are read from the outermost structure.
pub(crate) fn decode(model: &Model, shape: &Shape, body: &[u8]) -> Result<Value, ErrorAnswer> {
    let context = Context { model, refusal: RefCell::new(None) };
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let seed = Seed { context: &context, shape, format: None };
    // What is no JSON gets no text: the parser's own would be internal detail.
    let refused = || serialization_error(context.refusal.take().unwrap_or_default());
    let value = seed.deserialize(&mut deserializer).map_err(|_| refused())?;
    deserializer.end().map_err(|_| refused())?;
    Ok(value)
}

struct Context<'m> {
    model: &'m Model,
    /// The text for the caller, when the JSON was well-formed but of another type.
    refusal: RefCell<Option<String>>,
}

#[derive(Clone, Copy)]
struct Seed<'c, 'm> {
    context: &'c Context<'m>,
    shape: &'m Shape,
    format: Option<TimestampFormat>,
}

impl Seed<'_, '_> {
    fn refuse<E: Error>(&self, message: impl Into<String>) -> E {
        self.context.refusal.replace(Some(message.into()));
        E::custom("refused")
    }

    fn mismatch<E: Error>(&self, found: &str) -> E {
        self.refuse(mismatch(found, &self.shape.kind))
    }

    fn timestamp<E: Error>(&self, seconds: f64) -> Result<Value, E> {
        Timestamp::from_seconds(seconds).map(Value::Timestamp).ok_or_else(|| self.mismatch("NUMBER_VALUE"))
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shape.name)
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        match self.shape.kind {
            Kind::Boolean | Kind::Document => Ok(Value::Bool(flag)),
            _ => Err(self.mismatch(if flag { "TRUE_VALUE" } else { "FALSE_VALUE" })),
        }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        match self.shape.kind {
            Kind::Integer if i32::try_from(number).is_err() => Err(self.mismatch("NUMBER_VALUE")),
            Kind::Integer | Kind::Long | Kind::Document => Ok(Value::Int(number)),
            Kind::Float | Kind::Double => Ok(Value::Float(number as f64)),
            Kind::Timestamp => self.timestamp(number as f64),
            _ => Err(self.mismatch("NUMBER_VALUE")),
        }
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        match i64::try_from(number) {
            Ok(number) => self.visit_i64(number),
            Err(_) => self.visit_f64(number as f64),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        match self.shape.kind {
            Kind::Float | Kind::Double | Kind::Document => Ok(Value::Float(number)),
            Kind::Timestamp => self.timestamp(number),
            // Measured: the real services cut the fraction off.
            Kind::Integer if number.abs() < 2_147_483_648.0 => Ok(Value::Int(number as i64)),
            Kind::Long if number.abs() < 9.2e18 => Ok(Value::Int(number as i64)),
            _ => Err(self.mismatch("NUMBER_VALUE")),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        match self.shape.kind {
            Kind::String | Kind::Document => Ok(Value::String(text.to_owned())),
            Kind::Blob => match STANDARD.decode(text) {
                Ok(bytes) => Ok(Value::Blob(Bytes::from(bytes))),
                Err(_) => Err(self.mismatch("STRING_VALUE")),
            },
            Kind::Timestamp => {
                let format = self.shape.timestamp_format.or(self.format);
                [format.unwrap_or(TimestampFormat::DateTime), TimestampFormat::DateTime, TimestampFormat::HttpDate]
                    .into_iter()
                    .find_map(|format| Timestamp::parse(text, format))
                    .map(Value::Timestamp)
                    .ok_or_else(|| self.mismatch("STRING_VALUE"))
            }
            Kind::Float | Kind::Double => match text {
                "NaN" | "Infinity" | "-Infinity" => Ok(Value::Float(text::parse_float(text).unwrap_or(f64::NAN))),
                _ => Err(self.mismatch("STRING_VALUE")),
            },
            _ => Err(self.mismatch("STRING_VALUE")),
        }
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        match self.shape.kind {
            Kind::String => Ok(Value::String(text)),
            _ => self.visit_str(&text),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let seed = match &self.shape.kind {
            Kind::List { member, .. } => Seed { shape: self.context.model.shape(member.shape), format: None, ..self },
            Kind::Document => self,
            _ => return Err(self.refuse(LIST_UNEXPECTED)),
        };
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(seed)? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        match &self.shape.kind {
            Kind::Structure(structure) => self.structure(structure, map),
            Kind::Map { value, .. } => {
                let seed = Seed { shape: self.context.model.shape(value.shape), format: None, ..self };
                let mut entries = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    entries.push((key, map.next_value_seed(seed)?));
                }
                Ok(Value::Map(last_wins(entries)))
            }
            Kind::Document => {
                let mut entries = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    entries.push((key, map.next_value_seed(self)?));
                }
                Ok(Value::Map(last_wins(entries)))
            }
            _ => Err(self.refuse(MAP_UNEXPECTED)),
        }
    }
}

impl<'m> Seed<'_, 'm> {
    fn structure<'de, A: MapAccess<'de>>(self, structure: &'m Structure, mut map: A) -> Result<Value, A::Error> {
        let mut slots: Vec<Value> = vec![Value::Null; structure.members.len()];
        while let Some(key) = map.next_key::<std::borrow::Cow<'_, str>>()? {
            let known = structure
                .members
                .iter()
                .position(|member| member.location == Location::Body && member.wire_name == key.as_ref());
            let Some(index) = known else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            slots[index] = self.member(&structure.members[index], &mut map)?;
        }
        let names = structure.members.iter().map(|member| &member.name);
        Ok(Value::Map(
            names.zip(slots).filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), value)).collect(),
        ))
    }

    fn member<'de, A: MapAccess<'de>>(&self, member: &'m Member, map: &mut A) -> Result<Value, A::Error> {
        let seed = Seed { shape: self.context.model.shape(member.shape), format: member.timestamp_format, ..*self };
        map.next_value_seed(seed)
    }
}

/// Of equal keys the last one counts.
fn last_wins(entries: Vec<(String, Value)>) -> Vec<(String, Value)> {
    let mut seen = HashMap::with_capacity(entries.len());
    let mut kept: Vec<(String, Value)> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        match seen.get(&key) {
            Some(&index) => {
                let (_, slot): &mut (String, Value) = &mut kept[index];
                *slot = value;
            }
            None => {
                seen.insert(key.clone(), kept.len());
                kept.push((key, value));
            }
        }
    }
    kept
}

/// Writes a value of the given shape. Null members are left out.
pub(crate) fn encode(
    model: &Model,
    shape: &Shape,
    format: Option<TimestampFormat>,
    value: &Value,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    match (&shape.kind, value) {
        (_, Value::Null) => out.extend_from_slice(b"null"),
        (Kind::Structure(structure), Value::Map(members)) => encode_members(model, structure, members, out)?,
        (Kind::List { member, .. }, Value::List(items)) => {
            let member = model.shape(member.shape);
            sequence(out, [b'[', b']'], items, |out, item| encode(model, member, None, item, out))?;
        }
        (Kind::Map { value, .. }, Value::Map(entries)) => {
            let shape = model.shape(value.shape);
            sequence(out, [b'{', b'}'], entries, |out, (key, value)| {
                string(key, out);
                out.push(b':');
                encode(model, shape, None, value, out)
            })?;
        }
        (Kind::Document, value) => encode_document(value, out)?,
        (Kind::String, Value::String(text)) => string(text, out),
        (Kind::Blob, Value::Blob(bytes)) => string(&STANDARD.encode(bytes), out),
        (Kind::Boolean, Value::Bool(flag)) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
        (Kind::Integer | Kind::Long, Value::Int(number)) => out.extend_from_slice(number.to_string().as_bytes()),
        (Kind::Float | Kind::Double, Value::Int(number)) => float(*number as f64, false, out),
        (Kind::Float, Value::Float(number)) => float(*number, true, out),
        (Kind::Double, Value::Float(number)) => float(*number, false, out),
        (Kind::Timestamp, value) => {
            let at = text::timestamp(value).ok_or_else(|| unfit(shape, value))?;
            match format.or(shape.timestamp_format).unwrap_or(TimestampFormat::EpochSeconds) {
                TimestampFormat::EpochSeconds => {
                    out.extend_from_slice(at.format(TimestampFormat::EpochSeconds).as_bytes());
                }
                format => string(&at.format(format), out),
            }
        }
        (_, value) => return Err(unfit(shape, value)),
    }
    Ok(())
}

/// The members of a structure that travel in the body, as an object.
pub(crate) fn encode_members(
    model: &Model,
    structure: &Structure,
    members: &[(String, Value)],
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let find = |name: &String| structure.members.iter().find(|member| member.name == *name);
    let mut set = Vec::with_capacity(members.len());
    for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
        let member = find(name).ok_or_else(|| EncodeError(format!("no member {name} in the model")))?;
        if member.location == Location::Body {
            set.push((member, value));
        }
    }
    sequence(out, [b'{', b'}'], &set, |out, (member, value)| {
        string(&member.wire_name, out);
        out.push(b':');
        encode(model, model.shape(member.shape), member.timestamp_format, value, out)
    })
}

/// Any value as the JSON it looks like.
fn encode_document(value: &Value, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
        Value::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Float(number) => float(*number, false, out),
        Value::String(text) => string(text, out),
        Value::Blob(_) | Value::Timestamp(_) => {
            return Err(EncodeError("a document holds only what JSON knows".to_owned()));
        }
        Value::List(items) => sequence(out, [b'[', b']'], items, |out, item| encode_document(item, out))?,
        Value::Map(entries) => sequence(out, [b'{', b'}'], entries, |out, (key, value)| {
            string(key, out);
            out.push(b':');
            encode_document(value, out)
        })?,
    }
    Ok(())
}

fn sequence<T>(
    out: &mut Vec<u8>,
    brackets: [u8; 2],
    items: &[T],
    mut each: impl FnMut(&mut Vec<u8>, &T) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    out.push(brackets[0]);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        each(out, item)?;
    }
    out.push(brackets[1]);
    Ok(())
}

pub(crate) fn string(text: &str, out: &mut Vec<u8>) {
    // Writing text to memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

fn float(number: f64, single: bool, out: &mut Vec<u8>) {
    let text = text::format_float(number, single);
    if number.is_finite() {
        out.extend_from_slice(text.as_bytes());
    } else {
        string(&text, out);
    }
}
