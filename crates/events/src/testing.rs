//! A queue in memory that keeps to the rules of SQS, and a function that does as it is told. Time is tokio's, which tests
//! let pass at once.

mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_ports::{
    Architecture, CodeDigest, Concurrency, CredentialError, CredentialIssuer, Credentials, EventTerms, FunctionCatalog,
    FunctionVersion, Guard, InvokeError, InvokeRequest, InvokeResponse, Invoker, LogFormat, LogLevel, QueueConsumer,
    QueueError, QueueFacts, QueueMapping, ReceiveTerms, ReceivedMessage, ResolveError, Resolved, RuntimeId,
    StreamedResponse, SystemLogLevel, TemporaryKey,
};
use hearth_types::{
    AccountId, Arn, Caller, Clock, FunctionUid, Mebibytes, Millis, Partition, Qualifier, Region, RequestContext, Scope,
    SeededRandom, SnapshotId, Version,
};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use self::told::Told;
use crate::{Pollers, PollersParts};

pub(crate) fn queue(name: &str) -> Arn {
    format!("arn:aws:sqs:us-east-1:000000000000:{name}").parse().expect("an ARN")
}

pub(crate) fn message(id: &str, body: &str) -> ReceivedMessage {
    let attribute = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    ReceivedMessage {
        message_id: id.to_owned(),
        receipt_handle: format!("handle of {id}"),
        body: body.to_owned(),
        body_md5: "md5".to_owned(),
        system_attributes: BTreeMap::from([
            attribute("ApproximateReceiveCount", "1"),
            attribute("SentTimestamp", "1523232000000"),
            attribute("SenderId", "AIDAIENQZJOLO23YVJ4VO"),
            attribute("ApproximateFirstReceiveTimestamp", "1523232000001"),
        ]),
        attributes: BTreeMap::new(),
        attributes_md5: None,
    }
}

pub(crate) fn scope() -> Scope {
    Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: Some(Region::from(Region::DEFAULT)) }
}

pub(crate) fn mapping() -> QueueMapping {
    QueueMapping {
        id: "11111111-2222-3333-4444-555555555555".to_owned(),
        scope: scope(),
        queue: queue("q"),
        function_name: "f".to_owned(),
        qualifier: None,
        batch_size: 10,
        window: Millis(0),
        filters: Vec::new(),
        reports_failures: false,
        concurrency_max: None,
        counts_events: false,
    }
}

struct TestClock(Instant);

impl Clock for TestClock {
    fn now_ms(&self) -> i64 {
        1_000_000 + i64::try_from(self.0.elapsed().as_millis()).expect("small")
    }
}

#[derive(Clone, Debug)]
struct Stored {
    id: String,
    body: String,
    group: Option<String>,
    trace: Option<String>,
    visible_at_ms: i64,
    receives: u32,
}

impl Stored {
    fn handle(&self) -> String {
        format!("{}#{}", self.id, self.receives)
    }
}

/// One queue. Standard, unless it has groups.
pub(crate) struct FakeQueue {
    clock: Arc<dyn Clock>,
    messages: Mutex<Vec<Stored>>,
    pub(crate) facts: Mutex<QueueFacts>,
    pub(crate) failure: Mutex<Option<QueueError>>,
    /// Whether the role may change the visibility of messages; mappings need not have that permission.
    pub(crate) may_change: AtomicBool,
    /// Deletions fail so often.
    pub(crate) undeletable: AtomicU64,
    pub(crate) receives: AtomicU64,
    arrived: Notify,
    next: AtomicU64,
}

impl FakeQueue {
    pub(crate) fn send(&self, body: &str) -> String {
        self.put(body, None, None)
    }

    pub(crate) fn put(&self, body: &str, group: Option<&str>, trace: Option<&str>) -> String {
        let id = format!("m{}", self.next.fetch_add(1, Ordering::SeqCst));
        self.messages.lock().push(Stored {
            id: id.clone(),
            body: body.to_owned(),
            group: group.map(str::to_owned),
            trace: trace.map(str::to_owned),
            visible_at_ms: 0,
            receives: 0,
        });
        self.arrived.notify_waiters();
        id
    }

    /// How often each message that is still there was received.
    pub(crate) fn left(&self) -> BTreeMap<String, u32> {
        self.messages.lock().iter().map(|stored| (stored.id.clone(), stored.receives)).collect()
    }

    pub(crate) fn visible(&self) -> usize {
        let now_ms = self.clock.now_ms();
        self.messages.lock().iter().filter(|stored| stored.visible_at_ms <= now_ms).count()
    }

    fn take(&self, max: u32) -> Vec<ReceivedMessage> {
        let now_ms = self.clock.now_ms();
        let visible_at_ms = now_ms + i64::from(self.facts.lock().visibility_timeout_s) * 1_000;
        let mut messages = self.messages.lock();
        let blocked: BTreeSet<String> =
            messages.iter().filter(|one| one.visible_at_ms > now_ms).filter_map(|one| one.group.clone()).collect();
        let mut taken = Vec::new();
        for stored in messages.iter_mut() {
            let is_blocked = stored.group.as_ref().is_some_and(|group| blocked.contains(group));
            if taken.len() == max as usize || stored.visible_at_ms > now_ms || is_blocked {
                continue;
            }
            stored.receives += 1;
            stored.visible_at_ms = visible_at_ms;
            let mut received = message(&stored.id, &stored.body);
            received.receipt_handle = stored.handle();
            let mut set = |name: &str, value: &Option<String>| {
                received.system_attributes.extend(value.clone().map(|value| (name.to_owned(), value)));
            };
            set("MessageGroupId", &stored.group);
            set("AWSTraceHeader", &stored.trace);
            set("ApproximateReceiveCount", &Some(stored.receives.to_string()));
            taken.push(received);
        }
        taken
    }
}

fn as_role(ctx: &RequestContext) -> Result<(), QueueError> {
    match &ctx.caller {
        Caller::RoleSession { role_arn, .. } if role_arn.ends_with("role/r") => Ok(()),
        other => Err(QueueError::AccessDenied { message: format!("{other:?} is not the function's role") }),
    }
}

#[async_trait]
impl QueueConsumer for FakeQueue {
    async fn facts(&self, ctx: &RequestContext, _: &Arn) -> Result<QueueFacts, QueueError> {
        as_role(ctx)?;
        Ok(*self.facts.lock())
    }

    async fn allows(&self, ctx: &RequestContext, _: &Arn, _: &'static str) -> Result<(), QueueError> {
        as_role(ctx)
    }

    async fn receive(
        &self,
        ctx: &RequestContext,
        _: &Arn,
        terms: ReceiveTerms,
    ) -> Result<Vec<ReceivedMessage>, QueueError> {
        as_role(ctx)?;
        assert!((1..=10).contains(&terms.messages_max) && terms.wait_s <= 20, "{terms:?}");
        self.receives.fetch_add(1, Ordering::SeqCst);
        let end = Instant::now() + Duration::from_secs(terms.wait_s.into());
        loop {
            if let Some(failure) = self.failure.lock().clone() {
                return Err(failure);
            }
            let arrived = self.arrived.notified();
            let taken = self.take(terms.messages_max);
            if !taken.is_empty() || Instant::now() >= end {
                return Ok(taken);
            }
            // Messages become visible by themselves.
            let now_ms = self.clock.now_ms();
            let next_ms = self.messages.lock().iter().map(|one| one.visible_at_ms).filter(|at| *at > now_ms).min();
            let next = next_ms.and_then(|at| u64::try_from(at - now_ms).ok()).map(Duration::from_millis);
            let look_again = next.map_or(end, |next| (Instant::now() + next).min(end));
            tokio::select! {
                () = arrived => {}
                () = tokio::time::sleep_until(look_again) => {}
            }
        }
    }

    async fn delete(&self, ctx: &RequestContext, _: &Arn, handles: &[String]) -> Result<(), QueueError> {
        as_role(ctx)?;
        if self.undeletable.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(QueueError::Unavailable { detail: "a test".to_owned() });
        }
        self.messages.lock().retain(|stored| !handles.contains(&stored.handle()));
        // What stands behind them in their groups may be had.
        self.arrived.notify_waiters();
        Ok(())
    }

    async fn change_visibility(
        &self,
        ctx: &RequestContext,
        _: &Arn,
        handles: &[String],
        seconds: u32,
    ) -> Result<(), QueueError> {
        as_role(ctx)?;
        if !self.may_change.load(Ordering::SeqCst) {
            return Err(QueueError::AccessDenied { message: "a test".to_owned() });
        }
        let visible_at_ms = self.clock.now_ms() + i64::from(seconds) * 1_000;
        for stored in self.messages.lock().iter_mut().filter(|stored| handles.contains(&stored.handle())) {
            stored.visible_at_ms = visible_at_ms;
        }
        self.arrived.notify_waiters();
        Ok(())
    }
}

/// One invocation.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) ids: Vec<String>,
    pub(crate) groups: Vec<Option<String>>,
    pub(crate) at: Duration,
    pub(crate) ended: Option<Duration>,
    /// Not throttled.
    pub(crate) has_run: bool,
    pub(crate) request: InvokeRequest,
    pub(crate) ctx: RequestContext,
}

/// What the function does with the messages it gets.
pub(crate) type Script = Box<dyn Fn(&[String]) -> (Duration, Result<InvokeResponse, InvokeError>) + Send + Sync>;

pub(crate) struct FakeFunction {
    start: Instant,
    pub(crate) script: Mutex<Script>,
    pub(crate) runs: Mutex<Vec<Run>>,
    pub(crate) is_there: AtomicBool,
    pub(crate) timeout_s: AtomicU64,
}

pub(crate) fn returned(payload: &str) -> Result<InvokeResponse, InvokeError> {
    let payload = Bytes::copy_from_slice(payload.as_bytes());
    Ok(InvokeResponse { executed_version: Some(Version::Latest), function_error: None, payload, log_tail: None })
}

pub(crate) fn failed() -> Result<InvokeResponse, InvokeError> {
    Ok(InvokeResponse { function_error: Some("Unhandled"), ..returned("{}")? })
}

impl FakeFunction {
    pub(crate) fn does(
        &self,
        script: impl Fn(&[String]) -> (Duration, Result<InvokeResponse, InvokeError>) + Send + Sync + 'static,
    ) {
        *self.script.lock() = Box::new(script);
    }

    pub(crate) fn runs(&self) -> Vec<Run> {
        self.runs.lock().clone()
    }

    pub(crate) fn batches(&self) -> Vec<Vec<String>> {
        self.runs.lock().iter().map(|run| run.ids.clone()).collect()
    }
}

#[async_trait]
impl Invoker for FakeFunction {
    async fn invoke(&self, ctx: &RequestContext, request: InvokeRequest) -> Result<InvokeResponse, InvokeError> {
        let event: Value = serde_json::from_slice(&request.payload).expect("JSON");
        let records = event["Records"].as_array().expect("records");
        let ids: Vec<String> = records.iter().map(|one| one["messageId"].as_str().expect("an id").to_owned()).collect();
        let group = |one: &Value| one["attributes"]["MessageGroupId"].as_str().map(str::to_owned);
        let groups = records.iter().map(group).collect();
        let (takes, answer) = (self.script.lock())(&ids);
        let at = self.start.elapsed();
        let place = {
            let mut runs = self.runs.lock();
            runs.push(Run { ids, groups, at, ended: None, has_run: answer.is_ok(), request, ctx: ctx.clone() });
            runs.len() - 1
        };
        tokio::time::sleep(takes).await;
        self.runs.lock()[place].ended = Some(self.start.elapsed());
        answer
    }

    async fn invoke_streaming(&self, _: &RequestContext, _: InvokeRequest) -> Result<StreamedResponse, InvokeError> {
        Err(InvokeError::Internal { detail: "mappings do not stream".to_owned() })
    }
}

impl FunctionCatalog for FakeFunction {
    fn resolve(&self, ctx: &RequestContext, name: &str, _: Option<&Qualifier>) -> Result<Resolved, ResolveError> {
        let arn = ctx.function_arn(name);
        if !self.is_there.load(Ordering::SeqCst) {
            return Err(ResolveError::NotFound { arn: arn.to_string() });
        }
        let version = FunctionVersion {
            uid: FunctionUid::from("uid"),
            snapshot: SnapshotId::from("snapshot"),
            partition: Partition::Aws,
            account: AccountId::DEFAULT,
            region: Region::from(Region::DEFAULT),
            name: name.to_owned(),
            arn: arn.clone(),
            version: Version::Latest,
            runtime: RuntimeId("python3.11".into()),
            runtime_version: None,
            handler: "app.handler".to_owned(),
            dead_letters: None,
            image: None,
            role_arn: "arn:aws:iam::000000000000:role/r".to_owned(),
            architecture: Architecture::X86_64,
            memory: Mebibytes(128),
            timeout: Millis::from_secs(self.timeout_s.load(Ordering::SeqCst)),
            ephemeral_storage: Mebibytes(512),
            environment: BTreeMap::new(),
            code: CodeDigest([0; 32]),
            layers: Vec::new(),
            log_group: "/aws/lambda/f".to_owned(),
            log_format: LogFormat::Text,
            application_log_level: LogLevel::default(),
            system_log_level: SystemLogLevel::default(),
        };
        Ok(Resolved {
            version: Arc::new(version),
            second: None,
            concurrency: Concurrency::default(),
            provisioned: None,
            allows_loops: false,
            invoked_arn: arn.to_string(),
            guard: Arc::new(Guard::default()),
        })
    }

    fn event_terms(&self, _: &RequestContext, _: &str, _: Option<&Qualifier>) -> EventTerms {
        EventTerms::default()
    }
}

/// Takes any role.
struct Issuer;

impl CredentialIssuer for Issuer {
    fn check_function_role(&self, _: &RequestContext, _: &str, _: &Arn) -> Result<(), CredentialError> {
        Ok(())
    }

    fn issue_function_session(
        &self,
        ctx: &RequestContext,
        role_arn: &str,
        _: &Arn,
        _: u64,
    ) -> Result<TemporaryKey, CredentialError> {
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

/// Pollers, a queue and a function.
pub(crate) struct World {
    pub(crate) pollers: Arc<Pollers>,
    pub(crate) queue: Arc<FakeQueue>,
    pub(crate) function: Arc<FakeFunction>,
    pub(crate) told: Arc<Told>,
}

impl World {
    /// A queue with a visibility time-out of 30 s and a function with a time-out of 3 s that takes 10 ms.
    pub(crate) fn new(is_fifo: bool) -> Self {
        let start = Instant::now();
        let clock: Arc<dyn Clock> = Arc::new(TestClock(start));
        let queue = Arc::new(FakeQueue {
            clock: Arc::clone(&clock),
            messages: Mutex::default(),
            facts: Mutex::new(QueueFacts { visibility_timeout_s: 30, is_fifo }),
            failure: Mutex::default(),
            may_change: AtomicBool::new(true),
            undeletable: AtomicU64::default(),
            receives: AtomicU64::default(),
            arrived: Notify::new(),
            next: AtomicU64::default(),
        });
        let function = Arc::new(FakeFunction {
            start,
            script: Mutex::new(Box::new(|_| (Duration::from_millis(10), returned("null")))),
            runs: Mutex::default(),
            is_there: AtomicBool::new(true),
            timeout_s: AtomicU64::new(3),
        });
        let told: Arc<Told> = Arc::default();
        let pollers = Pollers::new(PollersParts {
            queues: Arc::clone(&queue) as _,
            invoker: Arc::clone(&function) as _,
            catalog: Arc::clone(&function) as _,
            credentials: Arc::new(Issuer),
            metrics: Arc::clone(&told) as _,
            clock,
            random: Arc::new(SeededRandom::new(1)),
        });
        Self { pollers, queue, function, told }
    }
}
