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

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use hearth_types::Clock;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::environment::{Dialer, EventSink, Settings};
use crate::limits::{HISTORY_BYTES_MAX, HISTORY_EVENTS_MAX, SHUTDOWN_FLUSH_WAIT};
use crate::telemetry::event::{Record, TelemetryEvent};
use crate::telemetry::subscriber::Subscriber;
use crate::telemetry::subscription::{Api, Request};

/// What the delivery tasks need from outside.
struct Outlets {
    dialer: Arc<dyn Dialer>,
    sink: Arc<dyn EventSink>,
    clock: Arc<dyn Clock>,
    /// Whether the processes of the environment stand still.
    frozen: watch::Sender<bool>,
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
    subscribers: Vec<Arc<Subscriber>>,
    tasks: Vec<AbortHandle>,
}

/// What happened since the processes were started, for those who subscribe a little later.
#[derive(Default)]
struct History {
    events: VecDeque<(TelemetryEvent, Bytes)>,
    bytes: usize,
}

impl History {
    fn push(&mut self, event: TelemetryEvent, json: Bytes) {
        self.bytes += json.len();
        self.events.push_back((event, json));
        while self.events.len() > HISTORY_EVENTS_MAX || self.bytes > HISTORY_BYTES_MAX {
            let Some((_, json)) = self.events.pop_front() else { return };
            self.bytes -= json.len();
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
            sink: settings.sink.clone(),
            clock: settings.clock.clone(),
            frozen,
        };
        Self {
            outlets: Arc::new(outlets),
            wanted: AtomicBool::new(false),
            state: Mutex::new(State { history: None, subscribers: Vec::new(), tasks: Vec::new() }),
        }
    }

    /// Begins anew for new processes. `collecting`: extensions may come.
    pub(crate) fn restart(&self, collecting: bool) {
        let mut state = self.state.lock();
        state.history = collecting.then(History::default);
        state.subscribers.clear();
        for task in state.tasks.drain(..) {
            task.abort();
        }
        self.wanted.store(collecting, Ordering::Relaxed);
        self.outlets.frozen.send_replace(false);
    }

    /// Nobody can subscribe any more.
    pub(crate) fn init_done(&self) {
        let mut state = self.state.lock();
        state.history = None;
        self.wanted.store(!state.subscribers.is_empty(), Ordering::Relaxed);
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
        for subscriber in &state.subscribers {
            subscriber.offer(event, &json);
        }
        if let Some(history) = &mut state.history {
            history.push(event.clone(), json);
        }
    }

    /// Publishes an event that is made here, and tells the owner.
    pub(crate) fn announce(&self, record: Record) {
        let event = TelemetryEvent { time_ms: self.outlets.clock.now_ms(), record };
        self.outlets.sink.event(&event);
        self.publish(&event);
    }

    /// Adds a subscriber, or gives the one the extension has its new settings: subscribing twice is not two
    /// subscriptions.
    pub(crate) fn subscribe(&self, name: &str, api: Api, request: Request) -> Result<(), Refusal> {
        let types = request.types.iter().map(|category| category.name()).collect();
        let mut state = self.state.lock();
        let Some(history) = &state.history else { return Err(Refusal::Closed) };
        if let Some(subscriber) = state.subscribers.iter().find(|subscriber| subscriber.name == name) {
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
        let task = tokio::spawn(delivery::run(subscriber.clone(), self.outlets.clone()));
        state.subscribers.push(subscriber);
        state.tasks.push(task.abort_handle());
        drop(state);
        let subscribed = event::Subscription { name: name.to_owned(), state: "Subscribed", types };
        self.announce(match api {
            Api::Telemetry => Record::TelemetrySubscription(subscribed),
            Api::Logs => Record::LogsSubscription(subscribed),
        });
        Ok(())
    }

    /// Stops or continues deliveries, as the environment's processes do.
    pub(crate) fn set_frozen(&self, frozen: bool) {
        self.outlets.frozen.send_if_modified(|before| std::mem::replace(before, frozen) != frozen);
    }

    /// Sends at once what waits and what will come, and waits a little for what waits.
    pub(crate) async fn flush(&self) {
        let subscribers = self.state.lock().subscribers.clone();
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

impl Drop for Telemetry {
    fn drop(&mut self) {
        for task in self.state.get_mut().tasks.drain(..) {
            task.abort();
        }
    }
}
