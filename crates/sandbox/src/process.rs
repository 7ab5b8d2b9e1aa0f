//! The process backend, server side: environments of namespaces, seccomp and control groups that share this machine's
//! kernel. Weaker than a virtual machine, and what runs everywhere.
//!
//! What needs privileges is done by the [spawner](crate::spawner); here is what serves a slot once it is made.

mod begun;
mod channel;
mod class_archive;
mod client;
mod control;
mod environment;
mod frames;
mod images;
mod launch;
mod memory;
mod output;
mod pool;
mod slot;
mod slots;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use caps::{CapSet, Capability};
use hearth_network::NetworkClient;
use hearth_ports::{Architecture, RuntimeId, RuntimeVersion};
use hearth_types::Mebibytes;
use hearth_types::limits::EPHEMERAL_STORAGE_MIN;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::cgroup::{CgroupError, CgroupHandle, available_memory};
use crate::environment::{Backend, Begun, EnvironmentId, EnvironmentSpec, HostRoom, SandboxError, Unsupported};
use crate::package::TreeStore;
use crate::protocol::{ImageHolds, ImageTree};
use crate::runtimes::{self, Root, Watch};
use crate::variables;
use begun::{BegunEnvironment, Wanted as WantedEnvironment};
use class_archive::Archivist;
use client::SpawnerClient;
pub use client::{SpawnerConfig, SpawnerProcess};
pub use images::RuntimeImages;
pub use pool::PoolConfig;
use pool::{Kind, Maker, SlotPool, Started};
use slot::{PreparedSlot, Wanted};
use slots::{Slots, kinds};

/// Serves Hearth's endpoint inside each new sandbox: whoever connects there is that environment. The task is aborted
/// when the environment ends, since an open listener would keep its network namespace alive.
pub type EndpointHook = Arc<dyn Fn(EnvironmentId, std::net::TcpListener) -> JoinHandle<()> + Send + Sync>;

/// How long the spawner may take to get ready: it mounts the runtimes and ends what an earlier life left.
const BOOT_WAIT_MAX: Duration = Duration::from_secs(60);

/// Environments that are made at the same time: of a crowd the first should be ready before the last is begun.
const MAKING_PER_PROCESSOR_MAX: usize = 3;

/// What the spawner works with.
const NEEDED: &[Capability] = &[
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_KILL,
    Capability::CAP_MKNOD,
    Capability::CAP_NET_ADMIN,
    Capability::CAP_SETGID,
    Capability::CAP_SETPCAP,
    Capability::CAP_SETUID,
    Capability::CAP_SYS_ADMIN,
    Capability::CAP_SYS_CHROOT,
    // The mount namespaces of slots, whose processes nobody may look into, are opened through it.
    Capability::CAP_SYS_PTRACE,
];

pub struct ProcessConfig {
    /// In the directory the spawner was started with.
    pub trees: TreeStore,
    pub pool: PoolConfig,
    /// Runtimes whose root is an image; for the others it is this machine's.
    pub images: RuntimeImages,
    /// Without it, functions reach nothing but Hearth. The spawner must have been started to give slots a device.
    pub network: Option<Arc<NetworkClient>>,
    /// Without it, nobody listens on the endpoint's port in the sandbox.
    pub on_endpoint: Option<EndpointHook>,
}

/// Why there is no process backend on this machine.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    #[error(
        "functions cannot be isolated without the privileges {missing}; start hearth as root, or in a container with \
         --privileged"
    )]
    NotPrivileged { missing: String },
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    #[error("the spawner could not be started: {0}")]
    Spawn(#[from] std::io::Error),
    #[error("the spawner cannot work on this machine: {0}")]
    Boot(String),
}

pub struct ProcessBackend {
    slots: Arc<Slots>,
    pool: Arc<SlotPool>,
    archivist: Archivist,
    /// See [`PoolConfig::copies`].
    copies: bool,
    hits: AtomicU64,
    copied: AtomicU64,
    turns: Arc<Semaphore>,
    trees: TreeStore,
    /// Runtimes for which slots are to wait once their image is there.
    awaited: Mutex<BTreeSet<RuntimeId>>,
    here: RwLock<Here>,
    /// Notices that there may be other interpreters.
    watch: Arc<Mutex<Watch>>,
    /// Of all slots together.
    cgroup: CgroupHandle,
    storage: PathBuf,
    on_endpoint: Option<EndpointHook>,
}

/// What this machine has for functions.
struct Here {
    roots: BTreeSet<Root>,
    /// Which builds of interpreters the roots have.
    interpreters: BTreeMap<Root, String>,
}

impl ProcessBackend {
    /// Waits until the spawner is ready, and begins to prepare slots.
    ///
    /// # Errors
    /// [`ProcessError`].
    pub async fn new(mut spawner: SpawnerProcess, config: ProcessConfig) -> Result<Self, ProcessError> {
        let library_path = RwLock::new(std::mem::take(&mut spawner.library_path));
        let storage = std::mem::take(&mut spawner.storage);
        let interpreters = std::mem::take(&mut spawner.interpreters);
        let watch = std::mem::take(&mut spawner.watch);
        let (spawner, roots, cgroup) = tokio::time::timeout(BOOT_WAIT_MAX, SpawnerClient::connect(spawner))
            .await
            .map_err(|_| ProcessError::Boot(format!("it did not get ready within {BOOT_WAIT_MAX:?}")))??;
        let endpoint = config.on_endpoint.is_some();
        let slots = Arc::new(Slots {
            spawner,
            network: config.network,
            ids: AtomicU64::new(1),
            images: config.images,
            library_path,
            class_archives: RwLock::default(),
            endpoint,
        });
        let pool = SlotPool::start(config.pool, Arc::clone(&slots) as Arc<dyn Maker>);
        Ok(Self {
            slots,
            pool,
            archivist: Archivist::default(),
            copies: config.pool.copies,
            hits: AtomicU64::new(0),
            copied: AtomicU64::new(0),
            turns: Arc::new(Semaphore::new(
                std::thread::available_parallelism().map_or(1, usize::from) * MAKING_PER_PROCESSOR_MAX,
            )),
            trees: config.trees,
            awaited: Mutex::default(),
            here: RwLock::new(Here { roots: roots.into_iter().collect(), interpreters }),
            watch: Arc::new(Mutex::new(watch)),
            cgroup,
            storage,
            on_endpoint: config.on_endpoint,
        })
    }

    /// The readiest slot there is: with the right process in it, or a copy of such a one; else empty, else a new one.
    async fn slot(&self, kind: Kind, spec: &EnvironmentSpec) -> Result<PreparedSlot, SandboxError> {
        let Kind { image, started, .. } = kind;
        let pooled = started.and_then(|_| self.pool.take(kind));
        self.hits.fetch_add(u64::from(pooled.is_some()), Ordering::Relaxed);
        if let Some(slot) = pooled {
            return Ok(slot);
        }
        // Originals are those of this machine's interpreters.
        let for_copy = self.copies && image.is_none() && started.is_some_and(|started| started.memory.is_none());
        let mut slot = self.bare_slot(kind, spec, for_copy).await?;
        if !for_copy {
            return Ok(slot);
        }
        match slot.copy(&self.slots.spawner).await {
            Ok(is_started) => {
                self.copied.fetch_add(u64::from(is_started), Ordering::Relaxed);
                Ok(slot)
            }
            Err(error) => {
                tracing::warn!(environment = %slot.id, %error, "a waiting runtime could not be copied");
                self.bare_slot(kind, spec, false).await
            }
        }
    }

    async fn bare_slot(
        &self,
        kind: Kind,
        spec: &EnvironmentSpec,
        for_copy: bool,
    ) -> Result<PreparedSlot, SandboxError> {
        let Kind { root, image, .. } = kind;
        if let Some(slot) = self.pool.take(Kind { started: None, ..kind }) {
            return Ok(slot);
        }
        let (memory, ephemeral_storage) = (Some(spec.memory), spec.ephemeral_storage);
        self.slots.prepare(Wanted { root, image, memory, ephemeral_storage, for_copy }).await
    }

    /// Prepares slots for functions of these runtimes whose image is there now.
    fn expect_awaited(&self) {
        self.awaited.lock().retain(|runtime| match self.slots.images.at_hand(runtime) {
            Some(image) => {
                self.pool.expect(kinds(image.runtime, Some(image.tree())));
                false
            }
            None => true,
        });
    }

    /// Environments that got a copy of a process that waits, so far.
    #[must_use]
    pub fn copies(&self) -> u64 {
        self.copied.load(Ordering::Relaxed)
    }

    /// Environments that got a process started ahead of need, so far.
    #[must_use]
    pub fn pool_hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Does a process of this runtime wait for a function?
    #[must_use]
    pub fn has_started(&self, runtime: &str) -> bool {
        self.pool.any(|kind| kind.started.is_some_and(|started| started.runtime == runtime))
    }

    /// Do processes of this runtime start from an archive of classes? `None` while none has been tried to make.
    #[must_use]
    pub fn class_archive(&self, runtime: &RuntimeId) -> Option<bool> {
        let root = runtimes::find(runtime).ok()?.root;
        self.archivist.has_tried(root).then(|| self.slots.has_class_archive(root))
    }

    /// Slots that waited and were taken, so far.
    #[must_use]
    pub fn pool_taken(&self) -> u64 {
        self.pool.taken()
    }

    /// Slots that wait for a function now.
    #[must_use]
    pub fn pool_depth(&self) -> usize {
        self.pool.depth()
    }

    /// The roots that environments can have on this machine.
    #[must_use]
    pub fn roots(&self) -> BTreeSet<Root> {
        self.here.read().roots.clone()
    }
}

fn check_privileges() -> Result<(), ProcessError> {
    let held = caps::read(None, CapSet::Effective).map_err(std::io::Error::other)?;
    let missing: Vec<String> =
        NEEDED.iter().filter(|capability| !held.contains(capability)).map(ToString::to_string).collect();
    if missing.is_empty() { Ok(()) } else { Err(ProcessError::NotPrivileged { missing: missing.join(", ") }) }
}

/// What this machine runs.
pub const NATIVE: Architecture = if cfg!(target_arch = "aarch64") { Architecture::Arm64 } else { Architecture::X86_64 };

#[async_trait]
impl Backend for ProcessBackend {
    fn name(&self) -> &'static str {
        "process"
    }

    fn check(&self, runtime: &RuntimeId, architecture: Architecture) -> Result<(), Unsupported> {
        let from_image = self.slots.images.check(runtime);
        let runtime = if from_image.is_none() { Some(runtimes::find(runtime)?) } else { None };
        if architecture != NATIVE {
            return Err(Unsupported::Never(format!(
                "this machine runs functions for {NATIVE} only; create the function with that architecture"
            )));
        }
        match (from_image, runtime) {
            (Some(checked), _) => checked,
            (None, Some(runtime)) if !self.here.read().roots.contains(&runtime.root) => {
                Err(runtimes::missing(runtime.root))
            }
            (None, _) => Ok(()),
        }
    }

    fn expect(&self, runtime: &RuntimeId) {
        if self.slots.images.check(runtime).is_some() {
            self.awaited.lock().insert(runtime.clone());
            return self.expect_awaited();
        }
        // Functions that are images get a root of their own each.
        if let (Ok(()), Ok(runtime)) = (self.check(runtime, NATIVE), runtimes::find(runtime)) {
            self.pool.expect(kinds(runtime, None));
            self.archivist.expect(runtime, &self.slots, &self.pool);
        }
    }

    async fn look_for_runtimes(&self) -> bool {
        let has_news = self.slots.images.has_news();
        if has_news {
            self.expect_awaited();
        }
        let (watch, roots) = (Arc::clone(&self.watch), self.roots());
        let look = move || {
            let mut watch = watch.lock();
            watch.is_due().then(|| (watch.search().installed.clone(), watch.search().missing(&roots)))
        };
        let Ok(Some((installed, found))) = tokio::task::spawn_blocking(look).await else { return has_news };
        for (runtime, reference) in installed.iter().flat_map(|installed| runtimes::installed_images(installed)) {
            // It is news once it is there.
            self.slots.images.add(&runtime, &reference);
        }
        let mut has_new = has_news;
        for language in found {
            let root = Root::With(language);
            match self.slots.spawner.add_root(language).await {
                Ok(interpreter) => {
                    tracing::info!(%language, place = %interpreter.place().display(), "a runtime has come");
                    if interpreter.needs_library_path() {
                        self.slots.library_path.write().insert(root);
                    }
                    let mut here = self.here.write();
                    here.roots.insert(root);
                    here.interpreters.insert(root, interpreter.build(root));
                    has_new = true;
                }
                Err(error) => tracing::error!(%language, %error, "a runtime that has come cannot be used"),
            }
        }
        has_new
    }

    fn runtime_version(&self, runtime: &RuntimeId, architecture: Architecture) -> Option<RuntimeVersion> {
        let origin = match self.slots.images.origin(runtime) {
            Some(origin) => origin?,
            None => {
                let (here, root) = (self.here.read(), runtimes::find(runtime).ok()?.root);
                if !here.roots.contains(&root) {
                    return None;
                }
                here.interpreters.get(&root).cloned().unwrap_or_default()
            }
        };
        Some(RuntimeVersion::new(runtime, architecture, &origin))
    }

    async fn begin(&self, spec: EnvironmentSpec) -> Result<Box<dyn Begun>, SandboxError> {
        self.check(&spec.runtime, spec.architecture)?;
        let image = self.slots.images.root(&spec.runtime).await?;
        let runtime = match &image {
            Some(image) => image.runtime,
            None => runtimes::find(&spec.runtime)?,
        };
        let wanted = WantedEnvironment { spec, runtime, image };
        let (spec, usual) = (&wanted.spec, variables::prepared(runtime, wanted.host(&self.slots)));
        // The fence of a process that runs already would not hold for another `/tmp`.
        let is_usual = spec.ephemeral_storage == EPHEMERAL_STORAGE_MIN;
        let started = runtime
            .prestarted_for(spec.memory, &wanted.variables(&self.slots), &usual)
            .filter(|_| is_usual)
            .map(|memory| Started { runtime: runtime.id, memory });
        let making = self.pool.making();
        // A semaphore that is never closed gives its permits in the order they were asked for.
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| SandboxError::ShutDown)?;
        let root = runtime.root;
        let slot = match &spec.image {
            // Its root is its own: nothing that waits will do.
            Some(_) => {
                let _held = self.trees.hold(&spec.code);
                let image = Some(ImageTree { digest: spec.code, holds: ImageHolds::Function });
                let (memory, ephemeral_storage) = (Some(spec.memory), spec.ephemeral_storage);
                self.slots.prepare(Wanted { root, image, memory, ephemeral_storage, for_copy: false }).await?
            }
            None => {
                let image = wanted.image.as_ref().map(|image| image.tree());
                let _held = image.map(|image| self.trees.hold(&image.digest));
                self.slot(Kind { root, image, started }, spec).await?
            }
        };
        let on_endpoint = self.on_endpoint.clone();
        let begun = BegunEnvironment::new(wanted, &self.slots, slot, &self.trees, on_endpoint, (making, turn)).await?;
        Ok(Box::new(begun))
    }

    fn room(&self) -> Option<HostRoom> {
        let disk = rustix::fs::statvfs(&self.storage).ok()?;
        Some(HostRoom {
            memory_held: Mebibytes::from_bytes_ceil(self.cgroup.memory_held().ok()?),
            memory_available: available_memory().ok()?,
            disk_available: Mebibytes::from_bytes_ceil(disk.f_bavail * disk.f_frsize),
        })
    }

    async fn lost(&self) {
        match &self.slots.network {
            Some(network) => tokio::select! {
                () = self.slots.spawner.lost() => {}
                () = network.lost() => {}
            },
            None => self.slots.spawner.lost().await,
        }
    }

    async fn shutdown(&self) {
        self.archivist.close();
        self.pool.close();
        self.slots.spawner.shutdown().await;
        if let Some(network) = &self.slots.network {
            network.shutdown().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_privileges_the_refusal_says_what_is_missing_and_what_to_do() {
        // Capabilities belong to a thread; this test has one of its own.
        caps::clear(None, CapSet::Effective).expect("giving up is always allowed");
        let refused = check_privileges().expect_err("not privileged").to_string();
        assert!(refused.contains("CAP_SYS_ADMIN") && refused.contains("start hearth as root"), "{refused}");
    }
}
