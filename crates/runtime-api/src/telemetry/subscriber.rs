//! One extension's subscription: what waits for it, handed to its delivery task batch by batch.

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::telemetry::buffer::{Buffer, Dropped};
use crate::telemetry::event::{Category, LogsDropped, Record, TelemetryEvent};
use crate::telemetry::subscription::{Api, Destination, Request, Schema};
use crate::telemetry::{Outlets, legacy};

/// The documented reason in `platform.logsDropped`.
const FALLEN_BEHIND: &str = "Consumer seems to have fallen behind as it has not acknowledged receipt of logs.";

pub(super) struct Subscriber {
    /// Of the extension.
    pub(super) name: String,
    pub(super) api: Api,
    queue: Mutex<Queue>,
    /// A batch may be due earlier than before.
    due: Notify,
    /// A batch has been dealt with.
    sent: Notify,
}

struct Queue {
    request: Request,
    buffer: Buffer,
    /// What is on its way, and what it says was dropped before; counts as dropped when it does not arrive.
    sending: Option<Dropped>,
}

impl Subscriber {
    pub(super) fn new(name: &str, api: Api, request: Request) -> Self {
        let buffer = Buffer::new(request.buffering);
        let queue = Queue { request, buffer, sending: None };
        Self { name: name.to_owned(), api, queue: Mutex::new(queue), due: Notify::new(), sent: Notify::new() }
    }

    /// Takes over the settings of another request.
    pub(super) fn change(&self, request: Request) {
        let mut queue = self.queue.lock();
        queue.buffer.set_limits(request.buffering);
        queue.request = request;
        self.due.notify_one();
    }

    /// Queues the event if it is of a type that was asked for. `json` is its form in the Telemetry API.
    pub(super) fn offer(&self, event: &TelemetryEvent, json: &Bytes) {
        let mut queue = self.queue.lock();
        if !queue.request.wants(event.record.category()) {
            return;
        }
        let before = queue.buffer.due_at();
        let now = Instant::now();
        match queue.request.schema {
            Schema::Telemetry if matches!(event.record, Record::LogsSubscription(_)) => {}
            Schema::Telemetry => queue.buffer.push(json.clone(), now),
            Schema::Logs(schema) => {
                legacy::messages(event, schema, |message| queue.buffer.push(message.into(), now));
            }
        }
        if queue.buffer.due_at() != before {
            self.due.notify_one();
        }
    }

    /// Counts events that were gone before they could be offered.
    pub(super) fn drop_also(&self, dropped: Dropped) {
        self.queue.lock().buffer.drop_also(dropped);
    }

    /// From now on nothing is held back.
    pub(super) fn flush(&self) {
        self.queue.lock().buffer.flush();
        self.due.notify_one();
    }

    /// Waits until nothing waits any more.
    pub(super) async fn idle(&self) {
        loop {
            let sent = self.sent.notified();
            tokio::pin!(sent);
            sent.as_mut().enable();
            {
                let queue = self.queue.lock();
                if queue.buffer.is_empty() && queue.sending.is_none() {
                    return;
                }
            }
            sent.await;
        }
    }

    /// Waits for the next batch that is due.
    pub(super) async fn next_batch(&self, outlets: &Outlets) -> (Vec<Bytes>, Destination) {
        loop {
            let due_at = {
                let mut queue = self.queue.lock();
                let due_at = queue.buffer.due_at();
                if due_at.is_some_and(|due_at| due_at <= Instant::now()) {
                    return queue.take_batch(outlets);
                }
                due_at
            };
            let timer = async {
                match due_at {
                    Some(due_at) => tokio::time::sleep_until(due_at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.due.notified() => {}
                () = timer => {}
            }
        }
    }

    /// The batch has been delivered, or given up.
    pub(super) fn finished(&self, delivered: bool) {
        let mut queue = self.queue.lock();
        if let Some(lost) = queue.sending.take().filter(|_| !delivered) {
            queue.buffer.drop_also(lost);
        }
        drop(queue);
        self.sent.notify_waiters();
    }
}

impl Queue {
    /// The next batch, led by the news of what was dropped before it.
    fn take_batch(&mut self, outlets: &Outlets) -> (Vec<Bytes>, Destination) {
        let (mut batch, mut sending) = (Vec::new(), Dropped::default());
        if let Some(dropped) = self.buffer.take_dropped() {
            let event = outlets.told(Record::LogsDropped(LogsDropped {
                reason: FALLEN_BEHIND.to_owned(),
                dropped_records: dropped.records,
                dropped_bytes: dropped.bytes,
            }));
            if self.request.wants(Category::Platform) {
                batch.push(event.to_json().into());
                sending = dropped;
            }
        }
        for event in self.buffer.take_batch() {
            sending.add(Dropped { records: 1, bytes: event.len() as u64 });
            batch.push(event);
        }
        self.sending = Some(sending);
        (batch, self.request.destination.clone())
    }
}
