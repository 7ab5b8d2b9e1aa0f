//! Event source mappings at work: messages of queues become events of functions.
//!
//! ```text
//! pollers ──one per mapping──> poller: room? (scaling) ─▶ receive ─▶ filter ─▶ gather (batch) ─┐
//!                                                                                             ▼
//!      queue: delete or leave  ◀── outcome ◀── the function's answer ◀── invoke ◀── work (event)
//! ```
//!
//! `scaling`, `batch`, `filter`, `event` and `outcome` are pure. What never lives here: the mappings' records and their API
//! (`hearth-lambda`), and any queue: all goes through the ports.

mod batch;
mod counts;
mod event;
mod filter;
mod limits;
mod outcome;
mod poller;
mod pollers;
mod role;
mod scaling;
mod trace;
mod work;

pub use pollers::{Pollers, PollersParts};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
