//! An environment that has its slot, and whose code the spawner mounts while the caller finds out the rest.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::OwnedSemaphorePermit;

use super::client::Furnishing;
use super::environment::{Parts, ProcessEnvironment};
use super::pool::Making;
use super::slot::PreparedSlot;
use super::{EndpointHook, Slots};
use crate::environment::{Begun, Environment, EnvironmentSpec, OutputSink, SandboxError};
use crate::package::{TreeHold, TreeStore};
use crate::protocol::FurnishSlot;
use crate::runtimes::{ImageRoot, Runtime};
use crate::variables::{self, Host};

/// What an environment is made of.
pub(super) struct Wanted {
    pub(super) spec: EnvironmentSpec,
    pub(super) runtime: &'static Runtime,
    /// The image that is the runtime's root.
    pub(super) image: Option<Arc<ImageRoot>>,
}

/// Dropped, it ends the slot.
pub(super) struct BegunEnvironment {
    wanted: Wanted,
    slots: Arc<Slots>,
    slot: PreparedSlot,
    furnishing: Furnishing,
    trees: Vec<TreeHold>,
    on_endpoint: Option<EndpointHook>,
    /// Held until it is made.
    _making: Making,
    _turn: OwnedSemaphorePermit,
}

impl Wanted {
    /// Everything its runtime process starts with, as far as it is known.
    pub(super) fn variables(&self, slots: &Slots) -> std::collections::BTreeMap<String, String> {
        variables::variables(&self.spec, self.runtime, self.host(slots))
    }

    pub(super) fn host<'a>(&'a self, slots: &Slots) -> Host<'a> {
        Host { image: self.image.as_deref(), ..slots.host(self.runtime.root) }
    }
}

impl BegunEnvironment {
    /// Asks for what makes a slot a function's.
    ///
    /// # Errors
    /// [`SandboxError`]; the slot ends then.
    pub(super) async fn new(
        wanted: Wanted,
        slots: &Arc<Slots>,
        slot: PreparedSlot,
        trees: &TreeStore,
        on_endpoint: Option<EndpointHook>,
        (making, turn): (Making, OwnedSemaphorePermit),
    ) -> Result<Self, SandboxError> {
        let held = |digest| {
            let missing = || SandboxError::Create(format!("the code package {digest:?} is not installed"));
            trees.hold(digest).ok_or_else(missing)
        };
        let Wanted { spec, image, .. } = &wanted;
        let root = image.as_ref().map(|image| &image.digest);
        let trees =
            std::iter::once(&spec.code).chain(&spec.layers).chain(root).map(held).collect::<Result<Vec<_>, _>>()?;
        let request = FurnishSlot {
            slot: slot.id.0,
            code: spec.code,
            layers: spec.layers.clone(),
            memory: spec.memory,
            ephemeral_storage: spec.ephemeral_storage,
        };
        let furnishing = slots.spawner.furnish(request).await?;
        let slots = Arc::clone(slots);
        Ok(Self { wanted, slots, slot, furnishing, trees, on_endpoint, _making: making, _turn: turn })
    }
}

#[async_trait]
impl Begun for BegunEnvironment {
    async fn create(
        mut self: Box<Self>,
        variables: Vec<(String, String)>,
        output: Arc<dyn OutputSink>,
    ) -> Result<Arc<dyn Environment>, SandboxError> {
        self.wanted.spec.variables.extend(variables);
        let variables = self.wanted.variables(&self.slots);
        let Self { wanted: Wanted { spec, runtime, image }, slots, slot, furnishing, trees, on_endpoint, .. } = *self;
        let parts = Parts {
            spawner: Arc::clone(&slots.spawner),
            trees,
            on_endpoint,
            root: image.as_deref(),
            has_class_archive: slots.has_class_archive(runtime.root),
            slot,
            furnishing,
        };
        Ok(Arc::new(ProcessEnvironment::create(&spec, runtime, variables, parts, output).await?))
    }
}
