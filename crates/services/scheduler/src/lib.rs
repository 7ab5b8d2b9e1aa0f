//! Amazon EventBridge Scheduler: schedules that have something done at their times; one file per operation in `op/`.
//!
//! ```text
//! CreateSchedule ─▶ directory (store, memory) ─▶ timetable ─▶ due ─▶ lane scheduler.invocation ─▶ target, as the role
//!                                                                      │ refused, or tried often enough
//!                                                                      └─▶ lane scheduler.dead_letter ─▶ queue
//! ```
//! - **Schedules and groups** are in the store and in memory (`directory.rs`). What may be set is checked in `settings.rs`
//!   and `target.rs`.
//! - **When** is `hearth-schedule`'s; that each occurrence is staged once is `hearth-delivery`'s (`timetable`).
//! - **What is done** is said by the target as it was when the occurrence was due (`deliver.rs`), by the schedule's execution
//!   role: what that role may do is all that counts.
//!
//! What never lives here: functions, queues, topics and event buses; they are met in [`hearth_ports`].

mod api;
mod arn;
mod deliver;
mod directory;
mod error;
mod failure;
mod input;
mod limits;
mod op;
mod record;
mod settings;
mod tags;
mod target;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use hearth_delivery::timetable::Timetable;
use hearth_delivery::{Lane, LaneLimits, Outbox};
use hearth_ports::{Authorizer, EventSink, Invoker, QueueSender, ServiceRoles, TopicPublisher};
use hearth_store::{Codec, Store};
use hearth_types::{Clock, Random, Scope};
use parking_lot::{Mutex, RwLock};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use api::service;
pub use error::SchedulerError;

use deliver::{DeadLetter, Invocation};
use record::{GroupRecord, ScheduleRecord};

/// What the service is made of.
pub struct SchedulerParts {
    pub store: Arc<dyn Store>,
    pub codec: Arc<Codec>,
    pub outbox: Arc<Outbox>,
    pub invoker: Arc<dyn Invoker>,
    pub queues: Arc<dyn QueueSender>,
    pub topics: Arc<dyn TopicPublisher>,
    pub buses: Arc<dyn EventSink>,
    pub roles: Arc<dyn ServiceRoles>,
    pub authorizer: Arc<dyn Authorizer>,
    /// The wall clock: dates of creation and change. Schedules go by the outbox's.
    pub wall: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

/// Group and name of a schedule.
type Place = (String, String);

/// The schedules of this server.
pub struct Scheduler {
    store: Arc<dyn Store>,
    codec: Arc<Codec>,
    outbox: Arc<Outbox>,
    timetable: Arc<Timetable>,
    invocations: Arc<Lane<Invocation>>,
    dead_letters: Arc<Lane<DeadLetter>>,
    invoker: Arc<dyn Invoker>,
    queues: Arc<dyn QueueSender>,
    topics: Arc<dyn TopicPublisher>,
    buses: Arc<dyn EventSink>,
    roles: Arc<dyn ServiceRoles>,
    authorizer: Arc<dyn Authorizer>,
    wall: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    schedules: RwLock<HashMap<Scope, BTreeMap<Place, Arc<ScheduleRecord>>>>,
    groups: RwLock<HashMap<Scope, BTreeMap<String, Arc<GroupRecord>>>>,
    /// Tokens of the last deletions.
    deletions: Mutex<VecDeque<String>>,
    /// Changes go one after the other, so that memory never takes an older state after a newer one.
    writer: tokio::sync::Mutex<()>,
}

impl Scheduler {
    /// Reads all schedules into memory. Nothing is done before [`Scheduler::work`].
    ///
    /// # Errors
    /// [`SchedulerError`] when the store cannot be read, or holds what this version does not know.
    pub async fn open(parts: SchedulerParts) -> Result<Arc<Self>, SchedulerError> {
        let SchedulerParts { store, codec, outbox, invoker, queues, topics, buses, roles, authorizer, wall, random } =
            parts;
        let limits = LaneLimits { attempts: limits::ATTEMPTS_MAX };
        let timetable = Timetable::open(&outbox, limits::TIMETABLE, random.clone()).await?;
        let this = Arc::new(Self {
            store,
            codec,
            timetable,
            invocations: Lane::new(&outbox, deliver::INVOCATIONS, limits),
            dead_letters: Lane::new(&outbox, deliver::DEAD_LETTERS, limits),
            outbox,
            invoker,
            queues,
            topics,
            buses,
            roles,
            authorizer,
            wall,
            random,
            schedules: RwLock::default(),
            groups: RwLock::default(),
            deletions: Mutex::default(),
            writer: tokio::sync::Mutex::new(()),
        });
        this.load().await?;
        Ok(this)
    }

    /// Has done what is due until stopped; what is under way comes to its end.
    pub async fn work(self: Arc<Self>, stop: CancellationToken) {
        let running = TaskTracker::new();
        tokio::join!(
            self.timetable.clone().work(self.clone(), stop.clone()),
            self.invocations.clone().work(self.clone(), &stop, &running),
            self.dead_letters.clone().work(self.clone(), &stop, &running),
        );
        running.close();
        running.wait().await;
    }
}

#[cfg(test)]
mod tests;
