//! From the JSON of a table to a [`Model`].

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;

use http::StatusCode;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::{
    Kind, LazyPattern, Location, Member, Model, ModelError, Operation, OperationId, Reference, Shape, ShapeId,
    Structure, XmlNamespace,
};
use crate::protocol::Protocol;
use crate::timestamp::TimestampFormat;

/// An object with its members in the order of the text: the order of members is the order of error texts.
struct Ordered<T>(Vec<(String, T)>);

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Ordered<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

#[derive(Deserialize)]
struct RawModel {
    metadata: RawMetadata,
    operations: Ordered<RawOperation>,
    shapes: Ordered<RawShape>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawMetadata {
    protocol: String,
    json_version: Option<String>,
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    endpoint_prefix: String,
    signing_name: Option<String>,
    target_prefix: Option<String>,
    xml_namespace: Option<String>,
}

#[derive(Deserialize)]
struct RawOperation {
    http: RawHttp,
    input: Option<RawTop>,
    output: Option<RawTop>,
    authtype: Option<String>,
    requestcompression: Option<RawCompression>,
}

#[derive(Deserialize)]
struct RawCompression {
    encodings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawHttp {
    method: String,
    request_uri: String,
    response_code: Option<u16>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawTop {
    shape: String,
    result_wrapper: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawShape {
    #[serde(rename = "type")]
    kind: String,
    members: Ordered<RawMember>,
    required: Vec<String>,
    payload: Option<String>,
    member: Option<RawMember>,
    key: Option<RawMember>,
    value: Option<RawMember>,
    min: Option<f64>,
    max: Option<f64>,
    pattern: Option<String>,
    #[serde(rename = "enum")]
    enumeration: Vec<String>,
    flattened: bool,
    sensitive: bool,
    sparse: bool,
    document: bool,
    timestamp_format: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawMember {
    shape: String,
    location: Option<String>,
    location_name: Option<String>,
    jsonvalue: bool,
    flattened: bool,
    timestamp_format: Option<String>,
    xml_attribute: bool,
    xml_namespace: Option<RawNamespace>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawNamespace {
    Uri(String),
    Full {
        #[serde(default)]
        prefix: Option<String>,
        uri: String,
    },
}

pub(super) fn parse(text: &str, protocol: Option<Protocol>) -> Result<Model, ModelError> {
    let raw: RawModel = serde_json::from_str(text).map_err(|error| ModelError::Unreadable(error.to_string()))?;
    let protocol = protocol
        .or_else(|| Protocol::of_model(&raw.metadata.protocol, raw.metadata.json_version.as_deref()))
        .ok_or_else(|| ModelError::Protocol(raw.metadata.protocol.clone()))?;

    let ids: Ids = (0u32..).map(ShapeId).zip(&raw.shapes.0).map(|(id, (name, _))| (name.clone(), id)).collect();
    let empty = ShapeId(raw.shapes.0.len() as u32);
    let mut shapes =
        raw.shapes.0.into_iter().map(|(name, raw)| shape(name, raw, &ids)).collect::<Result<Vec<_>, _>>()?;
    shapes.push(Shape::of("Empty".to_owned(), Kind::Structure(Structure::default())));

    let operations =
        raw.operations.0.into_iter().map(|(name, raw)| operation(name, raw, &ids)).collect::<Result<Vec<_>, _>>()?;
    let by_name =
        (0u32..).map(OperationId).zip(&operations).map(|(id, operation)| (operation.name.clone(), id)).collect();
    let metadata = raw.metadata;
    Ok(Model {
        protocol,
        signing_name: metadata.signing_name.unwrap_or(metadata.endpoint_prefix),
        api_version: metadata.api_version,
        target_prefix: metadata.target_prefix,
        xml_namespace: metadata.xml_namespace,
        operations,
        by_name,
        shapes,
        empty,
    })
}

type Ids = HashMap<String, ShapeId>;

fn find(ids: &Ids, name: &str) -> Result<ShapeId, ModelError> {
    ids.get(name).copied().ok_or_else(|| ModelError::NoShape(name.to_owned()))
}

fn operation(name: String, raw: RawOperation, ids: &Ids) -> Result<Operation, ModelError> {
    let unreadable = |what: &str| ModelError::Unreadable(format!("{what} of operation {name}"));
    Ok(Operation {
        method: raw.http.method.parse().map_err(|_| unreadable("method"))?,
        uri: raw.http.request_uri,
        status: match raw.http.response_code {
            Some(code) => StatusCode::from_u16(code).map_err(|_| unreadable("status"))?,
            None => StatusCode::OK,
        },
        input: raw.input.map(|top| find(ids, &top.shape)).transpose()?,
        result_wrapper: raw.output.as_ref().and_then(|top| top.result_wrapper.clone()),
        output: raw.output.map(|top| find(ids, &top.shape)).transpose()?,
        needs_credentials: raw.authtype.as_deref() != Some("none"),
        takes_compressed: raw.requestcompression.is_some_and(|raw| raw.encodings.iter().any(|name| name == "gzip")),
        name,
    })
}

impl Shape {
    fn of(name: String, kind: Kind) -> Self {
        Self {
            name,
            kind,
            min: None,
            max: None,
            pattern: None,
            enumeration: Vec::new(),
            sensitive: false,
            sparse: false,
            timestamp_format: None,
        }
    }
}

fn shape(name: String, raw: RawShape, ids: &Ids) -> Result<Shape, ModelError> {
    let missing = |what: &str| ModelError::Unreadable(format!("{what} of shape {name}"));
    let kind = match raw.kind.as_str() {
        "structure" if raw.document => Kind::Document,
        "structure" => {
            let payload =
                raw.payload.as_ref().and_then(|payload| raw.members.0.iter().position(|(name, _)| name == payload));
            let required = |name: &String| raw.required.contains(name);
            let members = raw
                .members
                .0
                .into_iter()
                .map(|(name, raw)| member(required(&name), name, raw, ids))
                .collect::<Result<_, _>>()?;
            Kind::Structure(Structure { members, payload })
        }
        "list" => Kind::List {
            member: reference(raw.member.ok_or_else(|| missing("member"))?, ids)?,
            flattened: raw.flattened,
        },
        "map" => Kind::Map {
            key: reference(raw.key.ok_or_else(|| missing("key"))?, ids)?,
            value: reference(raw.value.ok_or_else(|| missing("value"))?, ids)?,
            flattened: raw.flattened,
        },
        "string" | "character" => Kind::String,
        "integer" | "short" | "byte" => Kind::Integer,
        "long" | "bigInteger" => Kind::Long,
        "float" => Kind::Float,
        "double" | "bigDecimal" => Kind::Double,
        "boolean" => Kind::Boolean,
        "blob" => Kind::Blob,
        "timestamp" => Kind::Timestamp,
        other => return Err(ModelError::Unreadable(format!("type {other} of shape {name}"))),
    };
    Ok(Shape {
        min: raw.min,
        max: raw.max,
        pattern: raw.pattern.map(LazyPattern::new),
        enumeration: as_aws_lists(raw.enumeration),
        sensitive: raw.sensitive,
        sparse: raw.sparse,
        timestamp_format: timestamp_format(raw.timestamp_format.as_deref()),
        ..Shape::of(name, kind)
    })
}

/// The order in which AWS lists the values of an enumeration in error texts.
///
/// Every recorded text (19 lists of seven services) has the values sorted by the low five bits of their Java string
/// hash, and those with equal bits in reverse order of the model: a hash table of 32 chains, newest first.
fn as_aws_lists(mut values: Vec<String>) -> Vec<String> {
    values.reverse();
    values.sort_by_key(|value| java_hash(value) & 31);
    values
}

/// `String.hashCode`. Source: Java platform API.
fn java_hash(text: &str) -> u32 {
    text.encode_utf16().fold(0, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()))
}

fn member(required: bool, name: String, raw: RawMember, ids: &Ids) -> Result<Member, ModelError> {
    let location = match raw.location.as_deref() {
        None => Location::Body,
        Some("uri") => Location::Uri,
        Some("querystring") => Location::Query,
        Some("header") => Location::Header,
        Some("headers") => Location::Headers,
        Some("statusCode") => Location::StatusCode,
        Some(other) => return Err(ModelError::Unreadable(format!("location {other} of member {name}"))),
    };
    Ok(Member {
        shape: find(ids, &raw.shape)?,
        required,
        location,
        wire_name: raw.location_name.unwrap_or_else(|| name.clone()),
        json_value: raw.jsonvalue,
        timestamp_format: timestamp_format(raw.timestamp_format.as_deref()),
        flattened: raw.flattened,
        xml_attribute: raw.xml_attribute,
        xml_namespace: raw.xml_namespace.map(namespace),
        name,
    })
}

fn reference(raw: RawMember, ids: &Ids) -> Result<Reference, ModelError> {
    Ok(Reference {
        shape: find(ids, &raw.shape)?,
        location_name: raw.location_name,
        xml_namespace: raw.xml_namespace.map(namespace),
    })
}

fn namespace(raw: RawNamespace) -> XmlNamespace {
    match raw {
        RawNamespace::Uri(uri) => XmlNamespace { prefix: None, uri },
        RawNamespace::Full { prefix, uri } => XmlNamespace { prefix, uri },
    }
}

fn timestamp_format(name: Option<&str>) -> Option<TimestampFormat> {
    match name? {
        "unixTimestamp" => Some(TimestampFormat::EpochSeconds),
        "iso8601" => Some(TimestampFormat::DateTime),
        "rfc822" => Some(TimestampFormat::HttpDate),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Recorded from the real services.
    #[test]
    fn enumerations_are_listed_as_aws_lists_them() {
        for (model, recorded) in [
            ("TRIM_HORIZON LATEST AT_TIMESTAMP", "LATEST AT_TIMESTAMP TRIM_HORIZON"),
            ("Allow Terminate", "Terminate Allow"),
            ("BUFFERED RESPONSE_STREAM", "RESPONSE_STREAM BUFFERED"),
            ("x86_64 arm64", "x86_64 arm64"),
            ("PublishedVersions None", "PublishedVersions None"),
            ("POST GET HEAD OPTIONS PUT PATCH DELETE", "HEAD POST PATCH DELETE PUT GET OPTIONS"),
            (
                "RUNNING SUCCEEDED FAILED TIMED_OUT ABORTED PENDING_REDRIVE",
                "SUCCEEDED TIMED_OUT PENDING_REDRIVE ABORTED FAILED RUNNING",
            ),
            ("json plain w3c raw parquet", "w3c raw json plain parquet"),
        ] {
            let listed = as_aws_lists(model.split(' ').map(str::to_owned).collect());
            assert_eq!(listed.join(" "), recorded);
        }
    }

    // Source: STS API reference: no credentials are needed to call these two.
    #[test]
    fn operations_that_need_no_credentials_are_told_apart() {
        let model = crate::models::sts();
        let open: Vec<_> = model
            .operations()
            .filter(|(_, operation)| !operation.needs_credentials())
            .map(|(_, operation)| operation.name())
            .collect();
        assert_eq!(open, ["AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"]);
    }

    #[test]
    fn a_protocol_that_is_not_served_is_refused() {
        let text = r#"{"metadata":{"protocol":"rest-xml"},"operations":{},"shapes":{}}"#;
        assert_eq!(Model::parse(text).err(), Some(ModelError::Protocol("rest-xml".to_owned())));
    }

    #[test]
    fn a_dangling_shape_is_refused() {
        let text = r#"{"metadata":{"protocol":"query"},"operations":{},
            "shapes":{"A":{"type":"list","member":{"shape":"B"}}}}"#;
        assert_eq!(Model::parse(text).err(), Some(ModelError::NoShape("B".to_owned())));
    }
}
