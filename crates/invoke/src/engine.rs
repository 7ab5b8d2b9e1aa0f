//! The data plane as a whole: what it is made of, its background workers, its start and its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use hearth_delivery::message::Message;
use hearth_delivery::{Lane, LaneLimits, Outbox};
use hearth_ports::{
    Authorizer, CredentialIssuer, EnvironmentKeeper, FunctionCatalog, InvokeError, InvokeRequest, InvokeResponse,
    Invoker, LogSink, MetricSink, Provision, Provisioned, StreamedResponse,
};
use hearth_sandbox::Backend;
use hearth_store::{Codec, Store};
use hearth_types::{Clock, FunctionUid, Random, RequestContext, SnapshotId, Version};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::config::EngineConfig;
use crate::environment::Workshop;
use crate::events::{Event, LANE};
use crate::gate::Gate;
use crate::lease::Environments;
use crate::metrics::Metrics;
use crate::pipeline;
use crate::pool::PoolLimits;
use crate::response_stream::StreamLimits;
use crate::usage::Usage;

/// How long a shutdown waits for what must end by itself once all environments are gone.
const END_WAIT: Duration = Duration::from_secs(5);

/// What the data plane is wired to.
pub struct EngineParts {
    pub catalog: Arc<dyn FunctionCatalog>,
    pub backend: Arc<dyn Backend>,
    pub store: Arc<dyn Store>,
    pub codec: Arc<Codec>,
    pub outbox: Arc<Outbox>,
    /// Where dead letters and records for queues and topics go out.
    pub messages: Arc<Lane<Message>>,
    pub logs: Arc<dyn LogSink>,
    pub metrics: Arc<dyn MetricSink>,
    pub credentials: Arc<dyn CredentialIssuer>,
    pub authorizer: Arc<dyn Authorizer>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub config: EngineConfig,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting that no environment could ever be made with.
    #[error("the data plane cannot start: {0}")]
    Config(&'static str),
}

/// The data plane: runs functions in execution environments. See [`crate`].
pub struct Engine {
    core: Arc<Core>,
    workers: TaskTracker,
}

/// What an invocation needs of the engine.
pub(crate) struct Core {
    pub(crate) catalog: Arc<dyn FunctionCatalog>,
    pub(crate) authorizer: Arc<dyn Authorizer>,
    pub(crate) credentials: Arc<dyn CredentialIssuer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) gate: Gate,
    pub(crate) environments: Arc<Environments>,
    pub(crate) events: Arc<Lane<Event>>,
    pub(crate) messages: Arc<Lane<Message>>,
    pub(crate) stream: StreamLimits,
    pub(crate) metrics: Metrics,
    usage: Arc<Usage>,
    backend: Arc<dyn Backend>,
    /// Invocations and acceptances under way.
    in_flight: TaskTracker,
    /// No new work; workers end.
    stop: CancellationToken,
    /// The server has ended the environments: what an invocation tells from now on is not the function's doing.
    is_ended: AtomicBool,
}

impl Engine {
    /// Starts the workers. Events that an earlier life of the server accepted go on from the store.
    ///
    /// # Errors
    /// [`StartError`] for settings that make no sense.
    #[expect(clippy::unused_async, reason = "must be called inside the runtime that the workers use")]
    pub async fn start(parts: EngineParts) -> Result<Arc<Self>, StartError> {
        let config = &parts.config;
        if config.environments_max == 0 || config.environment_memory.0 == 0 {
            return Err(StartError::Config("there is no room for a single execution environment"));
        }
        if config.event_concurrency == 0 || config.account_concurrency == 0 {
            return Err(StartError::Config("a concurrency of 0 runs nothing"));
        }
        let core = Arc::new(Core::new(parts));
        let engine = Arc::new(Self { core, workers: TaskTracker::new() });
        engine.spawn_workers();
        Ok(engine)
    }

    /// Every background job of the data plane. All end when the engine is stopped; none ends by an error: each logs it
    /// and tries again.
    ///
    /// | worker | does | when there is nothing to do |
    /// |---|---|---|
    /// | environments | ends idle environments after their time | looks again after a tenth of the idle time-out |
    /// | freezer | freezes idle environments where that is slow | looks again after half the grace |
    /// | room | ends environments when memory or disk is short | looks again after a quarter of a second |
    /// | provisioner | keeps provisioned environments ready | looks again after some seconds |
    /// | usage | writes the usage roll-up, at most each second | sleeps until something is counted |
    /// | events | runs asynchronous invocations | sleeps until the next is due |
    fn spawn_workers(&self) {
        let core = Arc::clone(&self.core);
        self.workers.spawn(async move { core.environments.work(&core.stop).await });
        let core = Arc::clone(&self.core);
        self.workers.spawn(async move { core.environments.freeze_idle(&core.stop).await });
        let core = Arc::clone(&self.core);
        self.workers.spawn(async move { core.environments.watch_room(&core.stop).await });
        let core = Arc::clone(&self.core);
        self.workers.spawn(async move { core.environments.keep_ready(&core.stop).await });
        let core = Arc::clone(&self.core);
        self.workers.spawn(async move { core.usage.work(&core.stop).await });
        let core = Arc::clone(&self.core);
        self.workers
            .spawn(async move { Arc::clone(&core.events).work(Arc::clone(&core), &core.stop, &core.in_flight).await });
    }

    /// Takes no more work, lets what runs finish for at most `deadline`, ends all environments and writes the usage.
    /// Events that are not dealt with stay in the store.
    pub async fn shutdown(&self, deadline: Duration) {
        let core = &self.core;
        core.stop.cancel();
        core.in_flight.close();
        if tokio::time::timeout(deadline, core.in_flight.wait()).await.is_err() {
            tracing::warn!(invocations = core.in_flight.len(), "shutdown ends invocations that still run");
        }
        core.is_ended.store(true, Ordering::Release);
        core.backend.shutdown().await;
        // What still ran gets its answer now: its environment is gone.
        let rest = async {
            core.environments.close().await;
            core.in_flight.wait().await;
            self.workers.close();
            self.workers.wait().await;
        };
        if tokio::time::timeout(END_WAIT, rest).await.is_err() {
            tracing::error!("shutdown leaves environments or workers behind");
        }
        if let Err(error) = core.usage.write().await {
            tracing::error!(%error, "the usage of the last second is lost");
        }
    }
}

#[cfg(test)]
impl Engine {
    pub(crate) fn core(&self) -> &Core {
        &self.core
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.core.stop.cancel();
    }
}

impl Core {
    fn new(parts: EngineParts) -> Self {
        let EngineParts {
            catalog,
            backend,
            store,
            codec,
            outbox,
            messages,
            logs,
            metrics,
            credentials,
            authorizer,
            clock,
            random,
            config,
        } = parts;
        let usage = Arc::new(Usage::new(store, codec));
        let limits = PoolLimits {
            room: config.room_limits(),
            environments: config.environments_max,
            idle_ms: i64::try_from(config.idle_timeout.0).unwrap_or(i64::MAX),
            age_ms: i64::try_from(config.environment_age_max.0).unwrap_or(i64::MAX),
        };
        let stop = CancellationToken::new();
        let workshop = Workshop {
            backend: Arc::clone(&backend),
            logs,
            credentials: Arc::clone(&credentials),
            authorizer: Arc::clone(&authorizer),
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
            usage: Arc::clone(&usage),
            freezing: config.freezing,
            init_timeout: config.init_timeout,
            age_max: config.environment_age_max,
            ending: TaskTracker::new(),
            stop: stop.clone(),
        };
        Self {
            catalog,
            authorizer,
            credentials,
            gate: Gate::new(config.account_concurrency),
            environments: Arc::new(Environments::new(workshop, limits)),
            events: Lane::new(&outbox, LANE, LaneLimits { attempts: config.event_concurrency }),
            messages,
            stream: config.stream,
            metrics: Metrics::new(metrics),
            clock,
            random,
            usage,
            backend,
            in_flight: TaskTracker::new(),
            stop,
            is_ended: AtomicBool::new(false),
        }
    }

    /// Whether the server has ended the environments.
    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended.load(Ordering::Acquire)
    }

    /// Counts the work that a shutdown waits for.
    ///
    /// # Errors
    /// [`InvokeError::Internal`] when the engine is shutting down.
    pub(crate) fn in_flight(&self) -> Result<TaskTrackerToken, InvokeError> {
        // The token first: a shutdown that begins now either sees it or is seen here.
        let token = self.in_flight.token();
        if self.stop.is_cancelled() {
            return Err(InvokeError::Internal { detail: "the server is shutting down".to_owned() });
        }
        Ok(token)
    }
}

#[async_trait]
impl Invoker for Engine {
    async fn invoke(&self, ctx: &RequestContext, request: InvokeRequest) -> Result<InvokeResponse, InvokeError> {
        pipeline::invoke(&self.core, ctx, request).await
    }

    async fn invoke_streaming(
        &self,
        ctx: &RequestContext,
        request: InvokeRequest,
    ) -> Result<StreamedResponse, InvokeError> {
        pipeline::invoke_streaming(&self.core, ctx, request).await
    }
}

#[async_trait]
impl EnvironmentKeeper for Engine {
    async fn retire(&self, _ctx: &RequestContext, uid: &FunctionUid, version: Version, keep: Option<&SnapshotId>) {
        self.core.environments.retire(uid, version, keep);
    }

    fn provision(&self, uid: &FunctionUid, provisions: Vec<Provision>) {
        self.core.environments.provision(uid, provisions);
    }

    fn provisioned(&self, uid: &FunctionUid, qualifier: &str) -> Option<Provisioned> {
        self.core.environments.provisioned(uid, qualifier)
    }
}
