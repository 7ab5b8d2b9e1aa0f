//! Container images: what a reference means, what a manifest says, and how blobs come from an OCI layout on disk or from
//! a registry. What lives here: reading and checking, and writing layouts. Unpacking is the sandbox crate's, in a process of its own; which
//! function runs which image is the Lambda API's.
//!
//! ```text
//! ImageUri ─▶ reference ─▶ layout    ─┐
//!                     └──▶ registry  ─┴▶ manifest (pure) ─▶ digest, config, layers ─▶ verified blobs
//! ```
//!
//! Registries and layouts are strangers: every body has a limit, and nothing is used whose digest is not the one asked
//! for. Sources: OCI image and distribution specifications 1.1, Docker registry token authentication.

mod challenge;
mod credentials;
mod images;
mod layout;
pub mod limits;
mod manifest;
mod reference;
mod registry;
mod writer;

pub use credentials::{Credentials, CredentialsError};
pub use images::{Config, Progress, RegistryImages};
pub use writer::{LayoutWriter, sha256};

/// Whether a text names an image, wherever it may be.
#[must_use]
pub fn is_reference(text: &str) -> bool {
    reference::Reference::parse(text).is_some()
}
