//! Queues that live elsewhere, behind an endpoint that speaks the API of SQS: AWS itself, another Hearth, or another
//! implementation. Event source mappings, dead letters and topics reach them by the same ports as the queues here.
//!
//! ```text
//! events, delivery, sns ─▶ Queues ─┬─ an ARN that [[remote_queues]] names ─▶ may they? ─▶ awsJson 1.0, signed ─▶ endpoint
//!                                  └─ any other ─▶ the queues here
//! ```
//! Who calls is asked about here, by the policies here; the endpoint sees the server's own credentials and decides about
//! those by itself. What it answers becomes a [`QueueError`](hearth_ports::QueueError) in one place (`answer.rs`).
//!
//! What never lives here: queues, messages that wait, pollers.

mod answer;
mod client;
mod limits;
mod port;
mod queues;
mod remote;
mod shape;

pub use client::Http;
pub use queues::Queues;
pub use remote::{Remote, RemoteError};

#[cfg(test)]
mod tests;
