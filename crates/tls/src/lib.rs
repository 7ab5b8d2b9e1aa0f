//! HTTPS for a server that no public authority vouches for: an authority of its own, and certificates on demand.
//!
//! ```text
//! client hello (name) ──▶ names: do we answer by that? ──▶ certificates (cached) ──▶ authority signs a new one
//! ```
//!
//! Beside it, a key that signs messages (`messages.rs`).
//!
//! What never lives here: sockets, HTTP, what is served.

mod authority;
mod certificates;
mod messages;
mod names;

pub use authority::{Authority, AuthorityError};
pub use certificates::Certificates;
pub use messages::MessageSigner;
pub use names::Names;
