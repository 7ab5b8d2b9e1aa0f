//! What the server does with the privileges it was started with, before it gives them up: it binds its port, opens its
//! data, raises its limits and starts the spawner. One thread, no runtime.

use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use hearth_network::protocol::Boot;
use hearth_network::{NetworkConfig, NetworkProcess};
use hearth_sandbox::runtimes::Search;
use hearth_sandbox::{SpawnerConfig, SpawnerProcess};
use hearth_store::DataDir;

use super::descriptors::{self, Room};
use super::identity::{self, Candidates};
use super::{ServerError, instance_name, signals};
use crate::config::{Config, DataLocation};
use hearth_sandbox::cgroup::machine_memory;
use hearth_types::Mebibytes;

/// One part of so many of the machine's memory is never a function's.
const HOST_PART: u32 = 16;
/// Slots that may be begun after a crowd, for each that may wait of a kind; and of all. Each holds a dozen descriptors.
const STOCK_PER_DEPTH: usize = 4;
const STOCK_MAX: usize = 256;

/// A server that has what it needs and no privileges.
pub(crate) struct Prepared {
    pub(super) config: Config,
    pub(super) listener: TcpListener,
    pub(super) room: Room,
    pub(super) memory: Memory,
    pub(super) spawner: SpawnerProcess,
    pub(super) network: NetworkProcess,
    // Declared last: an ephemeral directory is removed after everything that writes to it.
    pub(super) data: DataDir,
}

/// What there is of memory, and what of it is for functions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    pub(super) machine: Mebibytes,
    /// All sandboxes together are held to this; the kernel ends what goes beyond.
    pub(super) sandboxes: Mebibytes,
}

impl Memory {
    /// What the configuration says, else all but a sixteenth.
    fn of(machine: Mebibytes, configured: Option<u32>) -> Self {
        let most = machine.0 - machine.0 / HOST_PART;
        Self { machine, sandboxes: Mebibytes(configured.map_or(most, |configured| configured.min(most))) }
    }
}

/// # Errors
/// [`ServerError`], with what to do.
pub(crate) fn prepare(config: Config) -> Result<Prepared, ServerError> {
    signals::hold()?;
    // Listening first: a taken port must not cost an opened data directory.
    let listen_error = |error| ServerError::Listen { address: config.listen, error };
    let listener = TcpListener::bind(config.listen).map_err(listen_error)?;
    listener.set_nonblocking(true).map_err(listen_error)?;

    let data = match &config.data {
        DataLocation::Directory(path) => DataDir::open(path),
        DataLocation::Ephemeral => DataDir::ephemeral(),
    }
    .map_err(|error| ServerError::Data(error.to_string()))?;
    let room = descriptors::room();
    let machine = machine_memory().map_err(|error| ServerError::Sandbox(error.to_string()))?;
    let memory = Memory::of(machine, config.execution.memory_mib);

    let is_root = rustix::process::geteuid().is_root();
    let identity = if is_root { Some(choose(&config, &data)?) } else { None };
    let spawner = SpawnerProcess::start(SpawnerConfig {
        instance: instance_name(&data),
        trees: data.trees(),
        storage: data.storage(),
        write_per_second: Mebibytes(config.execution.storage_write_mib_per_second),
        memory: memory.sandboxes,
        network: true,
        // Who switches the pool off wants nothing made ahead of need.
        stock_max: config.pool.depth_max.saturating_mul(STOCK_PER_DEPTH).min(STOCK_MAX),
        search: Search::from_environment().with_installed(DataDir::runtimes_of(data.root())),
        program: None,
    })
    .map_err(|error| ServerError::Sandbox(error.to_string()))?;
    let network = NetworkProcess::start(NetworkConfig {
        program: None,
        boot: Boot {
            policy: config.network.clone(),
            identity: identity::NETWORK,
            resolv_conf: PathBuf::from("/etc/resolv.conf"),
        },
    })
    .map_err(|error| ServerError::Sandbox(error.to_string()))?;
    if let Some(identity) = identity {
        identity.assume().map_err(|error| ServerError::Start(error.to_string()))?;
    }
    Ok(Prepared { config, listener, room, memory, spawner, network, data })
}

/// Whose the data is from now on.
fn choose(config: &Config, data: &DataDir) -> Result<identity::Identity, ServerError> {
    let owner = std::fs::metadata(data.root()).map_err(|error| ServerError::Data(error.to_string()))?;
    let candidates =
        Candidates { wanted: config.user.as_deref(), sudo: Candidates::sudo(), data: (owner.uid(), owner.gid()) };
    let identity = candidates.choose().map_err(|error| ServerError::Start(error.to_string()))?;
    let identity = identity.reaching(data.root());
    identity.own(data.root()).map_err(|error| ServerError::Data(error.to_string()))?;
    Ok(identity)
}
