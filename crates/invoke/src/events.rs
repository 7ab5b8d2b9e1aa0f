//! Asynchronous invocations: a lane of deliveries whose target is the pipeline. They are retried as documented, and who is
//! to be told of their end is told by deliveries that follow from them.
//!
//! | file | what |
//! |---|---|
//! | `event` | what is accepted |
//! | `attempt` | one attempt, and what becomes of the event |
//! | `after` | when an event is tried again, and when not any more (pure) |
//! | `end` | how an event ended, and what is told of that (pure) |
//! | `destination` | who is told: dead-letter queue, destinations |

mod after;
mod attempt;
mod destination;
mod end;
mod event;

pub(crate) use self::event::{Event, LANE};

#[cfg(test)]
mod tests;
