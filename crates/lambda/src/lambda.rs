//! The Lambda control plane: its parts, its start, and what every operation uses.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use hearth_ports::{
    Access, Architecture, Authorizer, CodeDigest, CodePackages, Condition, CredentialError, CredentialIssuer,
    EnvironmentKeeper, Guard, ImageError, Images, Invoker, MetricSink, ObjectStore, QueueConsumer, ResolvedImage,
    RuntimeVersion,
};
use hearth_store::{Blobs, Codec, Store};
use hearth_types::{Arn, Clock, Random, RequestContext, Scope, limits, random};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::catalog::{Catalog, Function};
use crate::code_location::CodeLocations;
use crate::error::LambdaError;
use crate::functions::{Change, CommitError, Functions};
use crate::image;
use crate::layer::Layers;
use crate::mapping::Mappings;
use crate::name::Target;
use crate::package::Packages;
use crate::record::{Code, FunctionRecord};
use crate::runtime_management::RuntimeVersions;
use crate::settings::{Readiness, Runnable, Settings};
use crate::tags;
use crate::url::UrlDomain;
use crate::worker::{self, Agenda};

/// Who Lambda is to other services.
const PRINCIPAL: &str = "lambda.amazonaws.com";

/// What the control plane is made of.
pub struct LambdaParts {
    pub catalog: Arc<Catalog>,
    pub store: Arc<dyn Store>,
    pub layers: Arc<Layers>,
    pub mappings: Arc<Mappings>,
    /// Asked whether a queue is fit for a mapping.
    pub queues: Arc<dyn QueueConsumer>,
    /// Where packages are read that a request names by bucket and key.
    pub objects: Arc<dyn ObjectStore>,
    /// Holds packages of functions and layers and nothing else: what no version names is deleted.
    pub blobs: Arc<dyn Blobs>,
    pub codec: Arc<Codec>,
    pub packages: Arc<dyn CodePackages>,
    pub images: Arc<dyn Images>,
    pub invoker: Arc<dyn Invoker>,
    pub keeper: Arc<dyn EnvironmentKeeper>,
    pub authorizer: Arc<dyn Authorizer>,
    pub credentials: Arc<dyn CredentialIssuer>,
    pub metrics: Arc<dyn MetricSink>,
    /// Whether this server can run a runtime on an architecture; the error says what it can.
    pub runnable: Arc<Runnable>,
    pub runtime_versions: Arc<RuntimeVersions>,
    /// Invocations of an account in a region that may run at once.
    pub account_concurrency: u32,
    pub urls: UrlDomain,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

/// The Lambda API over its catalogue. One per server.
pub struct Lambda {
    pub(crate) functions: Functions,
    pub(crate) layers: Arc<Layers>,
    pub(crate) mappings: Arc<Mappings>,
    pub(crate) queues: Arc<dyn QueueConsumer>,
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) packages: Arc<Packages>,
    pub(crate) invoker: Arc<dyn Invoker>,
    pub(crate) keeper: Arc<dyn EnvironmentKeeper>,
    pub(crate) runnable: Arc<Runnable>,
    runtime_versions: Arc<RuntimeVersions>,
    pub(crate) account_concurrency: u32,
    pub(crate) urls: UrlDomain,
    /// Held by whoever reserves or provisions concurrency, from deciding to showing.
    pub(crate) reservations: Mutex<()>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) locations: CodeLocations,
    pub(crate) agenda: Arc<Agenda>,
    pub(crate) authorizer: Arc<dyn Authorizer>,
    pub(crate) credentials: Arc<dyn CredentialIssuer>,
    pub(crate) metrics: Arc<dyn MetricSink>,
    worker: JoinHandle<()>,
}

impl Drop for Lambda {
    fn drop(&mut self) {
        self.worker.abort();
    }
}

impl Lambda {
    /// Starts the background work, the unfinished of an earlier life first. Needs a tokio runtime.
    #[must_use]
    pub fn start(parts: LambdaParts) -> Arc<Self> {
        let agenda = Arc::new(Agenda::default());
        let lambda = Arc::new_cyclic(|lambda| Self {
            functions: Functions::new(parts.catalog, parts.store, parts.codec, Arc::clone(&parts.keeper)),
            layers: parts.layers,
            mappings: parts.mappings,
            queues: parts.queues,
            objects: parts.objects,
            packages: Arc::new(Packages::new(parts.blobs, parts.packages, parts.images)),
            invoker: parts.invoker,
            keeper: parts.keeper,
            runnable: parts.runnable,
            runtime_versions: parts.runtime_versions,
            account_concurrency: parts.account_concurrency,
            urls: parts.urls,
            reservations: Mutex::default(),
            clock: parts.clock,
            locations: CodeLocations::new(&*parts.random),
            random: parts.random,
            agenda: agenda.clone(),
            authorizer: parts.authorizer,
            credentials: parts.credentials,
            metrics: parts.metrics,
            worker: tokio::spawn(worker::run(lambda.clone(), agenda.clone())),
        });
        lambda.runtimes_changed();
        for (_, function) in lambda.functions.catalog().all() {
            lambda.functions.provision(None, Some(&function));
        }
        agenda.collect_packages();
        lambda.mappings.resume();
        lambda
    }

    /// Has functions run on the builds of runtimes there are now, and those become ready whose runtime has come.
    pub fn runtimes_changed(&self) {
        let catalog = self.functions.catalog();
        catalog.note_runtimes(&|settings, is_image| self.runtime_version(settings, is_image));
        for (scope, function) in catalog.all() {
            if function.is_unfinished() {
                self.agenda.provision(&scope, &function.record.name);
            }
        }
    }

    /// Whether the runtime of functions with these settings is on this machine.
    pub(crate) fn is_ready(&self, settings: &Settings) -> bool {
        // One that can never run is told of when it is invoked.
        (self.runnable)(&settings.runtime, settings.architecture) != Ok(Readiness::NotReady)
    }

    /// The build of their runtime that functions with these settings get now.
    pub(crate) fn runtime_version(&self, settings: &Settings, is_image: bool) -> Option<RuntimeVersion> {
        if is_image {
            return None;
        }
        (self.runtime_versions)(&settings.runtime, settings.architecture)
    }

    /// Every operation calls this before it does or reveals anything. `resource` is of the context's account; the
    /// function or layer version it names has its say.
    ///
    /// # Errors
    /// The caller may not.
    pub(crate) fn authorize(
        &self,
        ctx: &RequestContext,
        action: &str,
        resource: &Arn,
        conditions: &[Condition],
    ) -> Result<(), LambdaError> {
        let guard = self.guard(ctx, resource);
        let access = Access::new(action, resource).with_policy(guard.policy());
        let result = if guard.conditions.is_empty() {
            self.authorizer.authorize(ctx, &access.under(conditions))
        } else {
            let conditions = [conditions, &guard.conditions].concat();
            self.authorizer.authorize(ctx, &access.under(&conditions))
        };
        Ok(result?)
    }

    /// Of the function, layer version or mapping a resource names, if there is one.
    fn guard(&self, ctx: &RequestContext, resource: &Arn) -> Arc<Guard> {
        let mut parts = resource.resource.splitn(3, ':');
        let guard = match (resource.service.as_str(), parts.next(), parts.next(), parts.next()) {
            ("lambda", Some("function"), Some(name), qualifier) => {
                let function = self.functions.get(&ctx.scope(), name);
                function.map(|function| function.guard(qualifier).clone())
            }
            ("lambda", Some("layer"), Some(name), Some(number)) => {
                let version = number.parse().ok().and_then(|number| self.layers.version(&ctx.scope(), name, number));
                version.map(|version| version.guard)
            }
            ("lambda", Some("event-source-mapping"), Some(uuid), None) => {
                let mapping = self.mappings.get(&ctx.scope(), uuid);
                mapping.map(|mapping| Arc::new(Guard { policy: None, conditions: tags::of_resource(&mapping.tags) }))
            }
            _ => None,
        };
        guard.unwrap_or_default()
    }

    /// Bytes of all packages of the scope; each version counts.
    pub(crate) fn code_bytes(&self, scope: &Scope) -> u64 {
        self.functions.catalog().usage(scope).1 + self.layers.code_bytes(scope)
    }

    /// Every package that must be kept.
    pub(crate) fn digests(&self) -> BTreeSet<CodeDigest> {
        let mut digests = self.functions.catalog().digests();
        digests.extend(self.layers.digests());
        digests
    }

    /// May the caller hand this role to Lambda?
    ///
    /// # Errors
    /// It may not, or the text is no ARN.
    pub(crate) fn authorize_pass_role(&self, ctx: &RequestContext, role: &str) -> Result<(), LambdaError> {
        let arn: Arn = role.parse().map_err(LambdaError::internal)?;
        let to_lambda = Condition::one("iam:PassedToService", "lambda.amazonaws.com");
        self.authorize(ctx, "iam:PassRole", &arn, &[to_lambda])
    }

    /// May Lambda take this role for the function?
    ///
    /// # Errors
    /// It may not.
    pub(crate) fn check_role(&self, ctx: &RequestContext, role: &str, function: &Arn) -> Result<(), LambdaError> {
        self.credentials.check_function_role(ctx, role, function).map_err(not_taken)
    }

    /// The context in which a function's role asks about something of another service.
    ///
    /// # Errors
    /// Lambda may not take the role.
    pub(crate) fn as_role(
        &self,
        ctx: &RequestContext,
        role: &str,
        function: &Arn,
        about: &Arn,
    ) -> Result<RequestContext, LambdaError> {
        let caller = self.credentials.function_role(ctx, role, function).map_err(not_taken)?;
        let owner = about.account.parse().map_err(LambdaError::internal)?;
        // Lambda asks by itself: how the client showed who it is says nothing about the role.
        let itself = RequestContext::service(&ctx.scope(), PRINCIPAL, ctx.request_id.clone());
        Ok(RequestContext { caller, ..itself.in_account(owner) })
    }

    /// # Errors
    /// There is no such function.
    pub(crate) fn function(&self, ctx: &RequestContext, target: &Target) -> Result<Arc<Function>, LambdaError> {
        self.functions.get(&ctx.scope(), &target.name).ok_or_else(|| target.not_found())
    }

    /// Sees that `target` is what can have provisioned concurrency: a published version or an alias.
    ///
    /// # Errors
    /// It is not, or is not there.
    pub(crate) fn provisionable(&self, ctx: &RequestContext, target: &Target) -> Result<Arc<Function>, LambdaError> {
        let function = self.function(ctx, target)?;
        if target.qualifier.as_deref() == Some("$LATEST") {
            let text = "The function resource provided must be an alias or a published version.";
            return Err(LambdaError::invalid(text));
        }
        let has = function.has(target.qualifier().as_ref());
        has.then_some(function).ok_or_else(|| target.not_found())
    }

    /// Changes a function once: who was overtaken by another change is told that one is in progress.
    ///
    /// # Errors
    /// No such function, what `decide` says, or a conflict.
    pub(crate) async fn change_once<T>(
        &self,
        ctx: &RequestContext,
        target: &Target,
        decide: impl FnOnce(&Function) -> Result<(Change, T), LambdaError>,
    ) -> Result<T, LambdaError> {
        let function = self.function(ctx, target)?;
        let (change, answer) = decide(&function)?;
        match self.commit(ctx, &target.name, Some(&function), change).await {
            Ok(()) => Ok(answer),
            Err(CommitError::Conflict) => {
                self.function(ctx, target)?;
                Err(LambdaError::UpdateInProgress { arn: target.arn.to_string() })
            }
            Err(CommitError::Failed(error)) => Err(error),
        }
    }

    /// Changes a function, deciding again for as long as others are faster: each round somebody made progress.
    /// `decide` answers no change when there is nothing to do.
    ///
    /// # Errors
    /// No such function, or what `decide` says.
    pub(crate) async fn change<T>(
        &self,
        ctx: &RequestContext,
        target: &Target,
        decide: impl Fn(&Function) -> Result<(Option<Change>, T), LambdaError>,
    ) -> Result<T, LambdaError> {
        loop {
            let function = self.function(ctx, target)?;
            let (change, answer) = decide(&function)?;
            let Some(change) = change else { return Ok(answer) };
            match self.commit(ctx, &target.name, Some(&function), change).await {
                Ok(()) => return Ok(answer),
                Err(CommitError::Conflict) => {}
                Err(CommitError::Failed(error)) => return Err(error),
            }
        }
    }

    /// Commits a change and has the worker make ready what is not.
    pub(crate) async fn commit(
        &self,
        ctx: &RequestContext,
        name: &str,
        base: Option<&Function>,
        change: Change,
    ) -> Result<(), CommitError> {
        let scope = ctx.scope();
        let result = self.functions.commit(&scope, name, base, change).await;
        // Also after a failure: its outcome may be unknown, and then the catalogue shows what the store has.
        if self.functions.get(&scope, name).is_some_and(|function| function.is_unfinished()) {
            self.agenda.provision(&scope, name);
        }
        result
    }

    /// Takes a package in and does something with it; if that fails the package goes again.
    ///
    /// # Errors
    /// Of the package, or of `then`.
    pub(crate) async fn with_package<T>(
        &self,
        ctx: &RequestContext,
        zip: Bytes,
        then: impl AsyncFnOnce(Code) -> Result<T, LambdaError>,
    ) -> Result<T, LambdaError> {
        if self.code_bytes(&ctx.scope()) + zip.len() as u64 > limits::CODE_STORAGE_BYTES_MAX {
            return Err(LambdaError::CodeStorageExceeded);
        }
        let result = match self.packages.take_in(ctx, zip).await {
            Ok((code, _pin)) => then(code).await,
            Err(error) => Err(error),
        };
        if result.is_err() {
            self.agenda.collect_packages();
        }
        result
    }

    /// Looks an image up.
    ///
    /// # Errors
    /// There is none that can be run.
    pub(crate) async fn resolve_image(
        &self,
        uri: &str,
        architecture: Architecture,
    ) -> Result<ResolvedImage, LambdaError> {
        let resolved = self.packages.images().resolve(uri, architecture);
        match tokio::time::timeout(image::RESOLVE_WAIT_MAX, resolved).await {
            Ok(resolved) => Ok(resolved?),
            Err(_) => {
                let why = format!("it takes longer than {:?}", image::RESOLVE_WAIT_MAX);
                Err(ImageError::Unreachable { uri: uri.to_owned(), why }.into())
            }
        }
    }

    /// A trace of our own for a request that brought none; not sampled. Source: X-Ray developer guide, "Tracing header".
    pub(crate) fn new_trace(&self) -> Arc<str> {
        let seconds = self.clock.now_ms() / 1000;
        let (id, parent) = (random::hex(&*self.random, 12), random::hex(&*self.random, 8));
        format!("Root=1-{seconds:08x}-{id};Parent={parent};Sampled=0").into()
    }

    pub(crate) fn new_revision_id(&self) -> String {
        new_revision_id(&*self.random)
    }
}

/// Why Lambda may not take a role.
fn not_taken(error: CredentialError) -> LambdaError {
    match error {
        CredentialError::NotAssumable => LambdaError::invalid(error.to_string()),
        CredentialError::OtherAccount => LambdaError::AccessDenied { message: error.to_string() },
        CredentialError::Internal(detail) => LambdaError::Internal { detail },
    }
}

/// `RevisionId`: a UUID, new with every change.
pub(crate) fn new_revision_id(source: &dyn Random) -> String {
    random::uuid(source)
}

/// # Errors
/// The caller saw another revision than the current one.
pub(crate) fn check_revision(given: Option<&str>, record: &FunctionRecord) -> Result<(), LambdaError> {
    match given {
        Some(given) if given != record.revision_id => Err(LambdaError::RevisionMismatch),
        _ => Ok(()),
    }
}
