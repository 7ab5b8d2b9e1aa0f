//! AWS protocols on the serving side: detect service and operation, verify the signature, decode, validate, dispatch,
//! encode. Driven by tables made from the public API models.
//!
//! What never lives here: knowledge of any one service, storage, sockets (the caller owns the connection and hands in
//! one request at a time).
//!
//! Read [`front`] first: it is the path of a request from top to bottom.

pub mod body;
pub mod error;
pub mod event_stream;
pub mod front;
pub mod limits;
pub mod model;
pub mod models;
pub mod pattern;
pub mod protocol;
pub mod router;
pub mod service;
pub mod sigv4;
pub mod timestamp;
pub mod validate;
pub mod value;

pub use body::{Body, BodyError};
pub use error::{ErrorAnswer, Fault, MessageKey, QueryForm, told};
pub use event_stream::{EventSender, EventStream};
pub use front::{Connection, Front, FrontConfig, FrontError, Listener};
pub use model::{Model, ModelError};
pub use service::{RawRequest, Service, ServiceBuilder, service};
pub use timestamp::{Timestamp, TimestampFormat};
pub use value::Value;
