//! Wiring: what the server is made of, in the order it is made (foundation, data plane, services), and how it ends.

mod admin;
mod browser;
mod clocks;
mod data_plane;
mod descriptors;
mod foundation;
mod http;
mod identity;
mod messaging;
mod metering;
mod objects;
mod parts;
mod prepare;
mod reach;
pub(crate) mod root_key;
mod runtimes;
mod secure;
mod services;
mod signals;
mod store;
mod unread;

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use hearth_audit::Audit;
use hearth_cloudwatch::CloudWatch;
use hearth_events::Pollers;
use hearth_invoke::{Engine, EngineConfig};
use hearth_logs::Logs;
use hearth_sandbox::Backend;
use hearth_sqs::Sqs;
use hearth_store::DataDir;
use hearth_types::AuthMode;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::data_plane::{AppSlot, DataPlane, Helpers};
use self::descriptors::Room;
use self::foundation::Foundation;
pub(crate) use self::parts::runtime_images_config;
use self::parts::{disk_size, engine_config, instance_name};
use self::prepare::Prepared;
pub(crate) use self::prepare::prepare;
use self::reach::EndpointReach;
use self::services::Services;
use crate::config::Config;

/// Requests in flight at SIGTERM may take this long.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// Clients whose requests were cut off get this long to read that.
const LAST_ANSWERS_MAX: Duration = Duration::from_secs(1);
/// Workers that only have to write down where they are.
const WORKERS_END_MAX: Duration = Duration::from_secs(5);
/// Blocking helper threads get this long at the very end.
pub(crate) const THREADS_END_MAX: Duration = Duration::from_secs(2);

/// Why the server did not start or ended. Each is one sentence with what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error("cannot use the data directory: {0}")]
    Data(String),
    #[error("cannot open the store: {0}")]
    Store(String),
    #[error("cannot start execution environments: {0}")]
    Sandbox(String),
    #[error("cannot listen on {address}: {error} (is another server running there? choose one with --listen)")]
    Listen { address: std::net::SocketAddr, error: std::io::Error },
    #[error("cannot start: {0}")]
    Start(String),
    #[error("the helper process that makes execution environments ended, so the server has ended too; start it again")]
    SpawnerLost,
}

/// Serves until SIGTERM or SIGINT; a second signal ends the process at once. Without its spawner it can run nothing new:
/// it ends with an error then, so that whatever started it starts it again.
pub(crate) async fn run(prepared: Prepared) -> Result<(), ServerError> {
    let stop = CancellationToken::new();
    signals::watch(stop.clone())?;

    let Prepared { config, listener, room, memory, spawner, network, data } = prepared;
    let listen_error = |error| ServerError::Listen { address: config.listen, error };
    let listener = TcpListener::from_std(listener).map_err(listen_error)?;
    let address = listener.local_addr().map_err(listen_error)?;

    if config.auth != AuthMode::Enforce && !address.ip().is_loopback() {
        tracing::warn!(
            "auth is {} on {address}: whoever can reach this address is root here; leave --auth away to hold callers to \
             their credentials",
            config.auth
        );
    }

    let disk = disk_size(&data.storage()).map_err(|error| ServerError::Data(error.to_string()))?;
    let engine = engine_config(&config.execution, room, memory, disk);
    let reach = EndpointReach::new(config.network.clone(), address);
    let house = House::build(&config, (room, engine), Helpers { spawner, network }, reach, data).await?;
    let spawner = tokio::spawn({
        let (backend, stop) = (house.backend.clone(), stop.clone());
        async move {
            backend.lost().await;
            stop.cancel();
        }
    });
    say(&format!("Listening on http://{address}\nReady.\n"));

    let connections = http::serve_outside(listener, room.connections, house.app.clone(), stop).await;
    tracing::info!("stopping");
    house.logs.end_live_tails();
    house.pollers.stop_taking();
    house.sqs.end_polls();
    let deadline = Instant::now() + DRAIN_MAX;
    let mut answered = std::pin::pin!(connections.shutdown());
    let is_late = timeout_at(deadline, answered.as_mut()).await.is_err();
    if is_late {
        tracing::warn!("requests still in flight after {DRAIN_MAX:?} are cut off");
    }
    house.shutdown(deadline).await;
    if is_late {
        // Who does not read the answer does not get one.
        let _ = timeout(LAST_ANSWERS_MAX, answered).await;
    }
    if spawner.is_finished() { Err(ServerError::SpawnerLost) } else { Ok(()) }
}

/// The parts that outlive a request.
struct House {
    app: Arc<http::App>,
    engine: Arc<Engine>,
    pollers: Arc<Pollers>,
    backend: Arc<dyn Backend>,
    logs: Arc<Logs>,
    sqs: Arc<Sqs>,
    cloudwatch: Arc<CloudWatch>,
    audit: Arc<Audit>,
    /// Ends the workers that are the wiring's own.
    stop: CancellationToken,
    workers: TaskTracker,
    // Declared last: an ephemeral directory is removed after everything that writes to it.
    data: DataDir,
}

impl House {
    async fn build(
        config: &Config,
        sizes: (Room, EngineConfig),
        helpers: Helpers,
        reach: EndpointReach,
        data: DataDir,
    ) -> Result<Self, ServerError> {
        let slot = AppSlot::default();
        let ground = Foundation::open(config, &data).await?;
        let plane = DataPlane::start(config, sizes, helpers, &ground, &data, &slot).await?;
        let services = Services::open(config, reach, &ground, &plane, &data).await?;
        let app = Arc::new(http::App::new(config, &ground, &plane, &services, &data)?);
        let _ = slot.set(app.clone());

        let stop = CancellationToken::new();
        let workers = TaskTracker::new();
        let messenger = services.messenger(&ground);
        let Foundation { clocks, messaging, audit, cloudwatch, logs, .. } = ground;
        let DataPlane { backend, engine, .. } = plane;
        let Services { sqs, sns, events, scheduler, s3, pollers, lambda, .. } = services;
        workers.spawn(runtimes::watch(backend.clone(), lambda, stop.clone()));
        workers.spawn(messaging.work(messenger, stop.clone()));
        workers.spawn(clocks.work(stop.clone()));
        workers.spawn(sns.work(stop.clone()));
        workers.spawn(events.work(stop.clone()));
        workers.spawn(scheduler.work(stop.clone()));
        workers.spawn(s3.work(stop.clone()));
        workers.spawn(cloudwatch.clone().work(stop.clone()));
        workers.spawn(hearth_logs::Deliveries::new(logs.clone(), engine.clone()).work(stop.clone()));
        Ok(Self { app, engine, pollers, backend, logs, sqs, cloudwatch, audit, stop, workers, data })
    }

    /// What still runs at the deadline is ended.
    async fn shutdown(self, deadline: Instant) {
        // What is sent later or again waits for the next start: functions take nothing new.
        self.stop.cancel();
        // Batches in flight end with their functions, and what became of them is told to their queues.
        let engine = self.engine.shutdown(deadline.saturating_duration_since(Instant::now()));
        let pollers = timeout_at(deadline + WORKERS_END_MAX, self.pollers.shutdown());
        if tokio::join!(engine, pollers).1.is_err() {
            tracing::error!("shutdown leaves batches of event source mappings behind");
        }
        self.backend.shutdown().await;
        self.workers.close();
        if timeout(WORKERS_END_MAX, self.workers.wait()).await.is_err() {
            tracing::error!("shutdown leaves workers behind");
        }
        // After whoever sends to queues.
        self.sqs.close().await;
        self.cloudwatch.close().await;
        let (logs, audit) = (self.logs, self.audit);
        // Writes and syncs what is queued; blocks, so not on a runtime thread.
        let closed = tokio::task::spawn_blocking(move || {
            logs.close();
            audit.close();
        });
        if closed.await.is_err() {
            tracing::error!("the log store could not be closed");
        }
        drop(self.data);
    }
}

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    // A closed stdout must not end the server.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
