//! What every service stands on: records and files, clocks, who may do what, logs and metrics, and what is sent later. None
//! of it knows a service.

use std::fmt::Display;
use std::sync::Arc;

use hearth_audit::Audit;
use hearth_cloudwatch::CloudWatch;
use hearth_delivery::Outbox;
use hearth_iam::{Authority, Directory, Iam, Keyring};
use hearth_logs::{Logs, LogsConfig, LogsParts};
use hearth_ports::Authorizer;
use hearth_store::{Blobs, Codec, DataDir, DirBlobs, Store};
use hearth_types::{AccountId, AuthMode, Clock, OsRandom, Random};

use super::clocks::Clocks;
use super::messaging::Messaging;
use super::{ServerError, metering, root_key, say, store};
use crate::config::Config;

pub(super) struct Foundation {
    pub(super) store: Arc<dyn Store>,
    pub(super) blobs: Arc<dyn Blobs>,
    pub(super) codec: Arc<Codec>,
    pub(super) clocks: Clocks,
    pub(super) random: Arc<dyn Random>,
    pub(super) messaging: Messaging,
    pub(super) audit: Arc<Audit>,
    pub(super) authorizer: Arc<dyn Authorizer>,
    pub(super) keyring: Arc<Keyring>,
    pub(super) iam: Arc<Iam>,
    pub(super) cloudwatch: Arc<CloudWatch>,
    pub(super) logs: Arc<Logs>,
}

impl Foundation {
    pub(super) async fn open(config: &Config, data: &DataDir) -> Result<Self, ServerError> {
        let random: Arc<dyn Random> = Arc::new(OsRandom);
        let store = store::open(&config.store, data).await?;
        let blobs: Arc<dyn Blobs> = Arc::new(DirBlobs::open(&data.blobs()).map_err(unusable)?);
        let codec = Arc::new(Codec::open(&data.keys()).map_err(unusable)?);
        let clocks = Clocks::open(&store, &codec, config.time_scale).await.map_err(unusable)?;
        let clock = clocks.wall.clone();
        let messaging = Messaging::new(store.clone(), codec.clone(), clocks.service.clone());
        let audit = Audit::open(&data.audit(), config.audit.keep_mib * 1024 * 1024).map_err(unusable)?;

        let directory = Directory::load(store.clone(), codec.clone(), &*random).await.map_err(not_started)?;
        let directory = Arc::new(directory);
        let authority = Arc::new(Authority::new(directory.clone(), config.auth, audit.clone(), clock.clone()));
        let authorizer: Arc<dyn Authorizer> = authority.clone();
        let keyring = Arc::new(Keyring::new(directory.clone(), authority, clock.clone(), random.clone()));
        let iam = Iam::new(directory.clone(), clock.clone(), random.clone(), authorizer.clone());
        if config.auth == AuthMode::Enforce && !directory.has_root_key(AccountId::DEFAULT) {
            let key = directory.make_root_key(AccountId::DEFAULT, &*clock, &*random);
            say(&root_key::text(&key.await.map_err(not_started)?));
        }

        let cloudwatch = metering::open(&store, &codec, &authorizer, &clock).await.map_err(not_started)?;
        let logs = LogsParts {
            store: store.clone(),
            codec: codec.clone(),
            clock,
            random: random.clone(),
            metrics: cloudwatch.clone(),
            outbox: messaging.outbox.clone(),
            config: LogsConfig { total_bytes_max: config.logs.keep_mib * 1024 * 1024, ..LogsConfig::default() },
        };
        let logs = Logs::open(&data.logs(), logs).await.map_err(unusable)?;
        Ok(Self { store, blobs, codec, clocks, random, messaging, audit, authorizer, keyring, iam, cloudwatch, logs })
    }

    /// The wall's.
    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        self.clocks.wall.clone()
    }

    pub(super) fn outbox(&self) -> Arc<Outbox> {
        self.messaging.outbox.clone()
    }
}

/// Something is wrong with the data directory.
pub(super) fn unusable(error: impl Display) -> ServerError {
    ServerError::Data(error.to_string())
}

pub(super) fn not_started(error: impl Display) -> ServerError {
    ServerError::Start(error.to_string())
}
