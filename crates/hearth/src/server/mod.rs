//! Wiring: what the server is made of, in the order it is made, and how it ends.

mod admin;
mod http;

use std::io::Write as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hearth_authz::AllowAll;
use hearth_iam::Iam;
use hearth_invoke::{Engine, EngineConfig, EngineParts};
use hearth_lambda::{Catalog, Lambda, LambdaParts};
use hearth_logs::Logs;
use hearth_ports::{Authorizer, LogReader};
use hearth_sandbox::package::TreeStore;
use hearth_sandbox::{Backend, ProcessBackend, ProcessConfig};
use hearth_store::{Blobs, Codec, DataDir, DirBlobs, SqliteStore, Store};
use hearth_types::{Clock, Millis, OsRandom, Random, SystemClock};
use hearth_wire::{Front, FrontConfig, Listener};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, DataLocation};

/// Requests in flight at SIGTERM may take this long.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// Blocking helper threads get this long at the very end.
pub(crate) const THREADS_END_MAX: Duration = Duration::from_secs(2);

/// Why the server did not start or ended. Each is one sentence with what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error("cannot use the data directory: {0}")]
    Data(String),
    #[error("cannot start execution environments: {0}")]
    Sandbox(String),
    #[error("cannot listen on {address}: {error} (is another server running there? choose one with --listen)")]
    Listen { address: std::net::SocketAddr, error: std::io::Error },
    #[error("cannot start: {0}")]
    Start(String),
}

/// Serves until SIGTERM or SIGINT; a second signal ends the process at once.
pub(crate) async fn run(config: Config) -> Result<(), ServerError> {
    let stop = CancellationToken::new();
    watch_signals(stop.clone())?;

    // Listening first: a taken port must not cost an opened data directory.
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|error| ServerError::Listen { address: config.listen, error })?;
    let address = listener.local_addr().map_err(|error| ServerError::Listen { address: config.listen, error })?;

    let house = House::build(&config).await?;
    say(&format!("Listening on http://{address}\nReady.\n"));

    http::serve_outside(listener, house.app.clone(), stop.clone(), DRAIN_MAX).await;
    tracing::info!("stopping");
    house.shutdown().await;
    Ok(())
}

/// The parts that outlive a request.
struct House {
    app: Arc<http::App>,
    engine: Arc<Engine>,
    backend: Arc<dyn Backend>,
    logs: Arc<Logs>,
    // Declared last: an ephemeral directory is removed after everything that writes to it.
    data: DataDir,
}

impl House {
    async fn build(config: &Config) -> Result<Self, ServerError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let random: Arc<dyn Random> = Arc::new(OsRandom);
        let authorizer: Arc<dyn Authorizer> = Arc::new(AllowAll);

        let data = match &config.data {
            DataLocation::Directory(path) => DataDir::open(path),
            DataLocation::Ephemeral => DataDir::ephemeral(),
        }
        .map_err(|error| ServerError::Data(error.to_string()))?;
        let data_error = |error: &dyn std::fmt::Display| ServerError::Data(error.to_string());
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&data.store()).map_err(|error| data_error(&error))?);
        let blobs: Arc<dyn Blobs> = Arc::new(DirBlobs::open(&data.blobs()).map_err(|error| data_error(&error))?);
        let codec = Arc::new(Codec::open(&data.keys()).map_err(|error| data_error(&error))?);
        let packages = Arc::new(TreeStore::open(&data.trees()).map_err(|error| data_error(&error))?);
        let logs = Logs::open(&data.logs(), clock.clone()).map_err(|error| data_error(&error))?;

        let start_error = |error: &dyn std::fmt::Display| ServerError::Start(error.to_string());
        let iam = Iam::load(store.clone(), codec.clone(), clock.clone(), random.clone(), authorizer.clone())
            .await
            .map_err(|error| start_error(&error))?;
        let catalog = Catalog::load(store.clone(), codec.clone(), clock.clone(), random.clone())
            .await
            .map_err(|error| start_error(&error))?;

        // Functions reach Hearth through a listener inside their own network namespace. Environments can start
        // before the front is ready, so it is filled in below.
        let app_slot: Arc<OnceLock<Arc<http::App>>> = Arc::default();
        let backend: Arc<dyn Backend> = {
            let app_slot = app_slot.clone();
            let runtime = tokio::runtime::Handle::current();
            ProcessBackend::new(ProcessConfig {
                trees: data.trees(),
                runtime: data.runtime(),
                on_endpoint: Some(Arc::new(move |environment, listener| {
                    if let Some(app) = app_slot.get() {
                        http::serve_inside(&runtime, environment, listener, app.clone());
                    }
                })),
                ..ProcessConfig::default()
            })
            .await
            .map_err(|error| ServerError::Sandbox(error.to_string()))?
        };

        let engine = Engine::start(EngineParts {
            catalog: catalog.clone(),
            backend: backend.clone(),
            store: store.clone(),
            codec: codec.clone(),
            logs: logs.clone(),
            credentials: iam.clone(),
            authorizer: authorizer.clone(),
            clock: clock.clone(),
            random: random.clone(),
            config: EngineConfig {
                idle_timeout: Millis::from_secs(config.execution.idle_timeout_seconds),
                ..EngineConfig::default()
            },
        })
        .await
        .map_err(|error| start_error(&error))?;

        let lambda = Lambda::start(LambdaParts {
            catalog,
            store,
            blobs,
            codec,
            packages,
            invoker: engine.clone(),
            keeper: engine.clone(),
            authorizer: authorizer.clone(),
            clock: clock.clone(),
            random: random.clone(),
        })
        .await
        .map_err(|error| start_error(&error))?;

        let front = Front::new(FrontConfig {
            services: vec![
                hearth_lambda::service(lambda.clone()),
                hearth_iam::service(iam.clone()),
                hearth_sts::service(Arc::new(hearth_sts::Sts::new(authorizer))),
            ],
            keys: iam,
            clock,
            random,
        });
        let log_reader: Arc<dyn LogReader> = logs.clone();
        let app = Arc::new(http::App { front, lambda, logs: log_reader });
        let _ = app_slot.set(app.clone());
        Ok(Self { app, engine, backend, logs, data })
    }

    async fn shutdown(self) {
        self.engine.shutdown(DRAIN_MAX).await;
        self.backend.shutdown().await;
        self.logs.flush().await;
        drop(self.data);
    }
}

fn watch_signals(stop: CancellationToken) -> Result<(), ServerError> {
    use tokio::signal::unix::{SignalKind, signal};
    let on = |kind| signal(kind).map_err(|error| ServerError::Start(error.to_string()));
    let (mut terminate, mut interrupt) = (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if stop.is_cancelled() {
                std::process::exit(130);
            }
            stop.cancel();
        }
    });
    Ok(())
}

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    // A closed stdout must not end the server.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
