//! Amazon S3: buckets of objects whose bytes stream in and out; one file per operation, or per group of one sub-resource, in
//! `op/`.
//!
//! ```text
//! request ─▶ front/ ─▶ s3s: shapes and XML ─▶ api.rs ─▶ op/ ─▶ authorize
//!                                                          │
//!            body ─▶ content.rs: digests ─▶ a file, or a small record
//!                                                          ▼
//!                  versions/: object, what it replaces, notifications ─ one commit ─▶ answer
//! ```
//! - **Bytes** are files ([`hearth_store::BlobFiles`]), or lie beside the record when they are few. Parts of an upload stay
//!   files of their own, which the object names: completing it copies nothing. What no record names is deleted.
//! - **Versions**: the newest of a key is in one table, all others in another, so that listing reads the newest only.
//! - **Notifications** are deliveries ([`hearth_delivery`]), accepted with the change they tell of.
//! - **Lifecycle** goes by the service clock (`sweep.rs`).
//!
//! `s3s` knows how requests and answers look and which operation a request is for; who calls is found by [`hearth_wire`],
//! and what he may by the [`Authorizer`]. What never lives here: queues, topics and functions; they are met in
//! [`hearth_ports`]. Other services read and write objects by [`Objects`].

mod api;
mod bucket;
mod checksum;
mod content;
mod convert;
mod cors;
mod deliver;
mod error;
mod front;
mod lifecycle;
mod limits;
mod listing;
mod locks;
mod notification;
mod op;
mod policy;
mod port;
mod reading;
mod record;
mod refused;
mod request;
mod sweep;
mod upload;
mod versions;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use hearth_delivery::{Lane, LaneLimits, Outbox};
use hearth_ports::{Authorizer, EventSink, Invoker, QueueConsumer, QueueSender, TopicPublisher};
use hearth_store::{BlobFiles, Codec, Store};
use hearth_types::{Clock, Random};
use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use error::S3Error;
pub use front::Door;
pub use port::Objects;

use bucket::Bucket;
use deliver::Notice;
use locks::UploadLocks;

/// What the service is made of.
pub struct S3Parts {
    pub store: Arc<dyn Store>,
    pub codec: Arc<Codec>,
    pub files: BlobFiles,
    pub outbox: Arc<Outbox>,
    pub queues: Arc<dyn QueueSender>,
    /// Asked whether a queue is there.
    pub consumers: Arc<dyn QueueConsumer>,
    pub topics: Arc<dyn TopicPublisher>,
    pub invoker: Arc<dyn Invoker>,
    pub bus: Arc<dyn EventSink>,
    pub authorizer: Arc<dyn Authorizer>,
    /// `LastModified` is read off it. Lifecycle and retries go by the outbox's.
    pub wall: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

/// The objects of this server.
pub struct S3 {
    store: Arc<dyn Store>,
    codec: Arc<Codec>,
    files: BlobFiles,
    outbox: Arc<Outbox>,
    lane: Arc<Lane<Notice>>,
    queues: Arc<dyn QueueSender>,
    consumers: Arc<dyn QueueConsumer>,
    topics: Arc<dyn TopicPublisher>,
    invoker: Arc<dyn Invoker>,
    bus: Arc<dyn EventSink>,
    authorizer: Arc<dyn Authorizer>,
    wall: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// By name.
    buckets: RwLock<BTreeMap<String, Arc<Bucket>>>,
    /// Changes of buckets go one after the other.
    writer: tokio::sync::Mutex<()>,
    upload_locks: UploadLocks,
    /// The last number given to a change.
    sequence: AtomicU64,
}

impl S3 {
    /// Reads all buckets into memory and deletes files that no record names. Nothing is delivered before [`S3::work`].
    ///
    /// # Errors
    /// [`S3Error`] when the store cannot be read, or holds what this version does not know.
    pub async fn open(parts: S3Parts) -> Result<Arc<Self>, S3Error> {
        let S3Parts { store, codec, files, outbox, queues, consumers, topics, invoker, bus, authorizer, wall, random } =
            parts;
        let this = Arc::new(Self {
            store,
            codec,
            files,
            lane: Lane::new(&outbox, deliver::LANE, LaneLimits { attempts: limits::ATTEMPTS_MAX }),
            outbox,
            queues,
            consumers,
            topics,
            invoker,
            bus,
            authorizer,
            wall,
            random,
            buckets: RwLock::default(),
            writer: tokio::sync::Mutex::new(()),
            upload_locks: UploadLocks::default(),
            sequence: AtomicU64::new(0),
        });
        this.load_buckets().await?;
        this.collect_files().await?;
        Ok(this)
    }

    /// Delivers and lets expire until stopped; what is under way comes to its end.
    pub async fn work(self: Arc<Self>, stop: CancellationToken) {
        let running = TaskTracker::new();
        tokio::join!(
            self.lane.clone().work(self.clone(), &stop, &running),
            self.clone().sweep(&stop),
            self.clone().tidy(&stop)
        );
        running.close();
        running.wait().await;
    }
}
