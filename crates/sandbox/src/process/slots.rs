//! Where slots come from: what the backend and the pool ask the spawner for, and which kinds are worth having before anybody
//! asks.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use hearth_network::NetworkClient;
use hearth_ports::RuntimeId;
use hearth_types::limits::EPHEMERAL_STORAGE_MIN;
use parking_lot::RwLock;

use super::client::SpawnerClient;
use super::images::RuntimeImages;
use super::launch;
use super::pool::{Kind, Maker, Started};
use super::slot::{PreparedSlot, Wanted};
use crate::environment::{EnvironmentId, SandboxError};
use crate::protocol::{ImageTree, Launch};
use crate::runtimes::{self, Prestart, Program, Root, Runtime};
use crate::variables::{self, Host};

/// See the module.
pub(super) struct Slots {
    pub(super) spawner: Arc<SpawnerClient>,
    pub(super) network: Option<Arc<NetworkClient>>,
    pub(super) ids: AtomicU64,
    pub(super) images: RuntimeImages,
    /// Roots whose interpreter needs `LD_LIBRARY_PATH`.
    pub(super) library_path: RwLock<BTreeSet<Root>>,
    /// Roots that have an archive of their Java's classes by now.
    pub(super) class_archives: RwLock<BTreeSet<Root>>,
    pub(super) endpoint: bool,
}

impl Slots {
    fn next_id(&self) -> EnvironmentId {
        EnvironmentId(self.ids.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) async fn prepare(&self, wanted: Wanted) -> Result<PreparedSlot, SandboxError> {
        PreparedSlot::make(&self.spawner, self.network.as_deref(), self.next_id(), wanted).await
    }

    pub(super) fn has_class_archive(&self, root: Root) -> bool {
        self.class_archives.read().contains(&root)
    }

    pub(super) fn host(&self, root: Root) -> Host<'static> {
        Host { needs_library_path: self.library_path.read().contains(&root), endpoint: self.endpoint, image: None }
    }
}

#[async_trait]
impl Maker for Slots {
    async fn make(&self, Kind { root, image, started }: Kind) -> Result<PreparedSlot, SandboxError> {
        let memory = started.and_then(|started| started.memory);
        let ephemeral_storage = EPHEMERAL_STORAGE_MIN;
        let mut slot = self.prepare(Wanted { root, image, memory, ephemeral_storage, for_copy: false }).await?;
        if let Some(started) = started {
            let id = RuntimeId(started.runtime.into());
            let image = image.and_then(|_| self.images.at_hand(&id));
            let runtime = image.as_ref().map_or_else(|| runtimes::find(&id), |image| Ok(image.runtime))?;
            let mut variables = variables::prepared(runtime, Host { image: image.as_deref(), ..self.host(root) });
            // Its command line may name it.
            variables.extend(memory.map(|memory| (variables::MEMORY_SIZE.to_owned(), memory.to_string())));
            let image = (None, image.as_deref());
            let launch = launch::launch(runtime, image, self.has_class_archive(root), variables);
            slot.start(Launch { when_furnished: false, ..launch }).await?;
        }
        Ok(slot)
    }
}

/// What is worth preparing for functions of a runtime before anything else is known of them. An image that is the runtime's
/// root stays the same, and kept, for as long as the server runs.
pub(super) fn kinds(runtime: &'static Runtime, image: Option<ImageTree>) -> impl Iterator<Item = Kind> {
    let of = move |started| Kind { root: runtime.root, image, started };
    let started = (runtime.prestart == Prestart::Always).then_some(Started { runtime: runtime.id, memory: None });
    let empty = (runtime.program != Program::Image).then_some(of(None));
    empty.into_iter().chain(started.map(|started| of(Some(started))))
}
