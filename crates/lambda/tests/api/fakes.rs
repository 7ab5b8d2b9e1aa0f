//! The neighbours of the control plane, in memory.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use hearth_lambda::Catalog;
use hearth_ports::{
    Access, AccessKeys, Architecture, Authorizer, CodeDigest, CodePackages, CredentialError, CredentialIssuer,
    Credentials, Denied, EnvironmentKeeper, EventPollers, FunctionCatalog, ImageConfig, ImageError, ImageLayer, Images,
    InstalledPackage, InvocationType, InvokeError, InvokeRequest, InvokeResponse, Invoker, KeyLookup, PackageError,
    PinnedImage, Provision, Provisioned, QueueConsumer, QueueError, QueueFacts, QueueMapping, ReceiveTerms,
    ReceivedMessage, ResolveError, ResolvedImage, ResourcePolicy, RuntimeId, RuntimeVersion, StreamedResponse,
    TemporaryKey,
};
use hearth_store::{Entry, Epoch, Key, Mutation, Precondition, Revision, Shard, SqliteStore, Store, StoreError};
use hearth_types::{Arn, Caller, FunctionUid, Millis, RequestContext, SnapshotId, Version};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

/// No key is known: every caller is the root of its account.
pub(crate) struct NoKeys;

impl AccessKeys for NoKeys {
    fn find(&self, _: &str, _: Option<&str>) -> KeyLookup {
        KeyLookup::Unknown
    }
}

/// Allows everything but the actions it is told to deny; remembers what it was asked.
#[derive(Default)]
pub(crate) struct Permissions {
    pub(crate) denied: Mutex<BTreeSet<String>>,
    pub(crate) asked: Mutex<Vec<(String, String)>>,
}

impl Authorizer for Permissions {
    fn authorize(&self, ctx: &RequestContext, access: &Access<'_>) -> Result<(), Denied> {
        let Access { action, resource, .. } = *access;
        // Cross account: the resource policy must allow, as the real one has it.
        if ctx.caller.account().is_some_and(|account| account != ctx.account)
            && matches!(access.policy, ResourcePolicy::None)
        {
            let caller = ctx.caller.arn(ctx.partition);
            return Err(Denied {
                message: format!(
                    "User: {caller} is not authorized to perform: {action} on resource: {resource} because no resource-based policy allows the {action} action"
                ),
            });
        }
        self.asked.lock().push((action.to_owned(), resource.to_string()));
        let denied = self.denied.lock();
        if denied.contains(action) || denied.contains("*") {
            return Err(Denied { message: format!("not authorized to perform: {action} on resource: {resource}") });
        }
        Ok(())
    }

    fn revision(&self) -> u64 {
        0
    }
}

/// Lets every role be assumed but the one called `untrusting`.
pub(crate) struct AnyRole;

impl CredentialIssuer for AnyRole {
    fn check_function_role(&self, _: &RequestContext, role_arn: &str, _: &Arn) -> Result<(), CredentialError> {
        if role_arn.ends_with("/untrusting") { Err(CredentialError::NotAssumable) } else { Ok(()) }
    }

    fn issue_function_session(
        &self,
        ctx: &RequestContext,
        role_arn: &str,
        function_arn: &Arn,
        _: u64,
    ) -> Result<TemporaryKey, CredentialError> {
        self.check_function_role(ctx, role_arn, function_arn)?;
        let caller = Caller::RoleSession {
            account: ctx.account,
            role_arn: role_arn.into(),
            session_arn: "arn:aws:sts::000000000000:assumed-role/r/f".into(),
            assumed_role_id: "AROA:f".into(),
            session: Arc::default(),
        };
        let text = String::new;
        let credentials =
            Credentials { access_key_id: text(), secret_access_key: text(), session_token: text(), expires_at_ms: 0 };
        Ok(TemporaryKey { credentials, caller })
    }

    fn revoke(&self, _: &RequestContext, _: &str) {}
}

/// Queues that are never read here: only whether they are there, and what a role may do with them.
#[derive(Default)]
pub(crate) struct Queues {
    pub(crate) visibility_s: Mutex<HashMap<String, u32>>,
    /// Actions that the function's role is denied.
    pub(crate) denied: Mutex<BTreeSet<&'static str>>,
}

impl Queues {
    /// Makes a queue; its ARN.
    pub(crate) fn make(&self, name: &str, visibility_s: u32) -> String {
        let arn = format!("arn:aws:sqs:us-east-1:000000000000:{name}");
        self.visibility_s.lock().insert(arn.clone(), visibility_s);
        arn
    }

    fn find(&self, ctx: &RequestContext, queue: &Arn, action: &str) -> Result<u32, QueueError> {
        assert!(matches!(&ctx.caller, Caller::RoleSession { role_arn, .. } if role_arn.ends_with("role/r")), "{ctx:?}");
        let found = self.visibility_s.lock().get(&queue.to_string()).copied().ok_or(QueueError::NotFound)?;
        if self.denied.lock().contains(action) {
            return Err(QueueError::AccessDenied { message: action.to_owned() });
        }
        Ok(found)
    }
}

#[async_trait]
impl QueueConsumer for Queues {
    async fn facts(&self, ctx: &RequestContext, queue: &Arn) -> Result<QueueFacts, QueueError> {
        let visibility_timeout_s = self.find(ctx, queue, "sqs:GetQueueAttributes")?;
        Ok(QueueFacts { visibility_timeout_s, is_fifo: queue.resource.ends_with(".fifo") })
    }

    async fn allows(&self, ctx: &RequestContext, queue: &Arn, action: &'static str) -> Result<(), QueueError> {
        self.find(ctx, queue, action).map(|_| ())
    }

    async fn receive(&self, _: &RequestContext, _: &Arn, _: ReceiveTerms) -> Result<Vec<ReceivedMessage>, QueueError> {
        Err(unread())
    }

    async fn delete(&self, _: &RequestContext, _: &Arn, _: &[String]) -> Result<(), QueueError> {
        Err(unread())
    }

    async fn change_visibility(&self, _: &RequestContext, _: &Arn, _: &[String], _: u32) -> Result<(), QueueError> {
        Err(unread())
    }
}

fn unread() -> QueueError {
    QueueError::Unavailable { detail: "the control plane reads no queue".to_owned() }
}

/// Remembers what is polled; a stop ends when it is let.
pub(crate) struct FakePollers {
    pub(crate) polled: Mutex<HashMap<String, QueueMapping>>,
    /// Stops need a permit each.
    pub(crate) stops: Semaphore,
}

impl Default for FakePollers {
    fn default() -> Self {
        Self { polled: Mutex::default(), stops: Semaphore::new(10_000) }
    }
}

#[async_trait]
impl EventPollers for FakePollers {
    fn problem(&self, _: &str) -> Option<String> {
        None
    }

    fn poll(&self, mapping: QueueMapping) {
        self.polled.lock().insert(mapping.id.clone(), mapping);
    }

    async fn stop(&self, id: &str) {
        self.polled.lock().remove(id);
        self.stops.acquire().await.expect("open").forget();
    }
}

/// Takes everything that starts like a zip; `PK-bomb` is one that unpacks to too much, `PK unpacked=9` one that unpacks to
/// as many bytes.
#[derive(Default)]
pub(crate) struct Trees {
    pub(crate) installed: Mutex<BTreeSet<CodeDigest>>,
    /// Which build of every runtime the machine has.
    pub(crate) runtimes: Mutex<&'static str>,
    /// Java 25 is on the machine.
    pub(crate) has_java: AtomicBool,
}

impl Trees {
    pub(crate) fn runtime_version(&self, runtime: &RuntimeId, architecture: Architecture) -> Option<RuntimeVersion> {
        Some(RuntimeVersion::new(runtime, architecture, *self.runtimes.lock()))
    }
}

#[async_trait]
impl CodePackages for Trees {
    async fn install(
        &self,
        _: &RequestContext,
        digest: CodeDigest,
        zip: Bytes,
    ) -> Result<InstalledPackage, PackageError> {
        if zip.starts_with(b"PK-bomb") {
            return Err(PackageError::TooLarge { max: 262_144_000 });
        }
        if !zip.starts_with(b"PK") {
            return Err(PackageError::Unreadable);
        }
        self.installed.lock().insert(digest);
        let text = String::from_utf8_lossy(&zip);
        let said = text.strip_prefix("PK unpacked=").and_then(|rest| rest.split(' ').next()?.parse().ok());
        Ok(InstalledPackage { digest, unpacked_bytes: said.unwrap_or(zip.len() as u64) })
    }

    async fn install_image(&self, image: &PinnedImage, images: Arc<dyn Images>) -> Result<(), ImageError> {
        images.layers(image).await?;
        self.installed.lock().insert(image.digest);
        Ok(())
    }

    fn is_installed(&self, digest: &CodeDigest) -> bool {
        self.installed.lock().contains(digest)
    }

    async fn retain(&self, keep: &[CodeDigest]) {
        self.installed.lock().retain(|digest| keep.contains(digest));
    }
}

/// Has an image under every reference but those that say what is wrong with them; the digest is the reference's own.
#[derive(Default)]
pub(crate) struct Registry {
    /// Pulls fail with it from now on.
    pub(crate) broken: Mutex<Option<ImageError>>,
}

#[async_trait]
impl Images for Registry {
    async fn resolve(&self, uri: &str, _: Architecture) -> Result<ResolvedImage, ImageError> {
        match uri.rsplit('/').next() {
            Some("absent") => Err(ImageError::NotFound { uri: uri.to_owned() }),
            Some("private") => Err(ImageError::AccessDenied { why: "a test".to_owned() }),
            _ => {
                let digest = CodeDigest(Sha256::digest(uri).into());
                let config = ImageConfig {
                    entry_point: vec!["/entry".to_owned()],
                    command: vec!["app.handler".to_owned()],
                    ..ImageConfig::default()
                };
                Ok(ResolvedImage { digest, pinned_uri: format!("{uri}@sha256:{}", digest.hex()), config })
            }
        }
    }

    async fn layers(&self, _: &PinnedImage) -> Result<Vec<ImageLayer>, ImageError> {
        self.broken.lock().clone().map_or(Ok(Vec::new()), Err)
    }

    async fn fetch(&self, image: &PinnedImage, _: &ImageLayer) -> Result<std::fs::File, ImageError> {
        Err(ImageError::NotFound { uri: image.uri.clone() })
    }
}

/// Remembers what was retired.
#[derive(Default)]
pub(crate) struct Keeper {
    pub(crate) retired: Mutex<Vec<(FunctionUid, Version, Option<SnapshotId>)>>,
    /// What each function is to have ready.
    pub(crate) provisions: Mutex<HashMap<FunctionUid, Vec<Provision>>>,
    /// How often it was told.
    pub(crate) told: AtomicUsize,
    /// What it says of every provision.
    pub(crate) provisioned: Mutex<Option<Provisioned>>,
}

#[async_trait]
impl EnvironmentKeeper for Keeper {
    async fn retire(&self, _: &RequestContext, uid: &FunctionUid, version: Version, keep: Option<&SnapshotId>) {
        self.retired.lock().push((uid.clone(), version, keep.cloned()));
    }

    fn provision(&self, uid: &FunctionUid, provisions: Vec<Provision>) {
        self.told.fetch_add(1, Ordering::Relaxed);
        self.provisions.lock().insert(uid.clone(), provisions);
    }

    fn provisioned(&self, uid: &FunctionUid, qualifier: &str) -> Option<Provisioned> {
        let is_wanted = self.provisions.lock().get(uid)?.iter().any(|provision| &*provision.qualifier == qualifier);
        self.provisioned.lock().clone().filter(|_| is_wanted)
    }
}

/// Resolves as the data plane does and answers what it is told to.
pub(crate) struct FakeInvoker {
    pub(crate) catalog: Mutex<Arc<Catalog>>,
    pub(crate) requests: Mutex<Vec<(RequestContext, InvokeRequest)>>,
    pub(crate) function_error: Mutex<Option<&'static str>>,
    pub(crate) failure: Mutex<Option<InvokeError>>,
    /// What the function returns; else its event.
    pub(crate) returned: Mutex<Option<Bytes>>,
    permissions: Arc<Permissions>,
}

impl FakeInvoker {
    pub(crate) fn new(catalog: Arc<Catalog>, permissions: Arc<Permissions>) -> Self {
        Self {
            catalog: Mutex::new(catalog),
            requests: Mutex::default(),
            function_error: Mutex::default(),
            failure: Mutex::default(),
            returned: Mutex::default(),
            permissions,
        }
    }
}

#[async_trait]
impl Invoker for FakeInvoker {
    async fn invoke(&self, ctx: &RequestContext, request: InvokeRequest) -> Result<InvokeResponse, InvokeError> {
        let arn = ctx.function_arn(&request.function_name);
        let arn = request.qualifier.as_ref().map_or(arn.clone(), |qualifier| arn.qualified(&qualifier.to_string()));
        self.permissions
            .authorize(ctx, &Access::new("lambda:InvokeFunction", &arn))
            .map_err(|Denied { message }| InvokeError::AccessDenied { message })?;
        if let Some(failure) = self.failure.lock().clone() {
            return Err(failure);
        }
        let catalog = self.catalog.lock().clone();
        let resolved =
            catalog.resolve(ctx, &request.function_name, request.qualifier.as_ref()).map_err(|error| match error {
                ResolveError::NotFound { arn } => InvokeError::FunctionNotFound { arn },
                ResolveError::NotReady { state } => InvokeError::NotReady { state },
            })?;
        self.requests.lock().push((ctx.clone(), request.clone()));
        let is_sync = request.invocation_type == InvocationType::RequestResponse;
        Ok(InvokeResponse {
            executed_version: is_sync.then_some(resolved.version.version),
            function_error: *self.function_error.lock(),
            payload: if is_sync { self.returned.lock().clone().unwrap_or(request.payload) } else { Bytes::new() },
            log_tail: request.log_tail.then(|| Bytes::from_static(b"START\nEND\n")),
        })
    }

    async fn invoke_streaming(
        &self,
        ctx: &RequestContext,
        request: InvokeRequest,
    ) -> Result<StreamedResponse, InvokeError> {
        Ok(self.invoke(ctx, request).await?.into())
    }
}

/// The real store behind a gate that lets a chosen number of commits pass.
pub(crate) struct GatedStore {
    store: SqliteStore,
    gate: Semaphore,
    closed: Mutex<bool>,
    waiting: AtomicUsize,
}

impl GatedStore {
    pub(crate) fn new(store: SqliteStore) -> Self {
        Self { store, gate: Semaphore::new(0), closed: Mutex::new(false), waiting: AtomicUsize::new(0) }
    }

    /// From now on only `commits` commits pass.
    pub(crate) fn allow(&self, commits: usize) {
        *self.closed.lock() = true;
        self.gate.forget_permits(usize::MAX);
        self.gate.add_permits(commits);
    }

    pub(crate) fn open(&self) {
        *self.closed.lock() = false;
        self.gate.add_permits(10_000);
    }

    /// The server ends: commits that wait never happen.
    pub(crate) fn kill(&self) {
        *self.closed.lock() = true;
        self.gate.close();
    }

    /// Resolves when a commit waits at the gate.
    pub(crate) async fn held(&self) {
        while self.waiting.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl Store for GatedStore {
    async fn commit(
        &self,
        shard: &Shard,
        epoch: Epoch,
        preconditions: Vec<Precondition>,
        mutations: Vec<Mutation>,
    ) -> Result<Revision, StoreError> {
        let closed = *self.closed.lock();
        if closed {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            self.gate.acquire().await.map_err(|_| StoreError::Closed)?.forget();
            self.waiting.fetch_sub(1, Ordering::SeqCst);
        }
        self.store.commit(shard, epoch, preconditions, mutations).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        self.store.get(key).await
    }

    async fn scan(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.store.scan(prefix, after, limit).await
    }

    async fn watch(&self, shard: &Shard, since: Revision) -> Result<Revision, StoreError> {
        self.store.watch(shard, since).await
    }

    async fn lease(&self, shard: &Shard, owner: &str, ttl: Millis) -> Result<Epoch, StoreError> {
        self.store.lease(shard, owner, ttl).await
    }
}
