//! Amazon SQS: standard and FIFO queues that lose nothing they have acknowledged; one file per operation in `op/`.
//!
//! ```text
//! SendMessage ─▶ reserve a place ─▶ store.commit (one row per request) ─▶ visible ─▶ answer
//! ReceiveMessage ─▶ engine (memory) ─▶ page (cache, else store) ─▶ answer        keeper: writes receives,
//! DeleteMessage ─▶ leaving ─▶ store.commit ─▶ gone ─▶ answer                     deletes what has expired
//! ```
//! - **The store is the queue**, memory its index: per waiting message states and due times (`engine/`, pure), never its
//!   body, but for a bounded cache (`cache.rs`). At the start the index is rebuilt from one scan.
//! - **A row per request**: a page holds the messages of one SendMessage or SendMessageBatch (`page.rs`), so that ten
//!   messages cost one row to write and, when they are all deleted, one row to delete. Deleted parts of pages are noted
//!   in rows of their own (`engine/pages.rs`).
//! - **What a crash may forget**: receives of the last quarter second (`KEEPER_INTERVAL_MS`). A message may be
//!   visible again before its time-out, and its receive count be short by those receives. Never a message that was
//!   acknowledged, never a deletion. An orderly stop forgets nothing.
//! - **Dead letters move in one commit**: a queue and its dead-letter queue are in one shard.
//! - **Two clocks**: visibility, receive attempts and the 60 s of PurgeQueue go by the wall clock; delays, retention and
//!   deduplication by the service clock, which `--time-scale` speeds up.
//!
//! What never lives here: event source mappings, topics; they come through [`hearth_ports::QueueConsumer`] and
//! [`hearth_ports::QueueSender`].

mod api;
mod attributes;
mod batch;
mod cache;
mod dead_letters;
mod directory;
mod engine;
mod error;
mod inspect;
mod keeper;
mod leave;
mod limits;
mod load;
mod message;
mod move_task;
mod op;
mod page;
mod permission;
mod port;
mod queue;
mod receipt;
mod receive;
mod record;
mod redrive;
mod send;
mod shown;
mod tags;
mod url;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hearth_ports::Authorizer;
use hearth_store::{Codec, Epoch, Mutation, Store};
use hearth_types::{Clock, Random, Scope};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use api::services;
pub use error::SqsError;
pub use inspect::is_inspection;
pub use port::Queues;

use cache::PageCache;
use engine::Now;
use move_task::Tasks;
use queue::Queue;

/// What the service is made of.
pub struct SqsParts {
    pub store: Arc<dyn Store>,
    pub codec: Arc<Codec>,
    /// Visibility.
    pub wall: Arc<dyn Clock>,
    /// Delays, retention, deduplication.
    pub service: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub authorizer: Arc<dyn Authorizer>,
}

/// The queues of this server.
pub struct Sqs {
    store: Arc<dyn Store>,
    codec: Arc<Codec>,
    wall: Arc<dyn Clock>,
    service: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    authorizer: Arc<dyn Authorizer>,
    queues: RwLock<HashMap<Scope, BTreeMap<String, Arc<Queue>>>>,
    /// Changes of queues go one after the other, so that memory never takes an older state after a newer one.
    writer: tokio::sync::Mutex<()>,
    cache: PageCache,
    tasks: Tasks,
    /// What is to leave the store when there is time: nothing waits for it.
    trash: Mutex<Vec<(Scope, Vec<Mutation>)>>,
    /// Long polls are to end, and the keeper.
    ending: watch::Sender<bool>,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

impl Sqs {
    /// Reads all queues into memory and starts what works in the background. Called within the runtime.
    ///
    /// # Errors
    /// [`SqsError`] when the store cannot be read, or holds what this version does not know.
    pub async fn open(parts: SqsParts) -> Result<Arc<Self>, SqsError> {
        let SqsParts { store, codec, wall, service, random, authorizer } = parts;
        let this = Arc::new(Self {
            store,
            codec,
            wall,
            service,
            random,
            authorizer,
            queues: RwLock::default(),
            writer: tokio::sync::Mutex::new(()),
            cache: PageCache::new(limits::PAGE_CACHE_BYTES_MAX),
            tasks: Tasks::default(),
            trash: Mutex::default(),
            ending: watch::Sender::new(false),
            keeper: Mutex::default(),
        });
        this.load().await?;
        this.resume_tasks().await?;
        *this.keeper.lock() = Some(tokio::spawn(keeper::run(Arc::downgrade(&this), this.ending.subscribe())));
        Ok(this)
    }

    /// Answers whoever waits for messages, now and from now on: clients are not to hold up the server's end.
    pub fn end_polls(&self) {
        self.ending.send_replace(true);
    }

    /// Makes the receives durable that are not, and ends what works in the background.
    pub async fn close(&self) {
        self.end_polls();
        let keeper = self.keeper.lock().take();
        if let Some(keeper) = keeper
            && keeper.await.is_err()
        {
            tracing::error!("the keeper of the queues panicked: receives of the last moments may be forgotten");
        }
    }

    fn now(&self) -> Now {
        Now { wall_ms: self.wall.now_ms(), service_ms: self.service.now_ms() }
    }

    /// Not 0, which says that a message was never received.
    fn nonce(&self) -> u32 {
        let mut raw = [0; 4];
        self.random.fill(&mut raw);
        u32::from_le_bytes(raw) | 1
    }

    async fn commit(&self, scope: &Scope, mutations: Vec<Mutation>) -> Result<(), SqsError> {
        if !mutations.is_empty() {
            self.store.commit(&record::shard(scope), Epoch::default(), Vec::new(), mutations).await?;
        }
        Ok(())
    }

    fn discard(&self, scope: &Scope, mutations: Vec<Mutation>) {
        if !mutations.is_empty() {
            self.trash.lock().push((scope.clone(), mutations));
        }
    }
}

#[cfg(test)]
mod tests;
