//! What the tests of this crate stand on: a scripted sandbox, a store in memory, and the other ports in their simplest
//! form.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_ports::{
    Architecture, Authorizer, CodeDigest, Condition, CredentialError, CredentialIssuer, Credentials, Denied,
    FunctionCatalog, FunctionVersion, LogEvent, LogFormat, LogSink, ResolveError, Resolved, RuntimeId,
};
use hearth_sandbox::{
    Backend, Environment, EnvironmentId, EnvironmentSpec, ExitCause, FunctionError, InitFailure, Invocation,
    InvocationOutcome, OutputSink, SandboxError, Unsupported,
};
use hearth_store::{
    Codec, Entry, Epoch, Key, KeyRing, KeyVersion, Mutation, Precondition, Revision, Shard, Store, StoreError,
};
use hearth_types::{
    AccountId, Arn, FunctionUid, Mebibytes, Millis, Partition, Qualifier, Region, RequestContext, Scope, SeededRandom,
    SnapshotId, Version,
};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

pub(crate) fn scope() -> Scope {
    Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: Some(Region::from(Region::DEFAULT)) }
}

/// A function whose handler does what each event says, see [`Scripted::invoke`].
pub(crate) fn function(name: &str) -> FunctionVersion {
    let region = Region::from(Region::DEFAULT);
    FunctionVersion {
        uid: FunctionUid::from(format!("uid-{name}").as_str()),
        snapshot: SnapshotId::from(format!("snapshot-{name}").as_str()),
        partition: Partition::Aws,
        account: AccountId::DEFAULT,
        arn: Arn::function(Partition::Aws, &region, AccountId::DEFAULT, name),
        region,
        name: name.to_owned(),
        version: Version::Latest,
        runtime: RuntimeId("python3.11".into()),
        handler: "app.handler".to_owned(),
        role_arn: "arn:aws:iam::000000000000:role/r".to_owned(),
        architecture: Architecture::X86_64,
        memory: Mebibytes(128),
        timeout: Millis::from_secs(3),
        ephemeral_storage: Mebibytes(512),
        environment: BTreeMap::new(),
        code: CodeDigest([0; 32]),
        layers: Vec::new(),
        log_group: format!("/aws/lambda/{name}"),
        log_format: LogFormat::Text,
    }
}

pub(crate) fn codec() -> Arc<Codec> {
    let random = Arc::new(SeededRandom::new(5));
    Arc::new(Codec::new(KeyRing::generate(&*random), random))
}

/// Counts what becomes of environments, and lets tests make creation fail.
#[derive(Default)]
pub(crate) struct Sandboxes {
    pub(crate) created: AtomicUsize,
    pub(crate) destroyed: AtomicUsize,
    pub(crate) resets: AtomicUsize,
    pub(crate) specs: Mutex<Vec<EnvironmentSpec>>,
    /// So many creations fail.
    pub(crate) failures: AtomicUsize,
    pub(crate) unsupported: Mutex<Option<String>>,
    pub(crate) is_reset_broken: AtomicBool,
    /// The backend is shut down.
    ended: CancellationToken,
}

/// One scripted environment. What its init does is in the handler's name, what an invocation does in the event.
struct Scripted {
    id: u64,
    handler: String,
    output: Arc<dyn OutputSink>,
    sandboxes: Arc<Sandboxes>,
    boots: AtomicUsize,
    served: AtomicUsize,
    is_busy: AtomicBool,
    is_destroyed: AtomicBool,
}

pub(crate) struct ScriptedBackend(pub(crate) Arc<Sandboxes>);

#[async_trait]
impl Backend for ScriptedBackend {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn check(&self, _: &EnvironmentSpec) -> Result<(), Unsupported> {
        self.0.unsupported.lock().clone().map_or(Ok(()), |reason| Err(Unsupported(reason)))
    }

    async fn create(
        &self,
        spec: EnvironmentSpec,
        output: Arc<dyn OutputSink>,
    ) -> Result<Arc<dyn Environment>, SandboxError> {
        let id = self.0.created.fetch_add(1, Ordering::SeqCst) as u64 + 1;
        if self.0.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(SandboxError::Create("no slot".to_owned()));
        }
        let handler = spec.handler.clone();
        self.0.specs.lock().push(spec);
        Ok(Arc::new(Scripted {
            id,
            handler,
            output,
            sandboxes: Arc::clone(&self.0),
            boots: AtomicUsize::new(1),
            served: AtomicUsize::new(0),
            is_busy: AtomicBool::new(false),
            is_destroyed: AtomicBool::new(false),
        }))
    }

    async fn shutdown(&self) {
        self.0.ended.cancel();
    }
}

fn error(text: &str, error_type: &str) -> FunctionError {
    FunctionError { body: text.to_owned().into(), error_type: Some(error_type.to_owned()) }
}

#[async_trait]
impl Environment for Scripted {
    fn id(&self) -> EnvironmentId {
        EnvironmentId(self.id)
    }

    async fn ready(&self) -> Result<(), InitFailure> {
        let boots = self.boots.load(Ordering::SeqCst);
        self.output.output(format!("boot {boots}\n").as_bytes());
        let (what, number) = self.handler.split_once(':').unwrap_or((&self.handler, "0"));
        let number: u64 = number.parse().unwrap_or(0);
        match what {
            "init-sleeps" => tokio::time::sleep(Duration::from_millis(number)).await,
            "init-sleeps-once" if boots == 1 => tokio::time::sleep(Duration::from_millis(number)).await,
            "init-hangs" => std::future::pending().await,
            "init-error" => {
                return Err(InitFailure::Reported(error(r#"{"init":"error"}"#, "Runtime.ImportModuleError")));
            }
            "init-error-once" if boots == 1 => {
                return Err(InitFailure::Reported(error("{}", "Runtime.ImportModuleError")));
            }
            "init-exits" => return Err(InitFailure::Exited(ExitCause::Exited(number as i32))),
            "init-cannot-launch" => {
                let message = "fork/exec /var/task/bootstrap: no such file or directory".to_owned();
                return Err(InitFailure::Launch { error_type: "Runtime.InvalidEntrypoint", message });
            }
            _ => {}
        }
        Ok(())
    }

    /// The event is a JSON text: `echo`, `id` (answers environment, number of invocations served and boots),
    /// `print TEXT`, `sleep MS`, `hang`, `fail`, `exit STATUS`, `signal NUMBER`, `oom`, `large`, `cut`, `context`.
    async fn invoke(&self, invocation: Invocation) -> InvocationOutcome {
        assert!(!self.is_destroyed.load(Ordering::SeqCst), "an ended environment is not used");
        assert!(!self.is_busy.swap(true, Ordering::SeqCst), "one invocation at a time");
        let served = self.served.fetch_add(1, Ordering::SeqCst) + 1;
        let event: String = serde_json::from_slice(&invocation.payload).unwrap_or_default();
        let (what, argument) = event.split_once(' ').unwrap_or((&event, ""));
        let number: u64 = argument.parse().unwrap_or(0);
        let response = |text: String| InvocationOutcome::Response { body: text.into() };
        let work = async {
            match what {
                "id" => response(format!("{}:{served}:{}", self.id, self.boots.load(Ordering::SeqCst))),
                "print" => {
                    self.output.output(argument.as_bytes());
                    response("null".to_owned())
                }
                "sleep" => {
                    tokio::time::sleep(Duration::from_millis(number)).await;
                    response(self.id.to_string())
                }
                "hang" => {
                    self.output.output(b"hanging");
                    std::future::pending().await
                }
                "fail" => {
                    InvocationOutcome::Error(error(r#"{"errorMessage":"no","errorType":"Exception"}"#, "Exception"))
                }
                "exit" => InvocationOutcome::Exited(ExitCause::Exited(number as i32)),
                "signal" => InvocationOutcome::Exited(ExitCause::Signaled(number as i32)),
                "oom" => InvocationOutcome::Exited(ExitCause::OutOfMemory),
                "large" => InvocationOutcome::TooLarge { size: 7_000_000 },
                "cut" => InvocationOutcome::Truncated,
                "context" => response(format!(
                    "{} {} {} {}",
                    invocation.request_id,
                    invocation.invoked_arn,
                    invocation.trace.unwrap_or_default(),
                    invocation.client_context.unwrap_or_default()
                )),
                _ => InvocationOutcome::Response { body: invocation.payload },
            }
        };
        let outcome = tokio::select! {
            outcome = work => outcome,
            () = self.sandboxes.ended.cancelled() => InvocationOutcome::Exited(ExitCause::Signaled(9)),
        };
        self.is_busy.store(false, Ordering::SeqCst);
        outcome
    }

    async fn reset(&self) -> Result<(), SandboxError> {
        self.sandboxes.resets.fetch_add(1, Ordering::SeqCst);
        self.is_busy.store(false, Ordering::SeqCst);
        self.boots.fetch_add(1, Ordering::SeqCst);
        if self.sandboxes.is_reset_broken.load(Ordering::SeqCst) || self.sandboxes.ended.is_cancelled() {
            Err(SandboxError::Gone)
        } else {
            Ok(())
        }
    }

    async fn destroy(&self) {
        if !self.is_destroyed.swap(true, Ordering::SeqCst) {
            self.sandboxes.destroyed.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn memory_used_max(&self) -> Mebibytes {
        Mebibytes(36)
    }
}

/// Keeps log lines.
#[derive(Default)]
pub(crate) struct Sink(Mutex<Vec<LogEvent>>);

impl Sink {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().iter().map(|event| String::from_utf8_lossy(&event.message).into_owned()).collect()
    }
}

impl LogSink for Sink {
    fn append(&self, _: &RequestContext, _: &str, _: &str, events: Vec<LogEvent>) {
        self.0.lock().extend(events);
    }
}

#[derive(Default)]
pub(crate) struct Catalog(pub(crate) Mutex<HashMap<String, Arc<FunctionVersion>>>);

impl Catalog {
    pub(crate) fn put(&self, version: FunctionVersion) {
        self.0.lock().insert(version.name.clone(), Arc::new(version));
    }
}

impl FunctionCatalog for Catalog {
    fn resolve(
        &self,
        ctx: &RequestContext,
        name: &str,
        qualifier: Option<&Qualifier>,
    ) -> Result<Resolved, ResolveError> {
        let arn = ctx.function_arn(name);
        let version = self.0.lock().get(name).cloned();
        let version = version.ok_or_else(|| ResolveError::NotFound { arn: arn.qualified("$LATEST").to_string() })?;
        let invoked_arn = match qualifier {
            Some(qualifier) => arn.qualified(&qualifier.to_string()).to_string(),
            None => arn.to_string(),
        };
        Ok(Resolved { version, invoked_arn })
    }
}

/// Allows all, except to the caller from 192.0.2.1; notes what was asked.
#[derive(Default)]
pub(crate) struct Gatekeeper(pub(crate) Mutex<Vec<String>>);

impl Authorizer for Gatekeeper {
    fn authorize(&self, ctx: &RequestContext, action: &str, resource: &Arn, _: &[Condition]) -> Result<(), Denied> {
        self.0.lock().push(format!("{action} {resource}"));
        if ctx.source_ip.to_string() == "192.0.2.1" { Err(Denied { message: "denied".to_owned() }) } else { Ok(()) }
    }
}

#[derive(Default)]
pub(crate) struct Issuer {
    issued: AtomicU64,
    pub(crate) live: Mutex<Vec<String>>,
    pub(crate) is_refusing: AtomicBool,
    pub(crate) ttl_ms: AtomicU64,
}

impl CredentialIssuer for Issuer {
    fn issue_function_session(
        &self,
        _: &RequestContext,
        _: &str,
        _: &str,
        ttl_ms: u64,
    ) -> Result<Credentials, CredentialError> {
        if self.is_refusing.load(Ordering::SeqCst) {
            return Err(CredentialError::NotAssumable);
        }
        self.ttl_ms.store(ttl_ms, Ordering::SeqCst);
        let access_key_id = format!("ASIA{}", self.issued.fetch_add(1, Ordering::SeqCst));
        self.live.lock().push(access_key_id.clone());
        Ok(Credentials { access_key_id, secret_access_key: "s".into(), session_token: "t".into(), expires_at_ms: 0 })
    }

    fn revoke(&self, _: &RequestContext, access_key_id: &str) {
        self.live.lock().retain(|live| live != access_key_id);
    }
}

/// A store in memory: virtual time stays exact, since no other thread is waited for.
#[derive(Default)]
pub(crate) struct MemoryStore {
    records: Mutex<BTreeMap<Key, (Bytes, u64)>>,
    revision: AtomicU64,
    /// Every commit fails.
    pub(crate) is_down: AtomicBool,
    pub(crate) reads: AtomicUsize,
}

#[async_trait]
impl Store for MemoryStore {
    async fn commit(
        &self,
        _: &Shard,
        _: Epoch,
        preconditions: Vec<Precondition>,
        mutations: Vec<Mutation>,
    ) -> Result<Revision, StoreError> {
        if self.is_down.load(Ordering::SeqCst) {
            return Err(StoreError::Internal("down".to_owned()));
        }
        let mut records = self.records.lock();
        let revision = self.revision.fetch_add(1, Ordering::SeqCst) + 1;
        let holds = |precondition: &Precondition| match precondition {
            Precondition::Absent(key) => !records.contains_key(key),
            Precondition::Exact(key, version) => records.get(key).is_some_and(|(_, found)| *found == version.0),
        };
        if !preconditions.iter().all(holds) {
            return Err(StoreError::PreconditionFailed);
        }
        for mutation in mutations {
            match mutation {
                Mutation::Put(key, value) => drop(records.insert(key, (value, revision))),
                Mutation::Delete(key) => drop(records.remove(&key)),
            }
        }
        Ok(Revision(revision))
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let records = self.records.lock();
        Ok(records.get(key).map(|(value, version)| Entry {
            key: key.clone(),
            value: value.clone(),
            version: KeyVersion(*version),
        }))
    }

    async fn scan(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let records = self.records.lock();
        let matching =
            records.iter().filter(|(key, _)| key.starts_with(prefix) && after.is_none_or(|after| *key > after));
        let entries = matching.take(limit).map(|(key, (value, version))| Entry {
            key: key.clone(),
            value: value.clone(),
            version: KeyVersion(*version),
        });
        Ok(entries.collect())
    }

    async fn watch(&self, _: &Shard, _: Revision) -> Result<Revision, StoreError> {
        std::future::pending().await
    }

    async fn lease(&self, _: &Shard, _: &str, _: Millis) -> Result<Epoch, StoreError> {
        Ok(Epoch(0))
    }
}

impl MemoryStore {
    /// Records of a table.
    pub(crate) fn count(&self, table: &str) -> usize {
        let prefix = Key::new(&scope(), table);
        self.records.lock().keys().filter(|key| key.starts_with(&prefix)).count()
    }
}
