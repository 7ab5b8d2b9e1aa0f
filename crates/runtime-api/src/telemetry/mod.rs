//! Telemetry of one environment: who subscribed to what, and the events on their way to them.
//!
//! ```text
//!  publish ──> history (while init lasts)
//!     │            │ replayed to whoever subscribes
//!     └────────────┴──> buffer of each subscriber ── delivery task ──> its port inside the environment
//! ```
//!
//! - [`event`], [`legacy`]: what is said, and how. Pure.
//! - [`subscription`], [`buffer`]: what a subscriber asks for; when a batch is due. Pure.
//! - [`subscriber`], [`delivery`]: the queue of one subscriber and the task that brings it there.

mod buffer;
mod delivery;
pub mod event;
mod legacy;
mod subscriber;
pub(crate) mod subscription;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use hearth_types::Clock;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::environment::{Dialer, EventSink, Settings};
use crate::limits::{HISTORY_BYTES_MAX, HISTORY_EVENTS_MAX, SHUTDOWN_FLUSH_WAIT};
use crate::telemetry::buffer::Dropped;
use crate::telemetry::event::{Record, TelemetryEvent};
use crate::telemetry::subscriber::Subscriber;
use crate::telemetry::subscription::{Api, Request};

/// What the delivery tasks need from outside.
struct Outlets {
    dialer: Arc<dyn Dialer>,
    sink: Mutex<Arc<dyn EventSink>>,
    clock: Arc<dyn Clock>,
    /// Whether the processes of the environment stand still.
    frozen: watch::Sender<bool>,
}

impl Outlets {
    /// An event that is made here and now, of which the owner is told.
    fn told(&self, record: Record) -> TelemetryEvent {
        let event = TelemetryEvent { time_ms: self.clock.now_ms(), record };
        let sink = self.sink.lock().clone();
        sink.event(&event);
        event
    }
}

pub(crate) struct Telemetry {
    outlets: Arc<Outlets>,
    /// Whether anybody could get an event, readable without the lock.
    wanted: AtomicBool,
    state: Mutex<State>,
}

struct State {
    /// `None` once init is over.
    history: Option<History>,
    subscriptions: Vec<Subscription>,
}

struct Subscription {
    subscriber: Arc<Subscriber>,
    delivery: AbortHandle,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.delivery.abort();
    }
}

/// What happened since the processes were started, for those who subscribe a little later.
#[derive(Default)]
struct History {
    events: Vec<(TelemetryEvent, Bytes)>,
    bytes: usize,
    dropped: Dropped,
}

impl History {
    fn push(&mut self, event: TelemetryEvent, json: Bytes) {
        if self.events.len() < HISTORY_EVENTS_MAX && self.bytes + json.len() <= HISTORY_BYTES_MAX {
            self.bytes += json.len();
            self.events.push((event, json));
        } else {
            self.dropped.add(Dropped { records: 1, bytes: json.len() as u64 });
        }
    }
}

/// Why a subscription is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Init is over.
    Closed,
    /// The extension uses the other API.
    OtherApi,
}

impl Telemetry {
    pub(crate) fn new(settings: &Settings) -> Self {
        let (frozen, _) = watch::channel(false);
        let outlets = Outlets {
            dialer: settings.dialer.clone(),
            sink: Mutex::new(settings.sink.clone()),
            clock: settings.clock.clone(),
            frozen,
        };
        Self {
            outlets: Arc::new(outlets),
            wanted: AtomicBool::new(false),
            state: Mutex::new(State { history: None, subscriptions: Vec::new() }),
        }
    }

    /// Begins anew for new processes. `collecting`: extensions may come.
    pub(crate) fn restart(&self, collecting: bool) {
        let mut state = self.state.lock();
        state.history = collecting.then(History::default);
        state.subscriptions.clear();
        self.wanted.store(collecting, Ordering::Relaxed);
        self.outlets.frozen.send_replace(false);
    }

    /// Nobody can subscribe any more.
    pub(crate) fn init_done(&self) {
        let mut state = self.state.lock();
        state.history = None;
        self.wanted.store(!state.subscriptions.is_empty(), Ordering::Relaxed);
    }

    pub(crate) fn wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    pub(crate) fn publish(&self, event: &TelemetryEvent) {
        if !self.wanted() {
            return;
        }
        let mut state = self.state.lock();
        let json = Bytes::from(event.to_json());
        for subscription in &state.subscriptions {
            subscription.subscriber.offer(event, &json);
        }
        if let Some(history) = &mut state.history {
            history.push(event.clone(), json);
        }
    }

    /// Publishes an event that is made here, and tells the owner.
    pub(crate) fn announce(&self, record: Record) {
        let event = self.outlets.told(record);
        self.publish(&event);
    }

    pub(crate) fn set_sink(&self, sink: Arc<dyn EventSink>) {
        *self.outlets.sink.lock() = sink;
    }

    /// Adds a subscriber, or gives the one the extension has its new settings: subscribing twice is not two
    /// subscriptions.
    pub(crate) fn subscribe(&self, name: &str, api: Api, request: Request) -> Result<(), Refusal> {
        let types = request.types.iter().map(|category| category.name()).collect();
        let mut state = self.state.lock();
        let Some(history) = &state.history else { return Err(Refusal::Closed) };
        if let Some(Subscription { subscriber, .. }) =
            state.subscriptions.iter().find(|subscription| subscription.subscriber.name == name)
        {
            if subscriber.api != api {
                return Err(Refusal::OtherApi);
            }
            subscriber.change(request);
            return Ok(());
        }
        let subscriber = Arc::new(Subscriber::new(name, api, request));
        for (event, json) in &history.events {
            subscriber.offer(event, json);
        }
        subscriber.drop_also(history.dropped);
        let delivery = tokio::spawn(delivery::run(subscriber.clone(), self.outlets.clone())).abort_handle();
        state.subscriptions.push(Subscription { subscriber, delivery });
        drop(state);
        let subscribed = event::Subscription { name: name.to_owned(), state: "Subscribed", types };
        self.announce(match api {
            Api::Telemetry => Record::TelemetrySubscription(subscribed),
            Api::Logs => Record::LogsSubscription(subscribed),
        });
        Ok(())
    }

    /// The extension's process has ended: what it did not get, nobody will.
    pub(crate) fn unsubscribe(&self, name: &str) {
        let mut state = self.state.lock();
        state.subscriptions.retain(|subscription| subscription.subscriber.name != name);
        self.wanted.store(state.history.is_some() || !state.subscriptions.is_empty(), Ordering::Relaxed);
    }

    /// Stops or continues deliveries, as the environment's processes do.
    pub(crate) fn set_frozen(&self, frozen: bool) {
        self.outlets.frozen.send_if_modified(|before| std::mem::replace(before, frozen) != frozen);
    }

    /// Sends at once what waits and what will come, and waits a little for what waits.
    pub(crate) async fn flush(&self) {
        let subscribers: Vec<Arc<Subscriber>> =
            self.state.lock().subscriptions.iter().map(|subscription| subscription.subscriber.clone()).collect();
        for subscriber in &subscribers {
            subscriber.flush();
        }
        let all = async {
            for subscriber in &subscribers {
                subscriber.idle().await;
            }
        };
        let _ = tokio::time::timeout(SHUTDOWN_FLUSH_WAIT, all).await;
    }
}
