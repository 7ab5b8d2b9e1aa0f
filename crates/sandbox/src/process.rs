//! The process backend, server side: environments of namespaces, seccomp and control groups that share this machine's
//! kernel. Weaker than a virtual machine, and what runs everywhere.
//!
//! What needs privileges is done by the [spawner](crate::spawner); here is what serves a slot once it is made.

mod client;
mod control;
mod environment;
mod memory;
mod output;
mod pool;
mod slot;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use caps::{CapSet, Capability};
use hearth_ports::{Architecture, RuntimeId};
use hearth_types::limits::EPHEMERAL_STORAGE_MIN;
use tokio::task::JoinHandle;

use crate::cgroup::{CgroupError, CgroupRoot};
use crate::environment::{Backend, Environment, EnvironmentId, EnvironmentSpec, OutputSink, SandboxError, Unsupported};
use crate::package::TreeStore;
use crate::protocol::Boot;
use crate::runtimes::{self, Root, Search};
use client::SpawnerClient;
use environment::ProcessEnvironment;
pub use pool::PoolConfig;
use pool::{Kind, Maker, SlotPool};
use slot::PreparedSlot;

/// Serves Hearth's endpoint inside each new sandbox: whoever connects there is that environment. The task is aborted
/// when the environment ends, since an open listener would keep its network namespace alive.
pub type EndpointHook = Arc<dyn Fn(EnvironmentId, std::net::TcpListener) -> JoinHandle<()> + Send + Sync>;

/// How long the spawner may take to get ready: it mounts the runtimes and ends what an earlier life left.
const BOOT_WAIT_MAX: Duration = Duration::from_secs(60);

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
    /// Names the parent control group. Two servers on one machine must not have the same: each ends what it finds there.
    pub instance: String,
    pub trees: TreeStore,
    /// A directory on the disk that holds what functions write to `/tmp`.
    pub storage: PathBuf,
    pub pool: PoolConfig,
    /// Where interpreters are looked for.
    pub search: Search,
    /// The program to start as the spawner; this one when `None`, which then must call
    /// [`spawner_main_if_requested`](crate::spawner_main_if_requested) first in its `main`.
    pub spawner: Option<PathBuf>,
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
    trees: TreeStore,
    roots: BTreeSet<Root>,
    /// Roots whose interpreter needs `LD_LIBRARY_PATH`.
    library_path: BTreeSet<Root>,
    on_endpoint: Option<EndpointHook>,
}

/// Where slots come from.
struct Slots {
    spawner: Arc<SpawnerClient>,
    ids: AtomicU64,
}

impl Slots {
    fn next_id(&self) -> EnvironmentId {
        EnvironmentId(self.ids.fetch_add(1, Ordering::Relaxed))
    }
}

#[async_trait]
impl Maker for Slots {
    async fn make(&self, Kind { root }: Kind) -> Result<PreparedSlot, SandboxError> {
        PreparedSlot::make(&self.spawner, self.next_id(), root, None, EPHEMERAL_STORAGE_MIN).await
    }
}

impl ProcessBackend {
    /// Looks for interpreters, starts the spawner and waits until it is ready.
    ///
    /// # Errors
    /// [`ProcessError`].
    pub async fn new(config: ProcessConfig) -> Result<Self, ProcessError> {
        check_privileges()?;
        CgroupRoot::check_name(&config.instance)?;
        let search = config.search;
        let interpreters =
            tokio::task::spawn_blocking(move || search.interpreters()).await.map_err(std::io::Error::other)?;
        let library_path = interpreters
            .iter()
            .filter(|(_, interpreter)| interpreter.needs_library_path())
            .map(|(root, _)| *root)
            .collect();
        let trees = std::fs::canonicalize(config.trees.empty())?;
        let trees = trees.parent().map(PathBuf::from).unwrap_or(trees);
        let storage = std::fs::canonicalize(&config.storage)?;
        let boot = Boot { instance: config.instance, trees, storage, interpreters };
        let start = SpawnerClient::start(config.spawner, &boot);
        let (spawner, roots) = tokio::time::timeout(BOOT_WAIT_MAX, start)
            .await
            .map_err(|_| ProcessError::Boot(format!("it did not get ready within {BOOT_WAIT_MAX:?}")))??;
        let slots = Arc::new(Slots { spawner, ids: AtomicU64::new(1) });
        let kinds = roots.iter().map(|root| Kind { root: *root });
        let pool = SlotPool::start(config.pool, kinds, Arc::clone(&slots) as Arc<dyn Maker>);
        Ok(Self {
            slots,
            pool,
            trees: config.trees,
            roots: roots.into_iter().collect(),
            library_path,
            on_endpoint: config.on_endpoint,
        })
    }

    /// Slots that wait for a function now.
    #[must_use]
    pub fn pool_depth(&self) -> usize {
        self.pool.depth()
    }

    /// The roots that environments can have on this machine.
    pub fn roots(&self) -> impl Iterator<Item = Root> + '_ {
        self.roots.iter().copied()
    }
}

fn check_privileges() -> Result<(), ProcessError> {
    let held = caps::read(None, CapSet::Effective).map_err(std::io::Error::other)?;
    let missing: Vec<String> =
        NEEDED.iter().filter(|capability| !held.contains(capability)).map(ToString::to_string).collect();
    if missing.is_empty() { Ok(()) } else { Err(ProcessError::NotPrivileged { missing: missing.join(", ") }) }
}

const NATIVE: Architecture = if cfg!(target_arch = "aarch64") { Architecture::Arm64 } else { Architecture::X86_64 };

#[async_trait]
impl Backend for ProcessBackend {
    fn name(&self) -> &'static str {
        "process"
    }

    fn check(&self, runtime: &RuntimeId, architecture: Architecture) -> Result<(), Unsupported> {
        let runtime = runtimes::find(runtime)?;
        if architecture != NATIVE {
            return Err(Unsupported(format!(
                "this machine runs functions for {NATIVE} only; create the function with that architecture"
            )));
        }
        if self.roots.contains(&runtime.root) { Ok(()) } else { Err(runtimes::missing(runtime.root)) }
    }

    async fn create(
        &self,
        spec: EnvironmentSpec,
        output: Arc<dyn OutputSink>,
    ) -> Result<Arc<dyn Environment>, SandboxError> {
        self.check(&spec.runtime, spec.architecture)?;
        let runtime = runtimes::find(&spec.runtime)?;
        let host = crate::variables::Host {
            needs_library_path: self.library_path.contains(&runtime.root),
            endpoint: self.on_endpoint.is_some(),
        };
        let spawner = &self.slots.spawner;
        let slot = match self.pool.take(Kind { root: runtime.root }) {
            Some(slot) => slot,
            None => {
                let (memory, storage) = (Some(spec.memory), spec.ephemeral_storage);
                PreparedSlot::make(spawner, self.slots.next_id(), runtime.root, memory, storage).await?
            }
        };
        let parts =
            environment::Parts { spawner, trees: &self.trees, on_endpoint: self.on_endpoint.as_ref(), host, slot };
        Ok(Arc::new(ProcessEnvironment::create(&spec, runtime, parts, output).await?))
    }

    async fn lost(&self) {
        self.slots.spawner.lost().await;
    }

    async fn shutdown(&self) {
        self.pool.close();
        self.slots.spawner.shutdown().await;
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
