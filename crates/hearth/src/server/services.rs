//! The services, in the order they need each other: what is sent to comes before who sends. Each is opened here and
//! mounted in [`Services::mount`].

use std::sync::Arc;

use hearth_delivery::message::Messenger;
use hearth_eventbridge::{EventBridge, EventBridgeParts, EventBuses};
use hearth_events::{Pollers, PollersParts};
use hearth_lambda::url::UrlDomain;
use hearth_lambda::{Lambda, LambdaParts, Mappings};
use hearth_remote_queues::Queues;
use hearth_s3::S3;
use hearth_scheduler::{Scheduler, SchedulerParts};
use hearth_sns::{HttpClient, Sns, SnsParts, Topics};
use hearth_sqs::{Sqs, SqsParts};
use hearth_store::DataDir;
use hearth_sts::{Sts, StsParts};
use hearth_tls::MessageSigner;
use hearth_wire::Service;

use super::ServerError;
use super::data_plane::DataPlane;
use super::foundation::{Foundation, not_started};
use super::objects;
use super::parts::{issuers, runnable, runtime_versions};
use super::reach::EndpointReach;
use crate::config::Config;

/// What the certificate for messages of topics is made out to, as the real one.
const SNS_NAME: &str = "sns.amazonaws.com";

pub(super) struct Services {
    pub(super) sqs: Arc<Sqs>,
    pub(super) queues: Arc<Queues>,
    pub(super) sns: Arc<Sns>,
    pub(super) topics: Arc<Topics>,
    pub(super) events: Arc<EventBridge>,
    pub(super) buses: Arc<EventBuses>,
    pub(super) scheduler: Arc<Scheduler>,
    pub(super) s3: Arc<S3>,
    pub(super) pollers: Arc<Pollers>,
    pub(super) lambda: Arc<Lambda>,
    sts: Arc<Sts>,
}

impl Services {
    pub(super) async fn open(
        config: &Config,
        reach: EndpointReach,
        ground: &Foundation,
        plane: &DataPlane,
        data: &DataDir,
    ) -> Result<Self, ServerError> {
        let sqs = SqsParts {
            store: ground.store.clone(),
            codec: ground.codec.clone(),
            wall: ground.clock(),
            service: ground.clocks.service.clone(),
            random: ground.random.clone(),
            authorizer: ground.authorizer.clone(),
        };
        let sqs = Sqs::open(sqs).await.map_err(not_started)?;
        let here = Arc::new(hearth_sqs::Queues(sqs.clone()));
        let remote = config.remote_queues.clone();
        let queues = Arc::new(Queues::new(here, remote, ground.authorizer.clone(), ground.clock()));

        let tls = DataDir::tls_of(data.root());
        let sns = SnsParts {
            store: ground.store.clone(),
            codec: ground.codec.clone(),
            outbox: ground.outbox(),
            queues: queues.clone(),
            invoker: plane.engine.clone(),
            web: Arc::new(HttpClient::new(Arc::new(reach))),
            signer: Arc::new(MessageSigner::new(&tls, SNS_NAME, ground.clock(), ground.random.clone())),
            authorizer: ground.authorizer.clone(),
            wall: ground.clock(),
            random: ground.random.clone(),
        };
        let sns = Sns::open(sns).await.map_err(not_started)?;
        let topics = Arc::new(Topics(sns.clone()));

        let events = EventBridgeParts {
            store: ground.store.clone(),
            codec: ground.codec.clone(),
            outbox: ground.outbox(),
            queues: queues.clone(),
            topics: topics.clone(),
            invoker: plane.engine.clone(),
            credentials: ground.keyring.clone(),
            authorizer: ground.authorizer.clone(),
            wall: ground.clock(),
            random: ground.random.clone(),
        };
        let events = EventBridge::open(events).await.map_err(not_started)?;
        let buses = Arc::new(EventBuses(events.clone()));

        let scheduler = SchedulerParts {
            store: ground.store.clone(),
            codec: ground.codec.clone(),
            outbox: ground.outbox(),
            invoker: plane.engine.clone(),
            queues: queues.clone(),
            topics: topics.clone(),
            buses: buses.clone(),
            roles: ground.keyring.clone(),
            authorizer: ground.authorizer.clone(),
            wall: ground.clock(),
            random: ground.random.clone(),
        };
        let scheduler = Scheduler::open(scheduler).await.map_err(not_started)?;

        let s3 = hearth_s3::S3Parts {
            store: ground.store.clone(),
            codec: ground.codec.clone(),
            files: objects::files(data, &ground.random)?,
            outbox: ground.outbox(),
            queues: queues.clone(),
            consumers: queues.clone(),
            topics: topics.clone(),
            invoker: plane.engine.clone(),
            bus: buses.clone(),
            authorizer: ground.authorizer.clone(),
            wall: ground.clock(),
            random: ground.random.clone(),
        };
        let s3 = S3::open(s3).await.map_err(not_started)?;

        let pollers = Pollers::new(PollersParts {
            queues: queues.clone(),
            invoker: plane.engine.clone(),
            catalog: plane.catalog.clone(),
            credentials: ground.keyring.clone(),
            metrics: ground.cloudwatch.clone(),
            clock: ground.clock(),
            random: ground.random.clone(),
        });
        let mappings = Mappings::load(ground.store.clone(), ground.codec.clone(), pollers.clone(), ground.clock());
        let lambda = Lambda::start(LambdaParts {
            catalog: plane.catalog.clone(),
            layers: plane.layers.clone(),
            mappings: mappings.await.map_err(not_started)?,
            queues: queues.clone(),
            objects: Arc::new(hearth_s3::Objects(s3.clone())),
            store: ground.store.clone(),
            blobs: ground.blobs.clone(),
            codec: ground.codec.clone(),
            packages: plane.packages.clone(),
            images: plane.images.clone(),
            invoker: plane.engine.clone(),
            keeper: plane.engine.clone(),
            authorizer: ground.authorizer.clone(),
            credentials: ground.keyring.clone(),
            metrics: ground.cloudwatch.clone(),
            runnable: runnable(plane.backend.clone()),
            runtime_versions: runtime_versions(plane.backend.clone()),
            account_concurrency: plane.account_concurrency,
            urls: UrlDomain::new(config.urls.domain.clone()),
            clock: ground.clock(),
            random: ground.random.clone(),
        });

        let sts = Arc::new(Sts::new(StsParts {
            authorizer: ground.authorizer.clone(),
            roles: ground.keyring.clone(),
            credentials: ground.keyring.clone(),
            issuers: issuers(&config.web_identities)?,
            clock: ground.clock(),
        }));
        Ok(Self { sqs, queues, sns, topics, events, buses, scheduler, s3, pollers, lambda, sts })
    }

    /// What answers API requests, by the names that the health page shows. S3 is among them without a table of handlers:
    /// its requests stream past the front.
    pub(super) fn mount(&self, ground: &Foundation, plane: &DataPlane) -> Vec<(&'static str, Vec<Arc<dyn Service>>)> {
        let logs = hearth_logs::Api::new(ground.logs.clone(), ground.authorizer.clone(), plane.engine.clone());
        vec![
            ("lambda", vec![hearth_lambda::service(self.lambda.clone())]),
            ("iam", vec![hearth_iam::service(ground.iam.clone())]),
            ("sts", vec![hearth_sts::service(self.sts.clone())]),
            ("logs", vec![hearth_logs::service(logs)]),
            ("cloudwatch", hearth_cloudwatch::services(&ground.cloudwatch)),
            ("sqs", hearth_sqs::services(&self.sqs)),
            ("sns", vec![hearth_sns::service(&self.sns)]),
            ("events", vec![hearth_eventbridge::service(&self.events)]),
            ("scheduler", vec![hearth_scheduler::service(&self.scheduler)]),
            ("s3", Vec::new()),
        ]
    }

    /// What carries messages of the outbox to where they go.
    pub(super) fn messenger(&self, ground: &Foundation) -> Messenger {
        Messenger {
            queues: self.queues.clone(),
            topics: self.topics.clone(),
            objects: Arc::new(hearth_s3::Objects(self.s3.clone())),
            buses: self.buses.clone(),
            credentials: ground.keyring.clone(),
            metrics: ground.cloudwatch.clone(),
            clock: ground.clock(),
        }
    }
}
