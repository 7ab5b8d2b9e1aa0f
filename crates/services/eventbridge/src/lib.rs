//! Amazon EventBridge: buses whose rules send events to functions, queues, topics and other buses, and lose nothing they
//! have acknowledged; one file per operation in `op/`.
//!
//! ```text
//! PutEvents, EventSink ─▶ event ─▶ rules it matches ─▶ a delivery per target ─▶ outbox.accept ─▶ answer
//! ```
//! - **Buses** are in the store and in memory (`directory.rs`). The default bus of an account and region is always there.
//! - **Events** are made of entries (`event.rs`) and stand in deliveries as they are told.
//!
//! What never lives here: functions, queues and topics; they are met in [`hearth_ports`]. Other services put events by
//! [`EventBuses`].

#![allow(dead_code, reason = "rules and targets come next")]

mod api;
mod arn;
mod bus;
mod directory;
mod error;
mod event;
mod limits;
mod op;
mod policy;
mod port;
mod put;
mod record;
mod tagged;
mod tags;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hearth_delivery::Outbox;
use hearth_ports::Authorizer;
use hearth_store::{Codec, Store};
use hearth_types::{Clock, Random, Scope};
use parking_lot::RwLock;

pub use api::service;
pub use error::EventsError;
pub use port::EventBuses;

use bus::Bus;

/// What the service is made of.
pub struct EventBridgeParts {
    pub store: Arc<dyn Store>,
    pub codec: Arc<Codec>,
    pub outbox: Arc<Outbox>,
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
    authorizer: Arc<dyn Authorizer>,
    wall: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    buses: RwLock<HashMap<Scope, BTreeMap<String, Arc<Bus>>>>,
    /// Changes go one after the other, so that memory never takes an older state after a newer one.
    writer: tokio::sync::Mutex<()>,
}

impl EventBridge {
    /// Reads all buses into memory.
    ///
    /// # Errors
    /// [`EventsError`] when the store cannot be read, or holds what this version does not know.
    pub async fn open(parts: EventBridgeParts) -> Result<Arc<Self>, EventsError> {
        let EventBridgeParts { store, codec, outbox, authorizer, wall, random } = parts;
        let this = Arc::new(Self {
            store,
            codec,
            outbox,
            authorizer,
            wall,
            random,
            buses: RwLock::default(),
            writer: tokio::sync::Mutex::new(()),
        });
        this.load().await?;
        Ok(this)
    }
}
