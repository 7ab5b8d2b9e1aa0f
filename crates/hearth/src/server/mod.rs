//! Wiring: what the server is made of, in the order it is made, and how it ends.

mod admin;
mod browser;
mod clocks;
mod descriptors;
mod http;
mod identity;
mod messaging;
mod metering;
mod objects;
mod parts;
mod prepare;
mod reach;
pub(crate) mod root_key;
mod secure;
mod signals;
mod store;
mod unread;

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use hearth_audit::Audit;
use hearth_cloudwatch::CloudWatch;
use hearth_delivery::message::Messenger;
use hearth_eventbridge::{EventBridge, EventBridgeParts, EventBuses};
use hearth_events::{Pollers, PollersParts};
use hearth_iam::{Authority, Directory, Iam, Keyring};
use hearth_images::RegistryImages;
use hearth_invoke::{Engine, EngineConfig, EngineParts};
use hearth_lambda::url::UrlDomain;
use hearth_lambda::{Catalog, Lambda, LambdaParts, Layers, Mappings};
use hearth_logs::{Logs, LogsConfig, LogsParts};
use hearth_network::{NetworkClient, NetworkProcess};
use hearth_ports::{Authorizer, CodePackages, LogReader};
use hearth_remote_queues::Queues;
use hearth_sandbox::package::{TreeStore, Unpacker};
use hearth_sandbox::process::EndpointHook;
use hearth_sandbox::{Backend, ProcessBackend, ProcessConfig, SpawnerProcess};
use hearth_scheduler::{Scheduler, SchedulerParts};
use hearth_sns::{HttpClient, Sns, SnsParts, Topics};
use hearth_sqs::{Sqs, SqsParts};
use hearth_store::{Blobs, Codec, DataDir, DirBlobs};
use hearth_sts::{Sts, StsParts};
use hearth_tls::{Certificates, MessageSigner, Names};
use hearth_types::{AccountId, AuthMode, OsRandom, Random};
use hearth_wire::{Front, FrontConfig};
use tokio::net::TcpListener;
use tokio::sync::SetOnce;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::clocks::Clocks;
use self::descriptors::Room;
use self::messaging::Messaging;
pub(crate) use self::parts::runtime_images_config;
use self::parts::{
    disk_size, engine_config, images_config, instance_name, issuers, pool_config, runnable, runtime_images,
    runtime_versions,
};
use self::prepare::Prepared;
pub(crate) use self::prepare::prepare;
use self::reach::EndpointReach;
use crate::config::Config;

/// Requests in flight at SIGTERM may take this long.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// Clients whose requests were cut off get this long to read that.
const LAST_ANSWERS_MAX: Duration = Duration::from_secs(1);
/// Workers that only have to write down where they are.
const WORKERS_END_MAX: Duration = Duration::from_secs(5);
/// Blocking helper threads get this long at the very end.
pub(crate) const THREADS_END_MAX: Duration = Duration::from_secs(2);

/// What the certificate for messages of topics is made out to, as the real one.
const SNS_NAME: &str = "sns.amazonaws.com";
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
    let house = House::build(&config, room, engine, (spawner, network), reach, data).await?;
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
        room: Room,
        engine: EngineConfig,
        (spawner, network): (SpawnerProcess, NetworkProcess),
        reach: EndpointReach,
        data: DataDir,
    ) -> Result<Self, ServerError> {
        let random: Arc<dyn Random> = Arc::new(OsRandom);

        let data_error = |error: &dyn std::fmt::Display| ServerError::Data(error.to_string());
        let store = store::open(&config.store, &data).await?;
        let blobs: Arc<dyn Blobs> = Arc::new(DirBlobs::open(&data.blobs()).map_err(|error| data_error(&error))?);
        let codec = Arc::new(Codec::open(&data.keys()).map_err(|error| data_error(&error))?);
        let clocks = Clocks::open(&store, &codec, config.time_scale).await.map_err(|error| data_error(&error))?;
        let clock = clocks.wall.clone();
        let messaging = Messaging::new(store.clone(), codec.clone(), clocks.service.clone());
        let trees = TreeStore::open(&data.trees(), Unpacker::default()).map_err(|error| data_error(&error))?;

        let start_error = |error: &dyn std::fmt::Display| ServerError::Start(error.to_string());
        let audit =
            Audit::open(&data.audit(), config.audit.keep_mib * 1024 * 1024).map_err(|error| data_error(&error))?;
        let directory =
            Directory::load(store.clone(), codec.clone(), &*random).await.map_err(|error| start_error(&error))?;
        let directory = Arc::new(directory);
        let authority = Arc::new(Authority::new(directory.clone(), config.auth, audit.clone(), clock.clone()));
        let authorizer: Arc<dyn Authorizer> = authority.clone();
        let keyring = Arc::new(Keyring::new(directory.clone(), authority.clone(), clock.clone(), random.clone()));
        let iam = Iam::new(directory.clone(), clock.clone(), random.clone(), authorizer.clone());
        if config.auth == AuthMode::Enforce && !directory.has_root_key(AccountId::DEFAULT) {
            let key = directory.make_root_key(AccountId::DEFAULT, &*clock, &*random);
            say(&root_key::text(&key.await.map_err(|error| start_error(&error))?));
        }
        let cloudwatch = metering::open(&store, &codec, &authorizer, &clock);
        let cloudwatch = cloudwatch.await.map_err(|error| start_error(&error))?;
        let keep = LogsConfig { total_bytes_max: config.logs.keep_mib * 1024 * 1024, ..LogsConfig::default() };
        let logs = LogsParts {
            store: store.clone(),
            codec: codec.clone(),
            clock: clock.clone(),
            random: random.clone(),
            metrics: cloudwatch.clone(),
            outbox: messaging.outbox.clone(),
            config: keep,
        };
        let logs = Logs::open(&data.logs(), logs).await.map_err(|error| data_error(&error))?;
        let catalog = Catalog::load(&*store, &codec).await.map_err(|error| start_error(&error))?;
        let layers = Layers::load(store.clone(), codec.clone()).await.map_err(|error| start_error(&error))?;
        let packages: Arc<dyn CodePackages> = Arc::new(trees.clone());
        let images: Arc<dyn hearth_ports::Images> =
            Arc::new(RegistryImages::new(images_config(&config.images, data.storage())));
        // Before anything runs.
        hearth_lambda::unpack_missing(&catalog, &layers, &blobs, &packages, &images, &*random).await;

        // Functions reach Hearth through a listener inside their own network namespace. Events left from an earlier
        // life may start environments before the front is made: their first connections wait for it.
        let app_slot: Arc<SetOnce<Arc<http::App>>> = Arc::default();
        let on_endpoint = endpoint_hook(app_slot.clone());
        let network = NetworkClient::connect(network).await.map_err(|error| ServerError::Sandbox(error.to_string()))?;
        if let Some(note) = &config.images.note {
            tracing::warn!("{note}");
        }
        let sandboxes = ProcessConfig {
            trees: trees.clone(),
            pool: pool_config(&config.pool, room),
            images: runtime_images(config, &trees, &data).map_err(|error| data_error(&error))?,
            network: Some(network),
            on_endpoint: Some(on_endpoint),
        };
        let backend = ProcessBackend::new(spawner, sandboxes);
        let backend: Arc<dyn Backend> =
            Arc::new(backend.await.map_err(|error| ServerError::Sandbox(error.to_string()))?);

        let sqs = Sqs::open(SqsParts {
            store: store.clone(),
            codec: codec.clone(),
            wall: clock.clone(),
            service: clocks.service.clone(),
            random: random.clone(),
            authorizer: authorizer.clone(),
        });
        let sqs = sqs.await.map_err(|error| start_error(&error))?;

        let account_concurrency = engine.account_concurrency;
        let engine = Engine::start(EngineParts {
            catalog: catalog.clone(),
            backend: backend.clone(),
            store: store.clone(),
            codec: codec.clone(),
            outbox: messaging.outbox.clone(),
            messages: messaging.messages.clone(),
            logs: logs.clone(),
            metrics: cloudwatch.clone(),
            credentials: keyring.clone(),
            authorizer: authorizer.clone(),
            clock: clock.clone(),
            random: random.clone(),
            config: engine,
        })
        .await
        .map_err(|error| start_error(&error))?;

        let here = Arc::new(hearth_sqs::Queues(sqs.clone()));
        let queues = Queues::new(here, config.remote_queues.clone(), authorizer.clone(), clock.clone());
        let queues = Arc::new(queues);
        let tls = DataDir::tls_of(data.root());
        let signer = MessageSigner::new(&tls, SNS_NAME, clock.clone(), random.clone());
        let sns = Sns::open(SnsParts {
            store: store.clone(),
            codec: codec.clone(),
            outbox: messaging.outbox.clone(),
            queues: queues.clone(),
            invoker: engine.clone(),
            web: Arc::new(HttpClient::new(Arc::new(reach))),
            signer: Arc::new(signer),
            authorizer: authorizer.clone(),
            wall: clock.clone(),
            random: random.clone(),
        });
        let sns = sns.await.map_err(|error| start_error(&error))?;
        let topics = Arc::new(Topics(sns.clone()));
        let events = EventBridge::open(EventBridgeParts {
            store: store.clone(),
            codec: codec.clone(),
            outbox: messaging.outbox.clone(),
            queues: queues.clone(),
            topics: topics.clone(),
            invoker: engine.clone(),
            credentials: keyring.clone(),
            authorizer: authorizer.clone(),
            wall: clock.clone(),
            random: random.clone(),
        });
        let events = events.await.map_err(|error| start_error(&error))?;
        let scheduler = Scheduler::open(SchedulerParts {
            store: store.clone(),
            codec: codec.clone(),
            outbox: messaging.outbox.clone(),
            invoker: engine.clone(),
            queues: queues.clone(),
            topics: Arc::new(Topics(sns.clone())),
            buses: Arc::new(EventBuses(events.clone())),
            roles: keyring.clone(),
            authorizer: authorizer.clone(),
            wall: clock.clone(),
            random: random.clone(),
        });
        let scheduler = scheduler.await.map_err(|error| start_error(&error))?;
        let s3 = objects::open(objects::Shared {
            store: &store,
            codec: &codec,
            data: &data,
            messaging: &messaging,
            queues: queues.clone(),
            consumers: queues.clone(),
            topics: topics.clone(),
            invoker: engine.clone(),
            bus: Arc::new(EventBuses(events.clone())),
            authorizer: &authorizer,
            clock: &clock,
            random: &random,
        });
        let s3 = s3.await?;
        let s3_objects = Arc::new(hearth_s3::Objects(s3.clone()));
        let sending = queues.clone();
        let pollers = Pollers::new(PollersParts {
            queues: queues.clone(),
            invoker: engine.clone(),
            catalog: catalog.clone(),
            credentials: keyring.clone(),
            clock: clock.clone(),
            random: random.clone(),
        });
        let mappings = Mappings::load(store.clone(), codec.clone(), pollers.clone(), clock.clone());
        let mappings = mappings.await.map_err(|error| start_error(&error))?;
        let lambda = Lambda::start(LambdaParts {
            catalog,
            layers,
            mappings,
            queues,
            objects: s3_objects.clone(),
            store,
            blobs,
            codec,
            packages,
            images,
            invoker: engine.clone(),
            keeper: engine.clone(),
            authorizer: authorizer.clone(),
            credentials: keyring.clone(),
            metrics: cloudwatch.clone(),
            runnable: runnable(backend.clone()),
            runtime_versions: runtime_versions(backend.clone()),
            account_concurrency,
            urls: UrlDomain::new(config.urls.domain.clone()),
            clock: clock.clone(),
            random: random.clone(),
        });

        let authority = hearth_tls::Authority::open(&tls, clock.now_ms(), &*random);
        let authority = authority.map_err(|error| data_error(&error))?;
        let names = Names::new(&config.allowed_hosts, config.urls.domain.as_deref());
        let certificates =
            Certificates::new(authority, names, clock.clone(), random.clone()).map_err(|error| start_error(&error))?;

        let mut services = vec![
            hearth_lambda::service(lambda.clone()),
            hearth_iam::service(iam.clone()),
            hearth_sts::service(Arc::new(Sts::new(StsParts {
                authorizer: authorizer.clone(),
                roles: keyring.clone(),
                credentials: keyring.clone(),
                issuers: issuers(&config.web_identities)?,
                clock: clock.clone(),
            }))),
            hearth_logs::service(hearth_logs::Api::new(logs.clone(), authorizer.clone(), engine.clone())),
        ];
        services.extend(hearth_sqs::services(&sqs));
        services.push(hearth_sns::service(&sns));
        services.extend(hearth_cloudwatch::services(&cloudwatch));
        services.push(hearth_eventbridge::service(&events));
        services.push(hearth_scheduler::service(&scheduler));
        let front = Front::new(FrontConfig {
            services,
            keys: keyring.clone(),
            clock,
            random,
            auth: config.auth,
            sandbox_auth: config.sandbox_auth,
        })
        .map_err(|error| start_error(&error))?;
        let log_reader: Arc<dyn LogReader> = logs.clone();
        let app = Arc::new(http::App {
            front,
            lambda,
            objects: objects::ObjectsDoor::new(s3.clone()),
            certificates,
            logs: log_reader,
            sqs: sqs.clone(),
            sns: sns.clone(),
            cloudwatch: cloudwatch.clone(),
            instance: instance_name(&data),
            authorizer,
            // Who must sign every request is nobody's browser.
            allowed_hosts: (config.auth != AuthMode::Enforce).then(|| config.allowed_hosts.clone()),
        });
        let _ = app_slot.set(app.clone());
        let stop = CancellationToken::new();
        let workers = TaskTracker::new();
        let messenger = Messenger {
            queues: sending,
            topics,
            objects: s3_objects,
            buses: Arc::new(EventBuses(events.clone())),
            credentials: keyring.clone(),
            metrics: cloudwatch.clone(),
            clock: clocks.wall.clone(),
        };
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

fn endpoint_hook(app: Arc<SetOnce<Arc<http::App>>>) -> EndpointHook {
    let runtime = tokio::runtime::Handle::current();
    Arc::new(move |environment, listener| {
        let app = app.clone();
        runtime.spawn(async move { http::serve_inside(environment, listener, app.wait().await.clone()).await })
    })
}

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    // A closed stdout must not end the server.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
