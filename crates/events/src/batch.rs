//! A batch in the making. Pure.

use bytes::Bytes;
use hearth_ports::ReceivedMessage;
use hearth_types::Arn;
use hearth_types::limits::INVOKE_REQUEST_BYTES_MAX;

use crate::event::{COMMA, HEAD, Record, TAIL};

/// A message that was received and is for the function.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) message: ReceivedMessage,
    /// Its part of the event.
    record: String,
    /// Wall clock: nobody else gets it before.
    pub(crate) visible_at_ms: i64,
}

impl Taken {
    pub(crate) fn new(message: ReceivedMessage, queue: &Arn, visible_at_ms: i64) -> Self {
        // A map of texts: there is nothing in it that JSON cannot say.
        let record = serde_json::to_string(&Record::new(&message, queue)).unwrap_or_default();
        Self { message, record, visible_at_ms }
    }

    pub(crate) fn handle(&self) -> String {
        self.message.receipt_handle.clone()
    }
}

/// Closes at its number of messages, or where another would make the event too large for an invocation.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) messages: Vec<Taken>,
    record_bytes: usize,
}

impl Batch {
    /// # Errors
    /// It does not fit. One alone always does: an invocation says if it is too large.
    pub(crate) fn push(&mut self, taken: Taken, size_max: u32) -> Result<(), Box<Taken>> {
        let bytes = self.record_bytes + taken.record.len() + COMMA.len();
        let is_full = self.room(size_max) == 0 || HEAD.len() + bytes + TAIL.len() > INVOKE_REQUEST_BYTES_MAX;
        if is_full && !self.messages.is_empty() {
            return Err(Box::new(taken));
        }
        self.record_bytes = bytes;
        self.messages.push(taken);
        Ok(())
    }

    /// How many more messages it may hold.
    pub(crate) fn room(&self, size_max: u32) -> u32 {
        size_max.saturating_sub(u32::try_from(self.messages.len()).unwrap_or(u32::MAX))
    }

    /// When the first of its messages is visible again.
    pub(crate) fn visible_at_ms(&self) -> i64 {
        self.messages.iter().map(|taken| taken.visible_at_ms).min().unwrap_or(i64::MAX)
    }

    /// The event.
    pub(crate) fn payload(&self) -> Bytes {
        let mut event = String::with_capacity(HEAD.len() + self.record_bytes + TAIL.len());
        event.push_str(HEAD);
        for (at, taken) in self.messages.iter().enumerate() {
            if at > 0 {
                event.push_str(COMMA);
            }
            event.push_str(&taken.record);
        }
        event.push_str(TAIL);
        event.into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::testing::{message, queue};

    fn taken(id: &str, body: &str) -> Taken {
        Taken::new(message(id, body), &queue("q"), 0)
    }

    #[test]
    fn it_holds_as_many_messages_as_it_may() {
        let mut batch = Batch::default();
        for id in ["a", "b"] {
            batch.push(taken(id, "x"), 2).expect("room");
        }
        assert_eq!(batch.room(2), 0);
        assert_eq!(batch.push(taken("c", "x"), 2).expect_err("full").message.message_id, "c");
        let event: Value = serde_json::from_slice(&batch.payload()).expect("JSON");
        let ids: Vec<_> = event["Records"].as_array().expect("records").iter().map(|one| &one["messageId"]).collect();
        assert_eq!(ids, ["a", "b"]);
    }

    #[test]
    fn its_event_is_never_larger_than_an_invocation_takes() {
        // Each quote takes two bytes in the event.
        let body = "\"".repeat(200_000);
        let mut batch = Batch::default();
        while batch.push(taken("m", &body), 10_000).is_ok() {}
        let bytes = batch.payload().len();
        assert!(bytes <= INVOKE_REQUEST_BYTES_MAX && bytes + 401_000 > INVOKE_REQUEST_BYTES_MAX, "{bytes}");
        assert!(batch.messages.len() > 10);
    }

    #[test]
    fn one_message_alone_is_never_left_out() {
        let mut batch = Batch::default();
        batch.push(taken("m", &"\u{1}".repeat(1_048_576)), 10).expect("alone");
        assert!(batch.payload().len() > INVOKE_REQUEST_BYTES_MAX);
        assert!(batch.push(taken("n", "x"), 10).is_err());
    }
}
