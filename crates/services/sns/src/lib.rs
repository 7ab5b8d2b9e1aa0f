//! Amazon SNS: topics that tell queues and functions, and lose nothing they have acknowledged; one file per operation in
//! `op/`.
//!
//! ```text
//! Publish ─▶ filter policies ─▶ a delivery per subscription ─▶ outbox.accept ─▶ answer
//!                                     │ lane sns.notification, sns.in_order or sns.http
//!                                     ▼
//!            queue, function or HTTP endpoint ──refused, or tried often enough──▶ lane sns.dead_letter ─▶ queue
//! ```
//! - **Topics and subscriptions** are in the store and in memory (`directory.rs`); what is told to whom is decided when
//!   the message is published, how it is delivered when it is.
//! - **Retries, ages and crashes** are `hearth-delivery`'s: a message is delivered at least once, in no particular order.
//!   What is on its way to a subscription that ends is dropped.
//! - **FIFO topics** number their messages (`fifo.rs`); those of a group stand in a line before each subscription.
//! - **Nobody's name but the topic's**: queue and function let `sns.amazonaws.com` in by their own policies.
//!
//! What never lives here: queues and functions; they are met in [`hearth_ports`]. Other services publish by [`Topics`].

mod api;
mod confirm;
mod deliver;
mod delivery_policy;
mod directory;
mod envelope;
mod error;
mod fifo;
mod filter;
mod limits;
mod message;
mod op;
mod policy;
mod port;
mod publish;
mod record;
mod signing;
mod subscription;
mod tags;
mod topic;
mod web;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hearth_delivery::{Lane, LaneLimits, Outbox};
use hearth_ports::{Authorizer, Invoker, QueueSender};
use hearth_store::{Codec, Store};
use hearth_tls::MessageSigner;
use hearth_types::{Clock, Random, Scope};
use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use api::service;
pub use error::SnsError;
pub use port::Topics;
pub use signing::is_certificate;
pub use web::{HttpClient, Post, Reach, Web, WebError};

use confirm::Confirmation;
use deliver::{DeadLetter, Notice};
use topic::Topic;
use web::Paces;

/// What the service is made of.
pub struct SnsParts {
    pub store: Arc<dyn Store>,
    pub codec: Arc<Codec>,
    pub outbox: Arc<Outbox>,
    pub queues: Arc<dyn QueueSender>,
    pub invoker: Arc<dyn Invoker>,
    /// Tells HTTP endpoints.
    pub web: Arc<dyn Web>,
    pub signer: Arc<MessageSigner>,
    pub authorizer: Arc<dyn Authorizer>,
    /// The wall clock: `Timestamp` is read off it. Retries go by the outbox's.
    pub wall: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

/// The topics of this server.
pub struct Sns {
    store: Arc<dyn Store>,
    codec: Arc<Codec>,
    outbox: Arc<Outbox>,
    notices: Arc<Lane<Notice>>,
    /// Of FIFO topics.
    in_order: Arc<Lane<Notice>>,
    /// To HTTP endpoints.
    web_notices: Arc<Lane<Notice>>,
    confirmations: Arc<Lane<Confirmation>>,
    dead_letters: Arc<Lane<DeadLetter>>,
    queues: Arc<dyn QueueSender>,
    invoker: Arc<dyn Invoker>,
    web: Arc<dyn Web>,
    paces: Paces,
    signer: Arc<MessageSigner>,
    authorizer: Arc<dyn Authorizer>,
    wall: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    topics: RwLock<HashMap<Scope, BTreeMap<String, Arc<Topic>>>>,
    /// Changes go one after the other, so that memory never takes an older state after a newer one.
    writer: tokio::sync::Mutex<()>,
}

impl Sns {
    /// Reads all topics into memory. Nothing is delivered before [`Sns::work`].
    ///
    /// # Errors
    /// [`SnsError`] when the store cannot be read, or holds what this version does not know.
    pub async fn open(parts: SnsParts) -> Result<Arc<Self>, SnsError> {
        let SnsParts { store, codec, outbox, queues, invoker, web, signer, authorizer, wall, random } = parts;
        let web_limits = LaneLimits { attempts: limits::HTTP_ATTEMPTS_MAX };
        let limits = LaneLimits { attempts: limits::ATTEMPTS_MAX };
        let this = Arc::new(Self {
            store,
            codec,
            notices: Lane::new(&outbox, deliver::NOTICES, limits),
            in_order: Lane::new(&outbox, deliver::IN_ORDER, limits),
            web_notices: Lane::new(&outbox, deliver::WEB, web_limits),
            confirmations: Lane::new(&outbox, confirm::CONFIRMATIONS, web_limits),
            dead_letters: Lane::new(&outbox, deliver::DEAD_LETTERS, limits),
            outbox,
            queues,
            invoker,
            web,
            paces: Paces::default(),
            signer,
            authorizer,
            wall,
            random,
            topics: RwLock::default(),
            writer: tokio::sync::Mutex::new(()),
        });
        this.load().await?;
        Ok(this)
    }

    /// Delivers until stopped; what is under way comes to its end.
    pub async fn work(self: Arc<Self>, stop: CancellationToken) {
        let running = TaskTracker::new();
        tokio::join!(
            self.notices.clone().work(self.clone(), &stop, &running),
            self.in_order.clone().work(self.clone(), &stop, &running),
            self.web_notices.clone().work(self.clone(), &stop, &running),
            self.confirmations.clone().work(self.clone(), &stop, &running),
            self.clone().sweep(&stop),
            self.dead_letters.clone().work(self.clone(), &stop, &running),
        );
        running.close();
        running.wait().await;
    }
}

#[cfg(test)]
mod tests;
