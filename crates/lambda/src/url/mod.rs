//! Function URLs: their configuration, and the HTTP requests that reach functions through them.
//!
//! ```text
//! op/*_function_url_config ──> config (record, cors) ──> the function's record ──> catalog (by url id)
//!                                                                                        │
//! request ──> address ──> serve: cors ─ who? ─ may it? ─> event ──> Invoker ──> answer ──┘
//!             (which URL)                                 (pure)                (pure)
//! ```
//!
//! What never lives here: sockets and signatures (the server's), running a function (`hearth-invoke`).

mod address;
mod answer;
pub(crate) mod config;
mod cors;
mod event;
mod serve;
mod stream;

pub use address::{Address, UrlDomain, id_of_name};
pub use serve::serve;
