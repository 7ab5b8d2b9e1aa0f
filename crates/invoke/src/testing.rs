//! What the tests of this crate stand on: the ports in their simplest form, a scripted sandbox, a store in memory.

pub(crate) mod sandbox;
pub(crate) mod world;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hearth_ports::{
    Access, Architecture, Authorizer, CodeDigest, Concurrency, CredentialError, CredentialIssuer, Credentials, Denied,
    EventTerms, FunctionCatalog, FunctionVersion, LogEvent, LogFormat, LogLevel, LogSink, ResolveError, Resolved,
    RuntimeId, SystemLogLevel, TemporaryKey,
};
use hearth_store::{Codec, KeyRing};
use hearth_types::{
    AccountId, Arn, FunctionUid, Mebibytes, Millis, Partition, Qualifier, Region, RequestContext, Scope, SeededRandom,
    SnapshotId, Version,
};
use parking_lot::Mutex;

pub(crate) use hearth_store::testing::MemoryStore;

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
        runtime_version: None,
        handler: "app.handler".to_owned(),
        image: None,
        role_arn: "arn:aws:iam::000000000000:role/r".to_owned(),
        architecture: Architecture::X86_64,
        memory: Mebibytes(128),
        timeout: Millis::from_secs(3),
        ephemeral_storage: Mebibytes(512),
        environment: BTreeMap::new(),
        code: CodeDigest([0; 32]),
        layers: Vec::new(),
        dead_letters: None,
        log_group: format!("/aws/lambda/{name}"),
        log_format: LogFormat::Text,
        application_log_level: LogLevel::default(),
        system_log_level: SystemLogLevel::default(),
    }
}

pub(crate) fn codec() -> Arc<Codec> {
    let random = Arc::new(SeededRandom::new(5));
    Arc::new(Codec::new(KeyRing::generate(&*random), random))
}

/// Keeps log lines.
#[derive(Default)]
pub(crate) struct Sink(Mutex<Vec<LogEvent>>);

impl Sink {
    pub(crate) fn times_ms(&self) -> Vec<i64> {
        self.0.lock().iter().map(|event| event.timestamp_ms).collect()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |event: &LogEvent| {
            let text = String::from_utf8_lossy(&event.message).into_owned();
            text.strip_suffix('\n').expect("a function's events end in a line feed").to_owned()
        };
        self.0.lock().iter().map(line).collect()
    }
}

impl LogSink for Sink {
    fn append(&self, _: &RequestContext, _: &str, _: &str, events: Vec<LogEvent>) {
        self.0.lock().extend(events);
    }

    fn has_group(&self, _: &RequestContext, _: &str) -> bool {
        true
    }
}

#[derive(Default)]
pub(crate) struct Catalog {
    versions: Mutex<HashMap<String, Arc<FunctionVersion>>>,
    pub(crate) concurrency: Mutex<Concurrency>,
    pub(crate) terms: Mutex<EventTerms>,
    /// Of one function only, instead.
    pub(crate) terms_of: Mutex<Option<(String, EventTerms)>>,
    pub(crate) allows_loops: Mutex<bool>,
    /// Whether environments are kept for who calls with a qualifier.
    pub(crate) is_provisioned: AtomicBool,
}

impl Catalog {
    pub(crate) fn put(&self, version: FunctionVersion) {
        self.versions.lock().insert(version.name.clone(), Arc::new(version));
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
        let version = self.versions.lock().get(name).cloned();
        let version = version.ok_or_else(|| ResolveError::NotFound { arn: arn.qualified("$LATEST").to_string() })?;
        let invoked_arn = match qualifier {
            Some(qualifier) => arn.qualified(&qualifier.to_string()).to_string(),
            None => arn.to_string(),
        };
        let (concurrency, allows_loops) = (*self.concurrency.lock(), *self.allows_loops.lock());
        let is_provisioned = self.is_provisioned.load(Ordering::Relaxed);
        let provisioned = qualifier.filter(|_| is_provisioned).map(|qualifier| qualifier.to_string().into());
        let guard = Arc::default();
        Ok(Resolved { version, second: None, concurrency, provisioned, allows_loops, invoked_arn, guard })
    }

    fn event_terms(&self, _: &RequestContext, name: &str, _: Option<&Qualifier>) -> EventTerms {
        if let Some((_, terms)) = self.terms_of.lock().as_ref().filter(|(of, _)| of == name) {
            return terms.clone();
        }
        self.terms.lock().clone()
    }
}

/// Allows all, except to the caller from 192.0.2.1; notes what was asked beside the log.
#[derive(Default)]
pub(crate) struct Gatekeeper(pub(crate) Mutex<Vec<String>>);

impl Authorizer for Gatekeeper {
    fn revision(&self) -> u64 {
        0
    }

    fn authorize(&self, ctx: &RequestContext, access: &Access<'_>) -> Result<(), Denied> {
        if !access.action.starts_with("logs:") {
            self.0.lock().push(format!("{} {}", access.action, access.resource));
        }
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
    fn check_function_role(&self, _: &RequestContext, _: &str, _: &Arn) -> Result<(), CredentialError> {
        Ok(())
    }

    fn issue_function_session(
        &self,
        ctx: &RequestContext,
        _: &str,
        _: &Arn,
        ttl_ms: u64,
    ) -> Result<TemporaryKey, CredentialError> {
        if self.is_refusing.load(Ordering::SeqCst) {
            return Err(CredentialError::NotAssumable);
        }
        self.ttl_ms.store(ttl_ms, Ordering::SeqCst);
        let access_key_id = format!("ASIA{}", self.issued.fetch_add(1, Ordering::SeqCst));
        self.live.lock().push(access_key_id.clone());
        let credentials =
            Credentials { access_key_id, secret_access_key: "s".into(), session_token: "t".into(), expires_at_ms: 0 };
        Ok(TemporaryKey { credentials, caller: ctx.caller.clone() })
    }

    fn revoke(&self, _: &RequestContext, access_key_id: &str) {
        self.live.lock().retain(|live| live != access_key_id);
    }
}
