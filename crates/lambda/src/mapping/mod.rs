//! Event source mappings: their records and API. What polls for them is behind `ports::EventPollers`.
//!
//! ```text
//! op/*_event_source_mapping ── requested (what is asked for), source (is the queue fit?) ──> registry (commit, then show)
//!                                                                                               │ not settled
//!      pollers: poll, stop  <───────────────────────────────────────────────────────────── settle ┘
//! ```
//!
//! A mapping knows its function by name, as on the real service: it stays when the function is deleted, and goes on with
//! the next function of that name.

mod record;
mod registry;
mod requested;
mod shape;
mod source;

pub(crate) use record::{MappingRecord, Phase};
pub(crate) use registry::ByUuid;
pub use registry::Mappings;
pub(crate) use requested::Requested;
pub(crate) use shape::{MappingConfiguration, mapping_arn};
pub(crate) use source::{Source, check_queue, check_timeout, is_fifo, no_function};
