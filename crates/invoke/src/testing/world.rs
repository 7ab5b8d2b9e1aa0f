//! An engine and everything around it.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use hearth_delivery::{Lane, LaneLimits, Outbox, message};
use hearth_ports::{FunctionVersion, InvocationType, InvokeError, InvokeRequest, InvokeResponse, Invoker};
use hearth_store::Store;
use hearth_types::{ManualClock, Mebibytes, Millis, RequestContext, RequestId, SeededRandom};

use super::sandbox::{Sandboxes, ScriptedBackend};
use super::{Catalog, Gatekeeper, Issuer, MemoryStore, Sink, codec, function, scope};
use crate::{Engine, EngineConfig, EngineParts};

/// 2026-01-12T15:37:12Z.
pub(crate) const START_MS: i64 = 1_768_232_232_000;

/// An engine and everything around it.
pub(crate) struct World {
    pub(crate) engine: Arc<Engine>,
    pub(crate) sandboxes: Arc<Sandboxes>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) sink: Arc<Sink>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) gatekeeper: Arc<Gatekeeper>,
    pub(crate) clock: Arc<ManualClock>,
}

pub(crate) fn config() -> EngineConfig {
    EngineConfig::for_host(Mebibytes(65_536))
}

impl World {
    pub(crate) async fn new(functions: impl IntoIterator<Item = FunctionVersion>) -> Self {
        Self::with(config(), Arc::default(), functions).await
    }

    pub(crate) async fn with(
        config: EngineConfig,
        store: Arc<MemoryStore>,
        functions: impl IntoIterator<Item = FunctionVersion>,
    ) -> Self {
        Self { store: Arc::clone(&store), ..Self::over(store, config, functions).await }
    }

    /// Over any store; `store` of the result is another, empty one.
    pub(crate) async fn over(
        store: Arc<dyn Store>,
        config: EngineConfig,
        functions: impl IntoIterator<Item = FunctionVersion>,
    ) -> Self {
        let (sandboxes, catalog, sink) =
            (Arc::<Sandboxes>::default(), Arc::<Catalog>::default(), Arc::<Sink>::default());
        let (issuer, gatekeeper) = (Arc::<Issuer>::default(), Arc::<Gatekeeper>::default());
        let clock = Arc::new(ManualClock::at(START_MS));
        functions.into_iter().for_each(|version| catalog.put(version));
        let outbox = Outbox::new(Arc::clone(&store), codec(), Arc::clone(&clock) as _);
        let messages = Lane::new(&outbox, message::LANE, LaneLimits { attempts: 1 });
        let engine = Engine::start(EngineParts {
            catalog: Arc::clone(&catalog) as _,
            backend: Arc::new(ScriptedBackend(Arc::clone(&sandboxes))),
            store,
            codec: codec(),
            outbox,
            messages,
            logs: Arc::clone(&sink) as _,
            metrics: Arc::new(hearth_ports::NoMetrics),
            credentials: Arc::clone(&issuer) as _,
            authorizer: Arc::clone(&gatekeeper) as _,
            clock: Arc::clone(&clock) as _,
            random: Arc::new(SeededRandom::new(1)),
            config,
        })
        .await
        .expect("starts");
        Self { engine, sandboxes, catalog, sink, store: Arc::default(), issuer, gatekeeper, clock }
    }

    pub(crate) async fn invoke(&self, name: &str, event: &str) -> Result<InvokeResponse, InvokeError> {
        self.engine.invoke(&context("req-1"), request(name, event)).await
    }

    pub(crate) async fn answer(&self, name: &str, event: &str) -> String {
        text(self.invoke(name, event).await.expect("runs"))
    }

    /// Both clocks: that of the retries and the timers'.
    pub(crate) async fn pass(&self, by: Millis) {
        self.clock.advance(i64::try_from(by.0).expect("small"));
        tokio::time::sleep(by.duration()).await;
    }

    /// Created and destroyed so far.
    pub(crate) fn environments(&self) -> (usize, usize) {
        (self.sandboxes.created.load(SeqCst), self.sandboxes.destroyed.load(SeqCst))
    }
}

pub(crate) fn context(id: &str) -> RequestContext {
    RequestContext::service(&scope(), "test", RequestId::from(id))
}

pub(crate) fn request(name: &str, event: &str) -> InvokeRequest {
    InvokeRequest {
        function_name: name.to_owned(),
        qualifier: None,
        invocation_type: InvocationType::RequestResponse,
        payload: serde_json::to_vec(event).expect("JSON").into(),
        log_tail: false,
        client_context: None,
        via_url: false,
    }
}

pub(crate) fn text(response: InvokeResponse) -> String {
    String::from_utf8(response.payload.to_vec()).expect("UTF-8")
}

pub(crate) fn with_handler(name: &str, handler: &str) -> FunctionVersion {
    FunctionVersion { handler: handler.to_owned(), ..function(name) }
}
