//! What runs functions: their code and images, execution environments, and the engine over them.

use std::sync::Arc;

use hearth_images::RegistryImages;
use hearth_invoke::{Engine, EngineConfig, EngineParts};
use hearth_lambda::{Catalog, Layers};
use hearth_network::{NetworkClient, NetworkProcess};
use hearth_ports::{CodePackages, Images};
use hearth_sandbox::package::{TreeStore, Unpacker};
use hearth_sandbox::process::EndpointHook;
use hearth_sandbox::{Backend, ProcessBackend, ProcessConfig, SpawnerProcess};
use hearth_store::DataDir;
use tokio::sync::SetOnce;

use super::descriptors::Room;
use super::foundation::{Foundation, not_started, unusable};
use super::parts::{images_config, pool_config, runtime_images};
use super::{ServerError, http};
use crate::config::Config;

/// Functions reach Hearth through a listener inside their own network namespace. Events left from an earlier life may start
/// environments before the front is made: their first connections wait for it.
pub(super) type AppSlot = Arc<SetOnce<Arc<http::App>>>;

/// The processes that have what the server gave up.
pub(super) struct Helpers {
    pub(super) spawner: SpawnerProcess,
    pub(super) network: NetworkProcess,
}

pub(super) struct DataPlane {
    pub(super) catalog: Arc<Catalog>,
    pub(super) layers: Arc<Layers>,
    pub(super) packages: Arc<dyn CodePackages>,
    pub(super) images: Arc<dyn Images>,
    pub(super) backend: Arc<dyn Backend>,
    pub(super) engine: Arc<Engine>,
    pub(super) account_concurrency: u32,
}

impl DataPlane {
    pub(super) async fn start(
        config: &Config,
        (room, engine): (Room, EngineConfig),
        Helpers { spawner, network }: Helpers,
        ground: &Foundation,
        data: &DataDir,
        app: &AppSlot,
    ) -> Result<Self, ServerError> {
        let trees = TreeStore::open(&data.trees(), Unpacker::default()).map_err(unusable)?;
        let catalog = Catalog::load(&*ground.store, &ground.codec).await.map_err(not_started)?;
        let layers = Layers::load(ground.store.clone(), ground.codec.clone()).await.map_err(not_started)?;
        let packages: Arc<dyn CodePackages> = Arc::new(trees.clone());
        let images: Arc<dyn Images> = Arc::new(RegistryImages::new(images_config(&config.images, data.storage())));
        // Before anything runs.
        hearth_lambda::unpack_missing(&catalog, &layers, &ground.blobs, &packages, &images, &*ground.random).await;

        let not_made = |error: &dyn std::fmt::Display| ServerError::Sandbox(error.to_string());
        let network = NetworkClient::connect(network).await.map_err(|error| not_made(&error))?;
        if let Some(note) = &config.images.note {
            tracing::warn!("{note}");
        }
        let sandboxes = ProcessConfig {
            trees: trees.clone(),
            pool: pool_config(&config.pool, room),
            images: runtime_images(config, &trees, data).map_err(unusable)?,
            network: Some(network),
            on_endpoint: Some(endpoint_hook(app.clone())),
        };
        let backend = ProcessBackend::new(spawner, sandboxes).await.map_err(|error| not_made(&error))?;
        let backend: Arc<dyn Backend> = Arc::new(backend);
        catalog.runtimes().iter().for_each(|runtime| backend.expect(runtime));

        let account_concurrency = engine.account_concurrency;
        let engine = EngineParts {
            catalog: catalog.clone(),
            backend: backend.clone(),
            store: ground.store.clone(),
            codec: ground.codec.clone(),
            outbox: ground.outbox(),
            messages: ground.messaging.messages.clone(),
            logs: ground.logs.clone(),
            metrics: ground.cloudwatch.clone(),
            credentials: ground.keyring.clone(),
            authorizer: ground.authorizer.clone(),
            clock: ground.clock(),
            random: ground.random.clone(),
            config: engine,
        };
        let engine = Engine::start(engine).await.map_err(not_started)?;
        Ok(Self { catalog, layers, packages, images, backend, engine, account_concurrency })
    }
}

fn endpoint_hook(app: AppSlot) -> EndpointHook {
    let runtime = tokio::runtime::Handle::current();
    Arc::new(move |environment, listener| {
        let app = app.clone();
        runtime.spawn(async move { http::serve_inside(environment, listener, app.wait().await.clone()).await })
    })
}
