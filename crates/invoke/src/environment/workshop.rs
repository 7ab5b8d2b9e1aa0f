//! How an execution environment is made: with credentials of the function's role, variables, a log stream, on the build
//! of its runtime; and its init phase begun.

use std::sync::Arc;

use hearth_ports::{
    Authorizer, CredentialError, CredentialIssuer, Credentials, FunctionVersion, InvokeError, LogSink, RuntimeVersion,
    TemporaryKey, runtime_version,
};
use hearth_runtime_api::event::InitializationType;
use hearth_sandbox::{Backend, EnvironmentSpec, Identity, Metadata, OutputSink, SandboxError};
use hearth_types::limits::PROVISIONED_INIT_TIMEOUT;
use hearth_types::{Clock, Mebibytes, Millis, Random, RequestContext, RequestId};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{LiveEnvironment, Phase};
use crate::config::Freezing;
use crate::logs::LogStream;
use crate::report::Line;
use crate::usage::Usage;
use crate::variables::{Surroundings, availability_zone_id, reserved};

/// Validity of the credentials beyond the environment's last possible moment.
const CREDENTIALS_SLACK: Millis = Millis::from_secs(60);

/// What environments are made from, beside the function.
pub(crate) struct Workshop {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) logs: Arc<dyn LogSink>,
    pub(crate) credentials: Arc<dyn CredentialIssuer>,
    pub(crate) authorizer: Arc<dyn Authorizer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) usage: Arc<Usage>,
    pub(crate) freezing: Freezing,
    pub(crate) init_timeout: Millis,
    pub(crate) age_max: Millis,
    /// Environments that are being ended.
    pub(crate) ending: TaskTracker,
    /// Cancelled when the engine stops: from then on it is no news that environments break.
    pub(crate) stop: CancellationToken,
}

/// The credentials of one environment. Dropping the last handle revokes them.
pub(super) struct Session {
    issuer: Arc<dyn CredentialIssuer>,
    context: RequestContext,
    credentials: Credentials,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.issuer.revoke(&self.context, &self.credentials.access_key_id);
    }
}

impl Workshop {
    /// Makes an environment and runs its init phase, at most for the init time-out. A failed init is no error here: it
    /// is repeated by the first invocation, which then answers with it.
    ///
    /// # Errors
    /// Why no environment could be made.
    pub(crate) async fn start(
        &self,
        version: Arc<FunctionVersion>,
        initialization_type: InitializationType,
    ) -> Result<LiveEnvironment, InvokeError> {
        let metadata = self.metadata(&version);
        let metadata_token = metadata.token.clone();
        let spec = spec(&version, metadata);
        self.backend
            .check(&spec.runtime, spec.architecture)
            .map_err(|unsupported| InvokeError::InvalidRuntime { message: unsupported.to_string() })?;
        let runtime_version_arn = self.runtime_version(&version)?;
        // Before anything else: the backend works on it while the rest is found out here.
        let begun = self.backend.begin(spec).await.map_err(sandbox_error)?;
        let context = LogStream::context_of(&version, RequestId::generate(&*self.random));
        let init_timeout = match initialization_type {
            InitializationType::ProvisionedConcurrency => PROVISIONED_INIT_TIMEOUT.max(version.timeout),
            _ => self.init_timeout,
        };
        let ttl_ms = self.age_max.0 + init_timeout.0 + version.timeout.0 + CREDENTIALS_SLACK.0;
        let TemporaryKey { credentials, caller } = self
            .credentials
            .issue_function_session(&context, &version.role_arn, &version.arn, ttl_ms)
            .map_err(credential_error)?;
        let session =
            Arc::new(Session { issuer: Arc::clone(&self.credentials), context: context.clone(), credentials });
        // Lambda writes the log as the function's role: without its leave there is none.
        let context = RequestContext { caller, ..context };
        let log = Arc::new(LogStream::new(
            &version,
            Arc::clone(&self.logs),
            Arc::clone(&self.authorizer),
            Arc::clone(&self.clock),
            &*self.random,
            context,
        ));
        let runtime_version = runtime_version::name(&version.runtime);
        let init_start = Line::InitStart {
            initialization_type,
            runtime_version: runtime_version_arn.is_some().then_some(&runtime_version),
            runtime_version_arn: runtime_version_arn.as_deref(),
            function_name: &version.name,
            version: version.version,
            instance_id: log.name(),
            memory: version.memory,
        };
        log.platform(&init_start);
        let credentials = &session.credentials;
        let around =
            Surroundings { initialization_type, credentials, log_stream: log.name(), metadata_token: &metadata_token };
        let output = Arc::clone(&log) as Arc<dyn OutputSink>;
        let sandbox = begun.create(reserved(&version, &around), output).await.map_err(sandbox_error)?;
        log.listened_to_in(&sandbox, &init_start);
        let mut environment = LiveEnvironment {
            freezes_at_once: self.freezing == Freezing::Strict || sandbox.freezes_fast(),
            is_frozen: false,
            sandbox,
            meter: self.usage.meter(&version),
            clock: Arc::clone(&self.clock),
            version,
            log,
            session,
            ending: self.ending.clone(),
            is_ended: false,
            initialization_type,
            phase: Phase::Ready,
            eviction: CancellationToken::new(),
            memory_used: Mebibytes(0),
            init: None,
        };
        environment.initialise(init_timeout.duration()).await;
        environment.memory_used = environment.sandbox.memory_used_max();
        if environment.phase == Phase::Broken {
            return Err(InvokeError::Internal { detail: "the environment broke in its init phase".to_owned() });
        }
        Ok(environment)
    }

    /// The ARN of the runtime's build. None for images, which bring their own.
    ///
    /// # Errors
    /// The function is held to another build than there is.
    fn runtime_version(&self, version: &FunctionVersion) -> Result<Option<String>, InvokeError> {
        if version.image.is_some() {
            return Ok(None);
        }
        let arn = |build: &RuntimeVersion| build.arn(version.partition, &version.region);
        let current = self.backend.runtime_version(&version.runtime, version.architecture);
        match (&version.runtime_version, &current) {
            (Some(held), Some(current)) if held != current => Err(InvokeError::InvalidRuntime {
                message: format!(
                    "The function is held to the runtime version {}, which this machine does not have any more. Put that \
                     version of {} back, or let the function run on {} with PutRuntimeManagementConfig.",
                    arn(held),
                    version.runtime.0,
                    arn(current),
                ),
            }),
            _ => Ok(current.as_ref().map(arn)),
        }
    }

    fn metadata(&self, version: &FunctionVersion) -> Metadata {
        Metadata {
            availability_zone_id: availability_zone_id(&version.region),
            token: RequestId::generate(&*self.random).to_string(),
        }
    }
}

/// All but the reserved variables.
fn spec(version: &FunctionVersion, metadata: Metadata) -> EnvironmentSpec {
    EnvironmentSpec {
        variables: version.environment.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        metadata: Some(metadata),
        identity: Identity {
            function_name: version.name.clone(),
            function_version: version.version.to_string(),
            handler: version.handler.clone(),
            account_id: version.account.to_string(),
        },
        runtime: version.runtime.clone(),
        architecture: version.architecture,
        code: version.code,
        layers: version.layers.clone(),
        memory: version.memory,
        ephemeral_storage: version.ephemeral_storage,
        handler: version.handler.clone(),
        image: version.image.clone(),
    }
}

fn credential_error(error: CredentialError) -> InvokeError {
    match error {
        CredentialError::NotAssumable | CredentialError::OtherAccount => {
            InvokeError::AccessDenied { message: error.to_string() }
        }
        CredentialError::Internal(detail) => InvokeError::Internal { detail },
    }
}

fn sandbox_error(error: SandboxError) -> InvokeError {
    match error {
        SandboxError::Unsupported(unsupported) => InvokeError::InvalidRuntime { message: unsupported.to_string() },
        SandboxError::Create(_) | SandboxError::Gone | SandboxError::ShutDown => {
            InvokeError::Internal { detail: error.to_string() }
        }
    }
}
