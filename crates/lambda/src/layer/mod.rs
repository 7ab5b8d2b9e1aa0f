//! Layers: packages that functions share, in numbered versions.
//!
//! ```text
//! op/* ──> name (which layer), compatible (what it is for) ──> registry (commit, then show)
//! CreateFunction, UpdateFunctionConfiguration ──> attach (may the function have it? all sizes together?)
//! ```
//!
//! A function keeps what it was given: a version that is deleted goes on working where it is used, because the function's
//! record names its package, too. What never lives here: how layers get into an environment.

mod attach;
mod compatible;
mod name;
mod policy;
mod record;
mod registry;
mod shape;

pub(crate) use attach::{check_size, conditions};
pub(crate) use compatible::Compatible;
pub(crate) use name::{LayerTarget, layer_arn};
pub(crate) use record::{LayerRef, LayerVersionRecord};
pub use registry::Layers;
pub(crate) use registry::{Layer, LayerChange, LayerVersion};
pub(crate) use shape::{LayerDetails, LayerVersionAnswer};
