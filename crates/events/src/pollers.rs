//! Every mapping that is polled: one worker each, listed here, started and ended by the control plane.
//!
//! A worker never ends by itself: what goes wrong is said once and tried again after a growing pause.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use hearth_ports::{CredentialIssuer, EventPollers, FunctionCatalog, Invoker, MetricSink, QueueConsumer, QueueMapping};
use hearth_types::{Clock, Random};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::counts::Counts;
use crate::filter::Filter;
use crate::poller::{Plan, Poller, Problem};

/// What the pollers are wired to.
pub struct PollersParts {
    pub queues: Arc<dyn QueueConsumer>,
    pub invoker: Arc<dyn Invoker>,
    pub catalog: Arc<dyn FunctionCatalog>,
    pub credentials: Arc<dyn CredentialIssuer>,
    /// Of mappings that count their events.
    pub metrics: Arc<dyn MetricSink>,
    /// Wall clock: messages are invisible by it.
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

/// One per server.
pub struct Pollers {
    parts: Arc<PollersParts>,
    polled: Mutex<HashMap<String, Polled>>,
    stop: CancellationToken,
    workers: TaskTracker,
}

struct Polled {
    plan: watch::Sender<Arc<Plan>>,
    problem: Problem,
    stop: CancellationToken,
    worker: TaskTracker,
}

impl Pollers {
    #[must_use]
    pub fn new(parts: PollersParts) -> Arc<Self> {
        Arc::new(Self {
            parts: Arc::new(parts),
            polled: Mutex::default(),
            stop: CancellationToken::new(),
            workers: TaskTracker::new(),
        })
    }

    /// No poller takes another message from now on.
    pub fn stop_taking(&self) {
        self.stop.cancel();
    }

    /// Takes no more messages, gives back those that wait, and resolves when the batches in flight have ended. How long
    /// functions may still run is the data plane's matter.
    pub async fn shutdown(&self) {
        self.stop_taking();
        self.workers.close();
        self.workers.wait().await;
    }
}

#[async_trait]
impl EventPollers for Pollers {
    /// Needs a tokio runtime.
    fn poll(&self, mapping: QueueMapping) {
        let id = mapping.id.clone();
        let filter = match Filter::new(&mapping.filters) {
            Ok(filter) => filter,
            Err(error) => {
                // Checked when it was made; with another filter messages would be deleted that must not be.
                tracing::error!(mapping = id, %error, "an event source mapping is not polled: its filter cannot be read");
                return;
            }
        };
        let counts = Counts::new(&mapping, &*self.parts.metrics, &self.parts.clock);
        let plan = Arc::new(Plan { mapping, filter, counts });
        let mut polled = self.polled.lock();
        if let Some(there) = polled.get(&id) {
            there.plan.send_replace(plan);
            return;
        }
        let (sender, receiver) = watch::channel(plan);
        let (stop, worker) = (self.stop.child_token(), TaskTracker::new());
        let problem = Problem::default();
        let poller = Poller::new(Arc::clone(&self.parts), receiver, problem.clone(), stop.clone());
        let work = worker.track_future(poller.run());
        worker.close();
        self.workers.spawn(work);
        polled.insert(id, Polled { plan: sender, problem, stop, worker });
    }

    fn problem(&self, id: &str) -> Option<String> {
        self.polled.lock().get(id).and_then(|polled| polled.problem.lock().clone())
    }

    async fn stop(&self, id: &str) {
        let Some(polled) = self.polled.lock().remove(id) else { return };
        polled.stop.cancel();
        polled.worker.wait().await;
    }
}

impl Drop for Pollers {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
