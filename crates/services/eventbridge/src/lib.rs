//! Amazon EventBridge: buses whose rules send events to functions, queues, topics and other buses, and lose nothing they
//! have acknowledged; one file per operation in `op/`.
//!
//! ```text
//! PutEvents, EventSink ─▶ event ─▶ rules it matches ─▶ a delivery per target ─▶ outbox.accept ─▶ answer
//!                                                           │ lane events.target
//!                                                           ▼
//!             function, queue, topic or bus ──refused, or tried often enough──▶ lane events.dead_letter ─▶ queue
//! ```
//! - **Buses and rules** are in the store and in memory (`directory.rs`). The default bus of an account and region is
//!   always there.
//! - **Schedules** of rules are on a timetable, and tell the rule's own targets (`scheduled.rs`).
//! - **Events** are made of entries (`event.rs`); a delivery holds the event and the target as they were then, so that
//!   nothing changed later has a part in it. What the target gets is made of both when it is told (`template.rs`).
//! - **Archives** keep events in the commit that accepts their deliveries, and replays put them on the bus again
//!   (`archive/`).
//! - **Retries, ages and crashes** are `hearth-delivery`'s: an event is delivered at least once, in no particular order.
//! - **Nobody's name but the rule's**: function, queue and topic let `events.amazonaws.com` in by their own policies.
//!
//! What never lives here: functions, queues and topics; they are met in [`hearth_ports`]. Other services put events by
//! [`EventBuses`].

mod api;
mod archive;
mod arn;
mod bus;
mod deliver;
mod directory;
mod error;
mod event;
mod failure;
mod forward;
mod limits;
mod op;
mod path;
mod pattern;
mod policy;
mod port;
mod put;
mod record;
mod rule;
mod scheduled;
mod tagged;
mod tags;
mod target;
mod template;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hearth_delivery::timetable::Timetable;
use hearth_delivery::{Lane, LaneLimits, Outbox};
use hearth_ports::{Authorizer, Invoker, QueueSender, ServiceRoles, TopicPublisher};
use hearth_store::{Codec, Store};
use hearth_types::{Clock, Random, Scope};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use api::service;
pub use error::EventsError;
pub use port::EventBuses;

use archive::{Archive, Counts, ReplayRecord};
use bus::Bus;
use deliver::{DeadLetter, Shipment};

/// What the service is made of.
pub struct EventBridgeParts {
    pub store: Arc<dyn Store>,
    pub codec: Arc<Codec>,
    pub outbox: Arc<Outbox>,
    pub queues: Arc<dyn QueueSender>,
    pub topics: Arc<dyn TopicPublisher>,
    pub invoker: Arc<dyn Invoker>,
    /// Makes sessions of targets' roles.
    pub credentials: Arc<dyn ServiceRoles>,
    pub authorizer: Arc<dyn Authorizer>,
    /// The wall clock: times of events are read off it. Retries go by the outbox's.
    pub wall: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

/// The buses of this server.
pub struct EventBridge {
    store: Arc<dyn Store>,
    codec: Arc<Codec>,
    outbox: Arc<Outbox>,
    /// Of rules with a schedule.
    timetable: Arc<Timetable>,
    targets: Arc<Lane<Shipment>>,
    dead_letters: Arc<Lane<DeadLetter>>,
    queues: Arc<dyn QueueSender>,
    topics: Arc<dyn TopicPublisher>,
    invoker: Arc<dyn Invoker>,
    credentials: Arc<dyn ServiceRoles>,
    authorizer: Arc<dyn Authorizer>,
    wall: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    buses: RwLock<HashMap<Scope, BTreeMap<String, Arc<Bus>>>>,
    archives: RwLock<HashMap<Scope, BTreeMap<String, Arc<Archive>>>>,
    replays: RwLock<HashMap<Scope, BTreeMap<String, ReplayRecord>>>,
    /// Of the events in archives, by the keeper.
    counts: Mutex<Counts>,
    /// There is something for a replay to do.
    start_replays: Notify,
    /// There is something to remove from archives.
    sweep: Notify,
    /// Changes go one after the other, so that memory never takes an older state after a newer one.
    writer: tokio::sync::Mutex<()>,
}

impl EventBridge {
    /// Reads all buses and rules into memory. Nothing is delivered before [`EventBridge::work`].
    ///
    /// # Errors
    /// [`EventsError`] when the store cannot be read, or holds what this version does not know.
    pub async fn open(parts: EventBridgeParts) -> Result<Arc<Self>, EventsError> {
        let EventBridgeParts { store, codec, outbox, queues, topics, invoker, credentials, authorizer, wall, random } =
            parts;
        let limits = LaneLimits { attempts: limits::ATTEMPTS_MAX };
        let timetable = Timetable::open(&outbox, limits::TIMETABLE, random.clone()).await?;
        let this = Arc::new(Self {
            store,
            codec,
            timetable,
            targets: Lane::new(&outbox, deliver::TARGETS, limits),
            dead_letters: Lane::new(&outbox, deliver::DEAD_LETTERS, limits),
            outbox,
            queues,
            topics,
            invoker,
            credentials,
            authorizer,
            wall,
            random,
            buses: RwLock::default(),
            archives: RwLock::default(),
            replays: RwLock::default(),
            counts: Mutex::default(),
            start_replays: Notify::new(),
            sweep: Notify::new(),
            writer: tokio::sync::Mutex::new(()),
        });
        this.load().await?;
        Ok(this)
    }

    /// Delivers, replays and tidies up until stopped; what is under way comes to its end.
    pub async fn work(self: Arc<Self>, stop: CancellationToken) {
        let running = TaskTracker::new();
        tokio::join!(
            self.timetable.clone().work(self.clone(), stop.clone()),
            self.targets.clone().work(self.clone(), &stop, &running),
            self.dead_letters.clone().work(self.clone(), &stop, &running),
            self.clone().replay_until(&stop),
            self.clone().sweep_until(&stop),
        );
        running.close();
        running.wait().await;
    }
}

#[cfg(test)]
mod tests;
