//! CBOR bodies, driven by the model. Unknown members are skipped; depth is bounded, and nothing is set aside by what a
//! length only claims.
//! Source: RFC 8949; Smithy specification, "Smithy RPC v2 CBOR protocol".

use bytes::Bytes;
use minicbor::data::{IanaTag, Type};
use minicbor::{Decoder, Encoder};

use super::text::{self, mismatch, unfit};
use super::{EncodeError, serialization_error};
use crate::error::ErrorAnswer;
use crate::limits::CBOR_DEPTH_MAX;
use crate::model::{Kind, Model, Shape, ShapeId, Structure};
use crate::timestamp::Timestamp;
use crate::value::Value;

/// Items that are set aside before they have been read.
const RESERVED_ITEMS: usize = 64;

/// Why a body is not understood.
enum Refusal {
    /// No CBOR, or cut short.
    Malformed,
    /// The text for the caller.
    Unfit(String),
}

impl From<minicbor::decode::Error> for Refusal {
    fn from(_: minicbor::decode::Error) -> Self {
        Self::Malformed
    }
}

/// Reads one item of the given shape, and nothing behind it.
pub(super) fn decode(model: &Model, shape: &Shape, body: &[u8]) -> Result<Value, ErrorAnswer> {
    let mut reader = Reader { model, decoder: Decoder::new(body), depth: 0 };
    let value = reader.shape(shape);
    match value {
        Ok(value) if reader.decoder.position() == body.len() => Ok(value),
        Ok(_) | Err(Refusal::Malformed) => Err(serialization_error("")),
        Err(Refusal::Unfit(text)) => Err(serialization_error(text)),
    }
}

struct Reader<'m, 'b> {
    model: &'m Model,
    decoder: Decoder<'b>,
    depth: usize,
}

impl Reader<'_, '_> {
    fn of(&mut self, id: ShapeId) -> Result<Value, Refusal> {
        self.shape(self.model.shape(id))
    }

    fn shape(&mut self, shape: &Shape) -> Result<Value, Refusal> {
        self.depth += 1;
        if self.depth > CBOR_DEPTH_MAX {
            return Err(Refusal::Malformed);
        }
        let value = self.value(shape);
        self.depth -= 1;
        value
    }

    fn value(&mut self, shape: &Shape) -> Result<Value, Refusal> {
        let found = self.decoder.datatype()?;
        match (&shape.kind, found) {
            (_, Type::Null) => {
                self.decoder.null()?;
                Ok(Value::Null)
            }
            (_, Type::Undefined) => {
                self.decoder.undefined()?;
                Ok(Value::Null)
            }
            (Kind::Structure(structure), Type::Map | Type::MapIndef) => self.structure(structure),
            (Kind::Map { value, .. }, Type::Map | Type::MapIndef) => {
                let id = value.shape;
                let mut entries = Vec::new();
                self.entries(|reader, key| {
                    let value = reader.of(id)?;
                    if shape.sparse || !value.is_null() {
                        entries.push((key, value));
                    }
                    Ok(())
                })?;
                Ok(Value::Map(entries))
            }
            (Kind::List { member, .. }, Type::Array | Type::ArrayIndef) => self.list(member.shape),
            (Kind::String, Type::String | Type::StringIndef) => Ok(Value::String(self.string()?)),
            (Kind::Blob, Type::Bytes | Type::BytesIndef) => {
                let mut bytes = Vec::new();
                for piece in self.decoder.bytes_iter()? {
                    bytes.extend_from_slice(piece?);
                }
                Ok(Value::Blob(Bytes::from(bytes)))
            }
            (Kind::Boolean, Type::Bool) => Ok(Value::Bool(self.decoder.bool()?)),
            (Kind::Timestamp, Type::Tag) => self.timestamp(shape),
            (Kind::Integer | Kind::Long, found) if is_integer(found) => {
                let number = i128::from(self.decoder.int()?);
                let fits = match shape.kind {
                    Kind::Integer => i32::try_from(number).is_ok(),
                    _ => true,
                };
                let number = i64::try_from(number).ok().filter(|_| fits);
                number.map(Value::Int).ok_or_else(|| unexpected(shape, found))
            }
            (Kind::Float | Kind::Double, found) => Ok(Value::Float(self.number(shape, found)?)),
            (_, found) => Err(unexpected(shape, found)),
        }
    }

    /// An integer or a floating-point number, as clients write the shortest that holds it.
    fn number(&mut self, shape: &Shape, found: Type) -> Result<f64, Refusal> {
        match found {
            Type::F16 => Ok(f64::from(self.decoder.f16()?)),
            Type::F32 => Ok(f64::from(self.decoder.f32()?)),
            Type::F64 => Ok(self.decoder.f64()?),
            found if is_integer(found) => Ok(i128::from(self.decoder.int()?) as f64),
            found => Err(unexpected(shape, found)),
        }
    }

    fn timestamp(&mut self, shape: &Shape) -> Result<Value, Refusal> {
        if self.decoder.tag()? != IanaTag::Timestamp.tag() {
            return Err(unexpected(shape, Type::Tag));
        }
        let found = self.decoder.datatype()?;
        let seconds = self.number(shape, found)?;
        Timestamp::from_seconds(seconds).map(Value::Timestamp).ok_or_else(|| unexpected(shape, found))
    }

    fn string(&mut self) -> Result<String, Refusal> {
        let mut text = String::new();
        for piece in self.decoder.str_iter()? {
            text.push_str(piece?);
        }
        Ok(text)
    }

    fn list(&mut self, id: ShapeId) -> Result<Value, Refusal> {
        let length = self.decoder.array()?;
        let reserved = length.map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
        let mut items = Vec::with_capacity(reserved.min(RESERVED_ITEMS));
        let mut left = length;
        while self.has_next(&mut left)? {
            items.push(self.of(id)?);
        }
        Ok(Value::List(items))
    }

    fn structure(&mut self, structure: &Structure) -> Result<Value, Refusal> {
        let mut members = Vec::new();
        self.entries(|reader, key| {
            match structure.members.iter().find(|member| member.name == key) {
                Some(member) => members.push((key, reader.of(member.shape)?)),
                None => reader.decoder.skip()?,
            }
            Ok(())
        })?;
        Ok(Value::Map(members))
    }

    fn entries(&mut self, mut each: impl FnMut(&mut Self, String) -> Result<(), Refusal>) -> Result<(), Refusal> {
        let mut left = self.decoder.map()?;
        while self.has_next(&mut left)? {
            let key = match self.decoder.datatype()? {
                Type::String | Type::StringIndef => self.string()?,
                _ => return Err(Refusal::Malformed),
            };
            each(self, key)?;
        }
        Ok(())
    }

    /// Whether the collection goes on; `left` is `None` where only a break ends it.
    fn has_next(&mut self, left: &mut Option<u64>) -> Result<bool, Refusal> {
        match left {
            Some(0) => Ok(false),
            Some(left) => {
                *left -= 1;
                Ok(true)
            }
            None if self.decoder.datatype()? == Type::Break => {
                self.decoder.skip()?;
                Ok(false)
            }
            None => Ok(true),
        }
    }
}

const fn is_integer(found: Type) -> bool {
    use Type::{I8, I16, I32, I64, Int, U8, U16, U32, U64};
    matches!(found, U8 | U16 | U32 | U64 | I8 | I16 | I32 | I64 | Int)
}

fn unexpected(shape: &Shape, found: Type) -> Refusal {
    let found = match found {
        Type::Bool => "BOOLEAN_VALUE",
        Type::String | Type::StringIndef => "STRING_VALUE",
        Type::Bytes | Type::BytesIndef => "BYTES_VALUE",
        Type::Array | Type::ArrayIndef => "ARRAY_VALUE",
        Type::Map | Type::MapIndef => "MAP_VALUE",
        Type::Tag => "TAG_VALUE",
        _ => "NUMBER_VALUE",
    };
    Refusal::Unfit(mismatch(found, &shape.kind))
}

type Writer<'o> = Encoder<&'o mut Vec<u8>>;

/// Writes a structure; members that are not set are left out.
pub(super) fn encode(model: &Model, shape: &Shape, value: &Value) -> Result<Vec<u8>, EncodeError> {
    let mut body = Vec::new();
    write(model, shape, value, &mut Encoder::new(&mut body))?;
    Ok(body)
}

fn write(model: &Model, shape: &Shape, value: &Value, out: &mut Writer<'_>) -> Result<(), EncodeError> {
    let written = match (&shape.kind, value) {
        (_, Value::Null) => out.null(),
        (Kind::Structure(structure), Value::Map(members)) => {
            let set: Vec<_> = members.iter().filter(|(_, value)| !value.is_null()).collect();
            out.map(set.len() as u64).map_err(failed)?;
            for (name, value) in set {
                let member = structure.members.iter().find(|member| member.name == *name);
                let member = member.ok_or_else(|| EncodeError(format!("no member {name} in the model")))?;
                out.str(name).map_err(failed)?;
                write(model, model.shape(member.shape), value, out)?;
            }
            return Ok(());
        }
        (Kind::Map { value: of, .. }, Value::Map(entries)) => {
            out.map(entries.len() as u64).map_err(failed)?;
            for (key, value) in entries {
                out.str(key).map_err(failed)?;
                write(model, model.shape(of.shape), value, out)?;
            }
            return Ok(());
        }
        (Kind::List { member, .. }, Value::List(items)) => {
            out.array(items.len() as u64).map_err(failed)?;
            return items.iter().try_for_each(|item| write(model, model.shape(member.shape), item, out));
        }
        (Kind::String, Value::String(text)) => out.str(text),
        (Kind::Blob, Value::Blob(bytes)) => out.bytes(bytes),
        (Kind::Boolean, Value::Bool(flag)) => out.bool(*flag),
        (Kind::Integer | Kind::Long, Value::Int(number)) => out.i64(*number),
        (Kind::Float, Value::Float(number)) => out.f32(*number as f32),
        (Kind::Double, Value::Float(number)) => out.f64(*number),
        (Kind::Float | Kind::Double, Value::Int(number)) => out.f64(*number as f64),
        (Kind::Timestamp, value) => {
            let at = text::timestamp(value).ok_or_else(|| unfit(shape, value))?;
            out.tag(IanaTag::Timestamp.tag()).map_err(failed)?;
            if at.ms() % 1_000 == 0 { out.i64(at.ms() / 1_000) } else { out.f64(at.seconds()) }
        }
        (_, value) => return Err(unfit(shape, value)),
    };
    written.map(|_| ()).map_err(failed)
}

/// Memory takes whatever is written.
fn failed(error: minicbor::encode::Error<std::convert::Infallible>) -> EncodeError {
    EncodeError(error.to_string())
}

/// An error's members: they may be of any JSON.
pub(super) fn encode_error(
    code: &str,
    message: Option<(&str, &str)>,
    fields: &[(String, serde_json::Value)],
) -> Vec<u8> {
    let mut body = Vec::new();
    let mut out = Encoder::new(&mut body);
    let write = |out: &mut Writer<'_>| -> Result<(), EncodeError> {
        out.map(1 + u64::from(message.is_some()) + fields.len() as u64).map_err(failed)?;
        out.str("__type").and_then(|out| out.str(code)).map_err(failed)?;
        if let Some((key, text)) = message {
            out.str(key).and_then(|out| out.str(text)).map_err(failed)?;
        }
        for (name, value) in fields {
            out.str(name).map_err(failed)?;
            write_json(value, out)?;
        }
        Ok(())
    };
    if let Err(EncodeError(detail)) = write(&mut out) {
        tracing::error!(detail, "an error could not be written as CBOR");
    }
    body
}

fn write_json(value: &serde_json::Value, out: &mut Writer<'_>) -> Result<(), EncodeError> {
    use serde_json::Value as Json;
    let written = match value {
        Json::Null => out.null(),
        Json::Bool(flag) => out.bool(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(number) => out.i64(number),
            None => out.f64(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => out.str(text),
        Json::Array(items) => {
            out.array(items.len() as u64).map_err(failed)?;
            return items.iter().try_for_each(|item| write_json(item, out));
        }
        Json::Object(members) => {
            out.map(members.len() as u64).map_err(failed)?;
            return members.iter().try_for_each(|(name, value)| {
                out.str(name).map_err(failed)?;
                write_json(value, out)
            });
        }
    };
    written.map(|_| ()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::models;

    fn input(name: &str) -> (std::sync::Arc<Model>, crate::model::OperationId) {
        let model = models::cloudwatch();
        let id = model.operation_id(name).expect("an operation");
        (model, id)
    }

    fn read(name: &str, body: &[u8]) -> Result<Value, ErrorAnswer> {
        let (model, id) = input(name);
        decode(&model, model.input(id), body)
    }

    #[test]
    fn what_is_within_itself_without_end_is_refused() {
        // Unknown members are skipped at any depth.
        let mut skipped = vec![0xA1, 0x61, b'x'];
        skipped.extend(vec![0x81; 1 << 20]);
        skipped.push(0xF6);
        assert_eq!(read("PutMetricData", &skipped).expect("skipped"), Value::Map(Vec::new()));
        // Without what was promised.
        assert!(read("PutMetricData", &skipped[..skipped.len() - 1]).is_err());
    }

    #[test]
    fn a_length_that_is_only_claimed_sets_nothing_aside() {
        // MetricData: an array of 2^63 items.
        let mut body = vec![0xA1, 0x6A];
        body.extend(b"MetricData");
        body.extend([0x9B, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert!(read("PutMetricData", &body).is_err());
    }

    #[test]
    fn another_type_is_told_apart_from_no_cbor() {
        // {"Namespace": 1}
        let mut body = vec![0xA1, 0x69];
        body.extend(b"Namespace");
        body.push(0x01);
        let refused = read("PutMetricData", &body).expect_err("no text");
        assert_eq!(refused.message, "NUMBER_VALUE can not be converted to a String");
        assert_eq!(read("PutMetricData", &body[..4]).expect_err("cut short").message, "");
        body.push(0x00);
        assert!(read("PutMetricData", &body).is_err(), "something follows");
    }

    fn datum() -> impl Strategy<Value = Value> {
        let value = prop_oneof![any::<f64>().prop_filter("a number", |x| !x.is_nan()), Just(0.0), Just(1.5)];
        ("[a-zA-Z]{1,20}", proptest::collection::vec(value, 0..4), 0i64..4_000_000_000_000, 1i64..60).prop_map(
            |(name, values, at_ms, resolution)| {
                Value::Map(vec![
                    ("MetricName".to_owned(), Value::String(name)),
                    ("Values".to_owned(), Value::List(values.into_iter().map(Value::Float).collect())),
                    ("Timestamp".to_owned(), Value::Timestamp(Timestamp::from_ms(at_ms))),
                    ("StorageResolution".to_owned(), Value::Int(resolution)),
                ])
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(data in proptest::collection::vec(datum(), 0..5)) {
            let (model, id) = input("PutMetricData");
            let value = Value::Map(vec![
                ("Namespace".to_owned(), Value::String("App".to_owned())),
                ("MetricData".to_owned(), Value::List(data)),
                ("StrictEntityValidation".to_owned(), Value::Bool(true)),
            ]);
            let body = encode(&model, model.input(id), &value).expect("fits the model");
            prop_assert_eq!(decode(&model, model.input(id), &body).expect("reads"), value);
        }

        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read("GetMetricData", &body);
        }
    }
}
