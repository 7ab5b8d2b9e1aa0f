//! The Lambda API: the control plane of functions, and the HTTP side of Invoke.
//!
//! ```text
//! op/*  ──> settings, name, update (decide) ──> functions (commit, then show) ──> catalog (memory)
//!  │                                               │
//!  └── package (zip in, collected when unnamed)    └── worker: Pending → Active, InProgress → Successful
//! ```
//!
//! What never lives here: running a function (`hearth-invoke`), AWS protocols (`hearth-wire`), storage engines.

mod alias;
mod catalog;
pub mod code_location;
mod durable;
mod error;
mod event_invoke;
mod functions;
mod image;
mod lambda;
mod layer;
mod lifecycle;
mod mapping;
mod name;
mod op;
mod package;
mod page;
mod permission;
mod provisioned;
mod pulls;
mod record;
mod runtime_management;
mod sending;
mod settings;
mod shape;
mod source;
mod tags;
mod unpacked;
mod update;
pub mod url;
mod view;
mod worker;

pub use catalog::Catalog;
pub use error::LambdaError;
pub use lambda::{Lambda, LambdaParts};
pub use layer::Layers;
pub use mapping::Mappings;
pub use op::service;
pub use runtime_management::RuntimeVersions;
pub use settings::{Readiness, Runnable, is_offered};
pub use unpacked::unpack_missing;
