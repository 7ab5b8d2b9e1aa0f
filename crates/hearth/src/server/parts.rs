//! What the configuration means for each part of the server: pure, but for a look at the disk and at files of keys.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hearth_images::RegistryImages;
use hearth_invoke::{EngineConfig, Freezing};
use hearth_lambda::{Readiness, Runnable, RuntimeVersions};
use hearth_ports::{Architecture, RuntimeId};
use hearth_sandbox::package::TreeStore;
use hearth_sandbox::process::{PoolConfig, RuntimeImages};
use hearth_sandbox::runtimes::installed_images;
use hearth_sandbox::{Backend, Unsupported};
use hearth_store::DataDir;
use hearth_sts::Issuers;
use hearth_types::{Mebibytes, Millis};
use sha2::{Digest as _, Sha256};

use super::ServerError;
use super::descriptors::Room;
use super::prepare::Memory;
use crate::config::{Config, Execution, Freeze, Images, Pool, WebIdentity};

/// What is kept free of a small disk: one part of so many.
const DISK_RESERVE_PART: u32 = 16;
/// One part of so many of the memory for sandboxes lies between what is promised and the hard limit.
const SLACK_PART: u32 = 16;

/// The identity providers of the configuration, with the keys in their files.
pub(super) fn issuers(configured: &[WebIdentity]) -> Result<Issuers, ServerError> {
    let mut issuers = Issuers::default();
    for WebIdentity { issuer, audiences, jwks } in configured {
        let failed = |error: &dyn std::fmt::Display| {
            ServerError::Start(format!("web_identity {issuer}: {error} ({})", jwks.display()))
        };
        let keys = std::fs::read_to_string(jwks).map_err(|error| failed(&error))?;
        issuers.add(issuer, audiences.clone(), &keys).map_err(|error| failed(&error))?;
    }
    Ok(issuers)
}

/// Where images come from, as the configuration says it.
pub(super) fn images_config(images: &Images, scratch: PathBuf) -> hearth_images::Config {
    let Images { layouts, mirrors, credentials, .. } = images.clone();
    hearth_images::Config { layouts, mirrors, credentials, scratch }
}

/// As [`images_config`], for references that the operator wrote: a layout may be anywhere.
pub(crate) fn runtime_images_config(images: &Images, scratch: PathBuf) -> hearth_images::Config {
    hearth_images::Config { layouts: vec![PathBuf::from("/")], ..images_config(images, scratch) }
}

pub(super) fn runtime_images(config: &Config, trees: &TreeStore, data: &DataDir) -> std::io::Result<RuntimeImages> {
    let images = RegistryImages::new(runtime_images_config(&config.images, data.storage()));
    // What the configuration says goes before what is installed.
    let mut runtimes: BTreeMap<_, _> = installed_images(&DataDir::runtimes_of(data.root())).into_iter().collect();
    runtimes.extend(config.runtimes.clone());
    RuntimeImages::start(&runtimes, trees.clone(), Arc::new(images), data.runtime_images())
}

/// Whether a function can run here at all, asked when it is created.
pub(super) fn runnable(backend: Arc<dyn Backend>) -> Arc<Runnable> {
    Arc::new(move |runtime: &RuntimeId, architecture: Architecture| match backend.check(runtime, architecture) {
        Ok(()) => {
            backend.expect(runtime);
            Ok(Readiness::Ready)
        }
        Err(Unsupported::NotReady(_)) => Ok(Readiness::NotReady),
        Err(Unsupported::Never(why)) => Err(why),
    })
}

/// Which builds of runtimes functions get here.
pub(super) fn runtime_versions(backend: Arc<dyn Backend>) -> Arc<RuntimeVersions> {
    Arc::new(move |runtime: &RuntimeId, architecture: Architecture| backend.runtime_version(runtime, architecture))
}

/// Servers with different data directories share a machine: each has control groups of its own, the same ones after a
/// restart, so that it finds what its earlier life left.
pub(super) fn instance_name(data: &DataDir) -> String {
    // A hash that stays the same across releases of Hearth and of its compiler.
    hex::encode(&Sha256::digest(data.root().as_os_str().as_encoded_bytes())[..8])
}

/// Slots that wait have open files, too.
pub(super) fn pool_config(pool: &Pool, room: Room) -> PoolConfig {
    let depth = |wanted: usize| wanted.min(room.pool_depth);
    let Pool { depth_min, depth_max, cpu_percent, copies } = *pool;
    PoolConfig { depth_min: depth(depth_min), depth_max: depth(depth_max), cpu_percent, copies }
}

pub(super) fn disk_size(directory: &Path) -> std::io::Result<Mebibytes> {
    let disk = rustix::fs::statvfs(directory)?;
    Ok(Mebibytes::from_bytes_ceil(disk.f_blocks * disk.f_frsize))
}

pub(super) fn engine_config(execution: &Execution, room: Room, memory: Memory, disk: Mebibytes) -> EngineConfig {
    if room.environments < execution.environments_max {
        tracing::warn!(
            "the limit of open files leaves room for {} execution environments and {} connections; raise the hard limit \
             (ulimit -n, LimitNOFILE) for more",
            room.environments,
            room.connections
        );
    }
    let defaults = EngineConfig::for_host(memory.machine);
    EngineConfig {
        // Below the hard limit: environments are to end in good order before the kernel ends them.
        environment_memory: Mebibytes(memory.sandboxes.0 - memory.sandboxes.0 / SLACK_PART),
        idle_timeout: Millis::from_secs(execution.idle_timeout_seconds),
        disk_reserve: execution
            .disk_reserve_mib
            .map_or_else(|| defaults.disk_reserve.min(Mebibytes(disk.0 / DISK_RESERVE_PART)), Mebibytes),
        memory_overcommit: execution.memory_overcommit,
        environments_max: execution.environments_max.min(room.environments),
        freezing: match execution.freeze {
            Freeze::Auto => Freezing::Auto,
            Freeze::Strict => Freezing::Strict,
        },
        ..defaults
    }
}
