//! A service's API as a table: operations, shapes, constraints and where each member travels.
//!
//! The tables are the pruned API models in `models/`, in the schema of the public models themselves. What never lives
//! here: documentation text, behaviour, anything that reads a request.

mod parse;

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::pattern::Pattern;
use crate::protocol::Protocol;
use crate::timestamp::TimestampFormat;

/// Why a table could not be used. All of these are defects of the table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    #[error("the model is not readable: {0}")]
    Unreadable(String),
    #[error("the model names the shape {0}, which it does not have")]
    NoShape(String),
    #[error("the model speaks {0}, which this crate does not serve yet")]
    Protocol(String),
}

/// One operation of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OperationId(u32);

impl OperationId {
    /// Position in the model's order.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One shape of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ShapeId(u32);

/// A parsed model.
#[derive(Debug)]
pub struct Model {
    protocol: Protocol,
    signing_name: String,
    api_version: String,
    target_prefix: Option<String>,
    xml_namespace: Option<String>,
    operations: Vec<Operation>,
    by_name: HashMap<String, OperationId>,
    shapes: Vec<Shape>,
    empty: ShapeId,
}

impl Model {
    /// Reads a table.
    ///
    /// # Errors
    /// [`ModelError`].
    pub fn parse(text: &str) -> Result<Self, ModelError> {
        parse::parse(text, None)
    }

    /// Reads a table of a service that also speaks another protocol than the one its table names.
    ///
    /// # Errors
    /// [`ModelError`].
    pub fn parse_in(text: &str, protocol: Protocol) -> Result<Self, ModelError> {
        parse::parse(text, Some(protocol))
    }

    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The service's name in credential scopes and action names: `lambda`.
    #[must_use]
    pub fn signing_name(&self) -> &str {
        &self.signing_name
    }

    /// `2015-03-31`; the `Version` of query requests.
    #[must_use]
    pub fn api_version(&self) -> &str {
        &self.api_version
    }

    /// What stands before the dot of `X-Amz-Target`.
    #[must_use]
    pub fn target_prefix(&self) -> Option<&str> {
        self.target_prefix.as_deref()
    }

    /// The namespace of XML answers.
    #[must_use]
    pub fn xml_namespace(&self) -> Option<&str> {
        self.xml_namespace.as_deref()
    }

    /// All operations, in the model's order.
    pub fn operations(&self) -> impl Iterator<Item = (OperationId, &Operation)> {
        (0u32..).map(OperationId).zip(&self.operations)
    }

    #[must_use]
    pub fn operation(&self, id: OperationId) -> &Operation {
        &self.operations[id.index()]
    }

    #[must_use]
    pub fn operation_id(&self, name: &str) -> Option<OperationId> {
        self.by_name.get(name).copied()
    }

    #[must_use]
    pub fn shape(&self, id: ShapeId) -> &Shape {
        &self.shapes[id.0 as usize]
    }

    /// Every shape, for tests that walk a model.
    pub fn shapes(&self) -> impl Iterator<Item = &Shape> {
        self.shapes.iter()
    }

    /// The input structure; an empty one when the operation has none.
    #[must_use]
    pub fn input(&self, id: OperationId) -> &Shape {
        self.shape(self.operation(id).input.unwrap_or(self.empty))
    }

    /// The output structure; an empty one when the operation has none.
    #[must_use]
    pub fn output(&self, id: OperationId) -> &Shape {
        self.shape(self.operation(id).output.unwrap_or(self.empty))
    }
}

/// An operation's name, binding and shapes.
#[derive(Debug)]
pub struct Operation {
    name: String,
    method: http::Method,
    uri: String,
    status: http::StatusCode,
    input: Option<ShapeId>,
    output: Option<ShapeId>,
    result_wrapper: Option<String>,
    needs_credentials: bool,
    takes_compressed: bool,
}

impl Operation {
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub const fn method(&self) -> &http::Method {
        &self.method
    }

    /// The path template: `/2015-03-31/functions/{FunctionName}`, with constant query parameters if any.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Status of a successful answer.
    #[must_use]
    pub const fn status(&self) -> http::StatusCode {
        self.status
    }

    /// Not so for operations that bring a proof of their own, such as an identity provider's token.
    #[must_use]
    pub const fn needs_credentials(&self) -> bool {
        self.needs_credentials
    }

    /// Clients may compress its body: `Content-Encoding: gzip`.
    #[must_use]
    pub const fn takes_compressed(&self) -> bool {
        self.takes_compressed
    }

    #[must_use]
    pub const fn has_input(&self) -> bool {
        self.input.is_some()
    }

    #[must_use]
    pub const fn has_output(&self) -> bool {
        self.output.is_some()
    }

    /// The element around the result in query answers.
    #[must_use]
    pub fn result_wrapper(&self) -> Option<&str> {
        self.result_wrapper.as_deref()
    }
}

/// A type of the model with its constraints.
#[derive(Debug)]
pub struct Shape {
    pub name: String,
    pub kind: Kind,
    /// Smallest and largest length or value.
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub pattern: Option<LazyPattern>,
    /// Allowed values, in the order AWS lists them in error texts.
    pub enumeration: Vec<String>,
    /// Values never show up in error texts.
    pub sensitive: bool,
    /// A list or map whose entries may be null.
    pub sparse: bool,
    pub timestamp_format: Option<TimestampFormat>,
}

/// What a shape is.
#[derive(Debug)]
pub enum Kind {
    Structure(Structure),
    List {
        member: Reference,
        flattened: bool,
    },
    Map {
        key: Reference,
        value: Reference,
        flattened: bool,
    },
    String,
    Integer,
    Long,
    Float,
    Double,
    Boolean,
    Blob,
    Timestamp,
    /// Any JSON value.
    Document,
}

#[derive(Debug, Default)]
pub struct Structure {
    pub members: Vec<Member>,
    /// Index of the member that is the whole body.
    pub payload: Option<usize>,
}

/// The element or key or value of a collection.
#[derive(Debug)]
pub struct Reference {
    pub shape: ShapeId,
    pub location_name: Option<String>,
    pub xml_namespace: Option<XmlNamespace>,
}

#[derive(Clone, Debug)]
pub struct XmlNamespace {
    pub prefix: Option<String>,
    pub uri: String,
}

/// A member of a structure.
#[derive(Debug)]
pub struct Member {
    pub name: String,
    pub shape: ShapeId,
    pub required: bool,
    pub location: Location,
    /// Its name on the wire: `locationName`, else the member's name.
    pub wire_name: String,
    /// A string that holds JSON; base64 in a header.
    pub json_value: bool,
    pub timestamp_format: Option<TimestampFormat>,
    pub flattened: bool,
    pub xml_attribute: bool,
    pub xml_namespace: Option<XmlNamespace>,
}

/// Where a member travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    Body,
    Uri,
    Query,
    Header,
    /// A map of headers that start with `wire_name`.
    Headers,
    StatusCode,
}

/// A pattern that is compiled when it is first needed.
#[derive(Debug)]
pub struct LazyPattern {
    /// As the model writes it, and as error texts show it.
    pub text: String,
    compiled: OnceLock<Option<Pattern>>,
}

impl LazyPattern {
    fn new(text: String) -> Self {
        Self { text, compiled: OnceLock::new() }
    }

    /// Whether the whole text matches. A pattern that cannot be compiled matches nothing; a test compiles them all.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.compiled().is_some_and(|pattern| pattern.matches(text))
    }

    pub(crate) fn compiled(&self) -> Option<&Pattern> {
        let compile = || {
            Pattern::compile(&self.text)
                .map_err(
                    |error| tracing::error!(pattern = self.text, %error, "a pattern of the model does not compile"),
                )
                .ok()
        };
        self.compiled.get_or_init(compile).as_ref()
    }
}
