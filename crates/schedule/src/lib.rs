//! When something is due: AWS's schedule expressions, read and evaluated. Pure.
//!
//! - [`Expression`]: `rate(5 minutes)`, `cron(0 12 * * ? *)`, `at(2026-03-29T02:30:00)`.
//! - [`Zone`]: a time zone by its IANA name. The database of zones is part of the program, so that an answer does not hang
//!   on what the machine has.
//! - [`Schedule`]: an expression in a zone, from and up to some moment: [`Schedule::next_after`].
//!
//! Instants are milliseconds since the Unix epoch. What never lives here: a clock, or who is told when something is due.

mod cron;
mod expression;
mod schedule;
mod set;
mod zone;

pub use cron::Cron;
pub use expression::{Expression, Invalid, Unit};
pub use schedule::Schedule;
pub use zone::Zone;

#[cfg(test)]
mod tests;
