//! The life of one execution environment: initialised, invoked one at a time, reset after a time-out or a crash, ended.
//! How it is made stands in [`workshop`].
//!
//! A failed or slow init is repeated inside the first invocation, under the function's own time-out ("suppressed init").
//! Source: Lambda developer guide, "Understanding the Lambda execution environment lifecycle".

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hearth_ports::FunctionVersion;
use hearth_runtime_api::event::InitializationType;
use hearth_sandbox::{
    Environment, InitFailure, Invocation, InvocationOutcome, ResponseSink, SandboxError, ShutdownReason,
};
use hearth_types::limits::INVOKE_RESPONSE_BYTES_MAX;
use hearth_types::{Clock, Mebibytes};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::call::{Answered, Call, Ran};
use crate::failure::{self, Failure};
use crate::logs::{FLUSH_INTERVAL, LogStream};
use crate::pool::Occupant;
use crate::report::{Elapsed, InitPhase, Line, Report, Status};
use crate::usage::Meter;

use self::workshop::Session;
pub(crate) use self::workshop::Workshop;

mod workshop;

/// A reset that takes longer than this has failed.
const RESET_WAIT: Duration = Duration::from_secs(10);
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The runtime has asked for an event.
    Ready,
    /// The runtime has been started again; the next invocation waits for its init.
    Restarted,
    /// Not usable any more.
    Broken,
}

/// Dropping it ends the environment in a task of its own.
pub(crate) struct LiveEnvironment {
    sandbox: Arc<dyn Environment>,
    version: Arc<FunctionVersion>,
    log: Arc<LogStream>,
    session: Arc<Session>,
    ending: TaskTracker,
    is_ended: bool,
    meter: Arc<Meter>,
    clock: Arc<dyn Clock>,
    initialization_type: InitializationType,
    phase: Phase,
    /// Cancelled when it has to end in the middle of an invocation, for want of memory.
    eviction: CancellationToken,
    /// The most memory it has used so far.
    memory_used: Mebibytes,
    is_frozen: bool,
    /// Frozen after each invocation; else by [`LiveEnvironment::freeze`] from outside.
    freezes_at_once: bool,
    /// Of the init phase, until the first invocation has reported it.
    init: Option<Elapsed>,
}

impl LiveEnvironment {
    /// Fit for another invocation?
    pub(crate) fn is_usable(&self) -> bool {
        self.phase != Phase::Broken
    }

    /// Its init phase has succeeded.
    pub(crate) fn is_initialised(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// What becomes idle is frozen, at once or some time later.
    pub(crate) const fn freezes_at_once(&self) -> bool {
        self.freezes_at_once
    }

    /// Stops everything in it until the next invocation.
    pub(crate) fn freeze(&mut self) {
        if !self.is_frozen {
            self.is_frozen = self.sandbox.freeze();
        }
    }

    /// What cannot be thawed cannot answer any more either.
    fn thaw(&mut self) {
        if self.is_frozen {
            self.is_frozen = false;
            if !self.sandbox.thaw() {
                self.phase = Phase::Broken;
            }
        }
    }

    /// The init phase, before any invocation.
    async fn initialise(&mut self, limit: Duration) {
        let started = Instant::now();
        match self.ready_before(started + limit).await {
            Ok(()) => {
                let duration = started.elapsed().into();
                // What happens ahead of invocations is not billed with one of them.
                self.init = (self.initialization_type == InitializationType::OnDemand).then_some(duration);
                self.report_init(InitPhase::Init, duration, &Status::Success);
            }
            Err(unready) => {
                self.report_init(InitPhase::Init, started.elapsed().into(), &unready.status());
                self.reset(unready.reason()).await;
            }
        }
    }

    /// Runs one event, from START to REPORT. Always answers; the function's own failures are answers too.
    pub(crate) async fn run(&mut self, call: Call) -> Ran {
        let started = Instant::now();
        let timeout = self.version.timeout;
        let deadline = started + timeout.duration();
        let deadline_ms = self.clock.now_ms().saturating_add_unsigned(timeout.0);
        self.thaw();
        self.log.begin(Some(Arc::clone(&call.trace)), call.log_tail);
        let eviction = self.eviction.clone();
        let answer = async {
            let suppressed_init = self.repeat_init(started, deadline).await;
            self.log.platform(&Line::Start { request_id: &call.request_id, version: self.version.version });
            match suppressed_init {
                Ok(()) => self.invoke(&call, deadline, deadline_ms).await,
                Err(Unready::Failed(failure)) => Err(Failure::Init(failure)),
                Err(Unready::Late) => Err(Failure::TimedOut { timeout }),
            }
        };
        let mut result = tokio::select! {
            biased;
            result = answer => result,
            () = eviction.cancelled() => Err(Failure::Evicted),
        };
        if result.as_ref().is_err_and(Failure::is_for_want_of_memory) {
            result = Err(Failure::Evicted);
            self.phase = Phase::Broken;
        }
        let may_go_on = self.is_usable() && result.as_ref().err().and_then(reset_reason).is_none();
        let is_settling = self.sandbox.has_extensions() && may_go_on;
        let answered = started.elapsed();
        if is_settling && let Err(failure) = self.settle(&call, &result, started, deadline).await {
            result = Err(failure);
        }
        let elapsed = started.elapsed();
        let duration = match &result {
            // What is over the time-out is the platform's own time.
            Err(Failure::TimedOut { .. }) => elapsed.min(timeout.duration()),
            _ => elapsed,
        };
        self.memory_used = self.sandbox.memory_used_max();
        if let Some(reason) = result.as_ref().err().and_then(reset_reason) {
            // Before the answer: what the function still does must not outlive it, and its output belongs before END.
            self.reset(reason).await;
        }
        if !is_settling {
            self.tell_end(&call, &result, duration.into());
        }
        let extensions = if is_settling { duration.saturating_sub(answered) } else { Duration::ZERO };
        self.account(&call, result, duration.into(), extensions.into())
    }

    /// After the answer: the invocation is over when the extensions are done with it, too; the time-out covers them.
    async fn settle(
        &self,
        call: &Call,
        result: &Result<Answered, Failure>,
        started: Instant,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let timed_out = || Failure::TimedOut { timeout: self.version.timeout };
        let done = self.before(deadline, self.sandbox.runtime_done()).await;
        // Also when the runtime is not: END stands in every log. Extensions may wait for it before they are done.
        self.tell_end(call, result, started.elapsed().into());
        done.ok_or_else(timed_out)?.map_err(Failure::Extension)?;
        let settled = self.before(deadline, self.sandbox.settled()).await;
        settled.ok_or_else(timed_out)?.map_err(Failure::Extension)
    }

    fn tell_end(&self, call: &Call, result: &Result<Answered, Failure>, duration: Elapsed) {
        let (response_bytes, status) = match result {
            Ok(answered) => (answered.bytes, Status::Success),
            Err(failure) => {
                let described = failure::describe(failure, &call.request_id);
                (described.payload.len(), described.status)
            }
        };
        let request_id = &call.request_id;
        self.log.platform(&Line::End { request_id, duration, response_bytes, status: &status });
    }

    /// Writes REPORT, counts the usage and makes the answer.
    fn account(
        &mut self,
        call: &Call,
        result: Result<Answered, Failure>,
        duration: Elapsed,
        extensions: Elapsed,
    ) -> Ran {
        let request_id = &call.request_id;
        let is_evicted = result == Err(Failure::Evicted);
        let (payload, status, is_error) = match result {
            Ok(answered) => (answered.body, Status::Success, false),
            Err(failure) => {
                let described = failure::describe(&failure, request_id);
                (described.payload, described.status, true)
            }
        };
        let init = self.init.take();
        let billed_ms = duration.billed_ms(init);
        let (memory, memory_used) = (self.version.memory, self.memory_used);
        let status = &status;
        self.log.platform(&Line::Report(Report { request_id, duration, init, billed_ms, memory, memory_used, status }));
        let log_tail = self.log.end();
        self.meter.count(self.clock.now_ms(), billed_ms);
        let (duration_us, extensions_us) = (duration.micros(), extensions.micros());
        Ran { payload, is_error, is_evicted, log_tail, duration_us, extensions_us }
    }

    async fn invoke(&self, call: &Call, deadline: Instant, deadline_ms: i64) -> Result<Answered, Failure> {
        let invocation = Invocation {
            request_id: call.request_id.clone(),
            deadline_ms,
            invoked_arn: call.invoked_arn.clone(),
            trace: Some(Arc::clone(&call.trace)),
            client_context: call.client_context.clone(),
            content_type: None,
            payload: call.payload.clone(),
            sink: call.stream.clone().map(|stream| stream as Arc<dyn ResponseSink>),
        };
        let timed_out = || Failure::TimedOut { timeout: self.version.timeout };
        let outcome = self.before(deadline, self.sandbox.invoke(invocation)).await.ok_or_else(timed_out)?;
        match outcome {
            InvocationOutcome::Response { body } => Ok(Answered { bytes: body.len(), body }),
            InvocationOutcome::Streamed { bytes } => Ok(Answered { bytes, body: Bytes::new() }),
            InvocationOutcome::Error(error) => Err(Failure::Reported(error)),
            InvocationOutcome::TooLarge { .. } => {
                let streamed_max = call.stream.as_ref().and_then(|stream| stream.bytes_max());
                let bytes_max = streamed_max.unwrap_or(INVOKE_RESPONSE_BYTES_MAX as u64);
                Err(Failure::ResponseTooLarge { bytes_max })
            }
            InvocationOutcome::Truncated => Err(Failure::ResponseTruncated),
            InvocationOutcome::Exited(cause) => Err(Failure::Exited(cause)),
            InvocationOutcome::Extension(failure) => Err(Failure::Extension(failure)),
        }
    }

    /// The init of a restarted runtime, inside an invocation.
    async fn repeat_init(&mut self, started: Instant, deadline: Instant) -> Result<(), Unready> {
        if self.phase == Phase::Ready {
            return Ok(());
        }
        match self.ready_before(deadline).await {
            Ok(()) => {
                self.report_init(InitPhase::Invoke, started.elapsed().into(), &Status::Success);
                self.phase = Phase::Ready;
                Ok(())
            }
            Err(unready) => {
                self.report_init(InitPhase::Invoke, started.elapsed().into(), &unready.status());
                Err(unready)
            }
        }
    }

    async fn ready_before(&self, deadline: Instant) -> Result<(), Unready> {
        match self.before(deadline, self.sandbox.ready()).await {
            Some(ready) => ready.map_err(Unready::Failed),
            None => Err(Unready::Late),
        }
    }

    fn report_init(&self, phase: InitPhase, duration: Elapsed, status: &Status) {
        let initialization_type = self.initialization_type;
        self.log.platform(&Line::InitRuntimeDone { initialization_type, phase, status });
        self.log.platform(&Line::InitReport { initialization_type, duration, phase, status });
    }

    /// Waits for a future, but not past the deadline; shows the log of a long wait from time to time.
    async fn before<T>(&self, deadline: Instant, future: impl Future<Output = T>) -> Option<T> {
        let mut future = std::pin::pin!(future);
        loop {
            let pause = deadline.min(Instant::now() + FLUSH_INTERVAL);
            if let Ok(output) = tokio::time::timeout_at(pause, future.as_mut()).await {
                return Some(output);
            }
            self.log.flush();
            if pause == deadline {
                return None;
            }
        }
    }

    /// Ends all processes of the function, extensions with a last word; the next init starts them again.
    async fn reset(&mut self, reason: ShutdownReason) {
        let reset = async {
            self.sandbox.shut_down(reason).await;
            self.sandbox.reset().await
        };
        self.phase = match tokio::time::timeout(RESET_WAIT, reset).await {
            Ok(Ok(())) => Phase::Restarted,
            Ok(Err(error @ (SandboxError::Gone | SandboxError::ShutDown))) => {
                tracing::debug!(id = %self.sandbox.id(), %error, "an environment ended before its reset");
                Phase::Broken
            }
            Ok(Err(error)) => {
                tracing::warn!(id = %self.sandbox.id(), %error, "an environment cannot be reset; it ends");
                Phase::Broken
            }
            Err(_) => {
                tracing::error!(id = %self.sandbox.id(), "an environment does not reset in time; it ends");
                Phase::Broken
            }
        };
    }

    /// Ends the environment and waits for it.
    pub(crate) async fn end(mut self) {
        self.is_ended = true;
        self.ending().await;
    }

    /// Its credentials are void when nothing can use them any more.
    fn ending(&self) -> impl Future<Output = ()> + Send + 'static {
        let (sandbox, log, session) = (Arc::clone(&self.sandbox), Arc::clone(&self.log), Arc::clone(&self.session));
        let is_frozen = self.is_frozen;
        async move {
            if sandbox.has_extensions() && (!is_frozen || sandbox.thaw()) {
                sandbox.shut_down(ShutdownReason::Spindown).await;
            }
            sandbox.destroy().await;
            log.flush();
            drop(session);
        }
    }
}

impl Occupant for LiveEnvironment {
    type Signal = CancellationToken;

    fn signal(&self) -> CancellationToken {
        self.eviction.clone()
    }

    fn held(&self) -> Mebibytes {
        self.memory_used
    }
}

impl Drop for LiveEnvironment {
    fn drop(&mut self) {
        // Without a runtime the process is about to end, and the backend ends all its environments.
        if !self.is_ended
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            self.ending.spawn_on(self.ending(), &runtime);
        }
    }
}

enum Unready {
    Failed(InitFailure),
    Late,
}

impl Unready {
    const fn reason(&self) -> ShutdownReason {
        match self {
            Self::Failed(_) => ShutdownReason::Failure,
            Self::Late => ShutdownReason::Timeout,
        }
    }

    fn status(&self) -> Status {
        match self {
            Self::Failed(failure) => failure::init_status(failure),
            Self::Late => Status::Timeout,
        }
    }
}

/// After some failures nothing of the function may run on: its process is gone or in an unknown state.
const fn reset_reason(failure: &Failure) -> Option<ShutdownReason> {
    match failure {
        // What was evicted is not started again.
        Failure::Reported(_) | Failure::ResponseTooLarge { .. } | Failure::Evicted => None,
        Failure::TimedOut { .. } => Some(ShutdownReason::Timeout),
        Failure::Init(_) | Failure::Exited(_) | Failure::Extension(_) | Failure::ResponseTruncated => {
            Some(ShutdownReason::Failure)
        }
    }
}
