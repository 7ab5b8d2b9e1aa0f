//! The small tree between the protocols and the handlers' structs.
//!
//! Protocols decode requests into it, guided by the model, and encode it again; [`from_value`] and [`to_value`] are
//! its two serde sides. It holds no names of shapes: what a value means is the model's business.

mod de;
mod ser;

use bytes::Bytes;

pub use de::from_value;
pub use ser::to_value;

use crate::timestamp::Timestamp;

/// One decoded value.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    String(String),
    Blob(Bytes),
    Timestamp(Timestamp),
    List(Vec<Value>),
    /// Structures (model member names) and maps, in the order they came.
    Map(Vec<(String, Value)>),
}

impl Value {
    /// A member that is set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Map(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// A value and a Rust type do not fit each other: a defect of the program, never of the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(pub(crate) String);

impl serde::de::Error for ValueError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl serde::ser::Error for ValueError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Mode {
        Active,
        PassThrough,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Inner {
        #[serde(default)]
        tags: BTreeMap<String, String>,
        mode: Mode,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Outer {
        name: String,
        count: Option<u32>,
        weight: Option<f64>,
        zip: Option<Bytes>,
        at: Option<Timestamp>,
        list: Vec<Inner>,
        unset: Option<String>,
    }

    fn outer() -> (Outer, Value) {
        let typed = Outer {
            name: "f".to_owned(),
            count: Some(3),
            weight: Some(1.0),
            zip: Some(Bytes::from_static(b"PK")),
            at: Some(Timestamp::from_ms(1_500)),
            list: vec![Inner { tags: BTreeMap::from([("a".to_owned(), "b".to_owned())]), mode: Mode::PassThrough }],
            unset: None,
        };
        let inner = Value::Map(vec![
            ("Tags".to_owned(), Value::Map(vec![("a".to_owned(), Value::String("b".to_owned()))])),
            ("Mode".to_owned(), Value::String("PassThrough".to_owned())),
        ]);
        let value = Value::Map(vec![
            ("Name".to_owned(), Value::String("f".to_owned())),
            ("Count".to_owned(), Value::Int(3)),
            ("Weight".to_owned(), Value::Float(1.0)),
            ("Zip".to_owned(), Value::Blob(Bytes::from_static(b"PK"))),
            ("At".to_owned(), Value::Timestamp(Timestamp::from_ms(1_500))),
            ("List".to_owned(), Value::List(vec![inner])),
            ("Unset".to_owned(), Value::Null),
        ]);
        (typed, value)
    }

    #[test]
    fn structs_go_both_ways_with_blobs_and_timestamps() {
        let (typed, value) = outer();
        assert_eq!(to_value(&typed).expect("serialises"), value);
        assert_eq!(from_value::<Outer>(value).expect("deserialises"), typed);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        assert!(from_value::<Outer>(Value::Map(Vec::new())).is_err());
        assert!(from_value::<Vec<u8>>(Value::List(vec![Value::Int(300)])).is_err());
        assert!(to_value(&u64::MAX).is_err());
    }

    #[test]
    fn nothing_reads_as_unit() {
        from_value::<()>(Value::Map(Vec::new())).expect("an operation without input");
    }
}
