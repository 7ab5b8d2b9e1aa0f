//! One invocation, top to bottom: admit → route → gate → lease → run → account.
//!
//! The hot path touches no store, parses no payload twice and holds no lock across an await. From the gate on the work
//! outlives its caller: a client that disconnects loses neither the environment nor the accounting.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hearth_ports::metrics::lambda;
use hearth_ports::{
    Access, Concurrency, Condition, Denied, FunctionVersion, InvocationType, InvokeError, InvokeRequest,
    InvokeResponse, ResolveError, Resolved, StreamedResponse, ThrottleReason,
};
use hearth_store::StoreError;
use hearth_types::{Caller, Proof, Qualifier, RequestContext};

use crate::admit::admit;
use crate::call::{Call, Ran};
use crate::detached::Detached;
use crate::engine::Core;
use crate::events::Event;
use crate::failure::FUNCTION_ERROR;
use crate::gate::Permit;
use crate::lease::Lease;
use crate::logs::LogStream;
use crate::metrics::Placed;
use crate::response_stream::ResponseStream;
use crate::{recursion, routing, trace};

/// # Errors
/// [`InvokeError`] when no function ran.
pub(crate) async fn invoke(
    core: &Arc<Core>,
    ctx: &RequestContext,
    request: InvokeRequest,
) -> Result<InvokeResponse, InvokeError> {
    match prepare(core, ctx, request)? {
        Step::Nothing => Ok(nothing_ran()),
        Step::Enqueue(body) => Detached::new(enqueue(Arc::clone(core), ctx.clone(), body)).await,
        Step::Run(order) => Detached::new(run(Arc::clone(core), order)).await,
    }
}

/// As [`invoke`]; the answer is there when it begins.
///
/// # Errors
/// [`InvokeError`] when no function ran.
pub(crate) async fn invoke_streaming(
    core: &Arc<Core>,
    ctx: &RequestContext,
    request: InvokeRequest,
) -> Result<StreamedResponse, InvokeError> {
    let mut order = match prepare(core, ctx, request)? {
        Step::Nothing => return Ok(nothing_ran().into()),
        Step::Enqueue(_) => {
            return Err(InvokeError::Internal { detail: "an event has no answer to stream".to_owned() });
        }
        Step::Run(order) => order,
    };
    let (stream, mut answer) = ResponseStream::open(core.stream, order.version.version);
    order.call.stream = Some(Arc::clone(&stream));
    let running = run(Arc::clone(core), order);
    let work = Detached::new(async move { stream.end(running.await) });
    let answer = tokio::select! {
        biased;
        // From here on the invocation is in a task of its own.
        answer = &mut answer => answer,
        () = work => answer.await,
    };
    answer.unwrap_or_else(|_| Err(InvokeError::Internal { detail: "an invocation got lost".to_owned() }))
}

/// What is to be done about a request.
enum Step {
    Nothing,
    Enqueue(Event),
    Run(Order),
}

/// What is to run, and under which terms.
pub(crate) struct Order {
    pub(crate) version: Arc<FunctionVersion>,
    /// Of an alias with two.
    pub(crate) is_weighted: bool,
    /// The qualifier whose provisioned environments come first.
    pub(crate) provisioned: Option<Arc<str>>,
    pub(crate) concurrency: Concurrency,
    /// Somebody waits for the answer: the request counts against a rate.
    pub(crate) is_synchronous: bool,
    pub(crate) call: Call,
}

/// Everything before the gate.
fn prepare(core: &Core, ctx: &RequestContext, request: InvokeRequest) -> Result<Step, InvokeError> {
    let resolved = route(core, ctx, &request)?;
    let admitted = admit(&request)?;
    let Resolved { version, second, invoked_arn, concurrency, provisioned, allows_loops, .. } = resolved?;
    let trace = ctx.trace.clone().unwrap_or_else(|| trace::new_header(core.clock.now_ms(), &*core.random));
    let (trace, is_loop) = recursion::extend(&trace, &version.uid);
    let is_stopped = is_loop && !allows_loops;
    match request.invocation_type {
        InvocationType::DryRun => return Ok(Step::Nothing),
        InvocationType::Event => {
            return Ok(Step::Enqueue(Event {
                function_name: request.function_name,
                uid: version.uid.clone(),
                qualifier: request.qualifier,
                trace: Some(trace.as_ref().to_owned()),
                is_stopped,
                // Admitted as JSON, which is UTF-8.
                payload: String::from_utf8_lossy(&admitted.payload).into_owned(),
            }));
        }
        InvocationType::RequestResponse if is_stopped => {
            let qualifier = request.qualifier.as_ref().map(Qualifier::to_string);
            let values = [(&lambda::RECURSIVE_INVOCATIONS_DROPPED, 1.0)];
            let now_ms = core.clock.now_ms();
            core.metrics.tell(ctx, &request.function_name, qualifier.as_deref(), now_ms, &values);
            return Err(InvokeError::RecursiveLoop);
        }
        InvocationType::RequestResponse => {}
    }
    let call = Call {
        request_id: ctx.request_id.clone(),
        invoked_arn,
        trace,
        client_context: admitted.client_context,
        payload: admitted.payload,
        log_tail: request.log_tail,
        stream: None,
    };
    let is_weighted = second.is_some();
    let version = routing::choose(version, second, &*core.random);
    Ok(Step::Run(Order { version, is_weighted, provisioned, concurrency, is_synchronous: true, call }))
}

/// Name and qualifier to the version that must run, if there is one. Who may not invoke does not learn whether it
/// exists.
fn route(
    core: &Core,
    ctx: &RequestContext,
    request: &InvokeRequest,
) -> Result<Result<Resolved, InvokeError>, InvokeError> {
    let (name, qualifier) = (request.function_name.as_str(), request.qualifier.as_ref());
    let resolved = resolve(core, ctx, name, qualifier);
    if is_own_work(ctx) {
        return Ok(resolved);
    }
    let resource = match (&resolved, qualifier) {
        (Ok(resolved), None) => Cow::Borrowed(&resolved.version.arn),
        (Err(_), None) => Cow::Owned(ctx.function_arn(name)),
        (_, Some(qualifier)) => Cow::Owned(ctx.function_arn(name).qualified(&qualifier.to_string())),
    };
    let access = Access::new("lambda:InvokeFunction", &resource);
    let through_url;
    let access = match &resolved {
        Ok(resolved) => {
            let conditions = &resolved.guard.conditions;
            // Source: "Control access to Lambda function URLs": a permission of its own since October 2025.
            let conditions = if request.via_url {
                through_url = [&[Condition::one("lambda:InvokedViaFunctionUrl", "true")], &**conditions].concat();
                &through_url
            } else {
                conditions
            };
            access.under(conditions).with_policy(resolved.guard.policy())
        }
        Err(_) => access,
    };
    core.authorizer.authorize(ctx, &access).map_err(|Denied { message }| InvokeError::AccessDenied { message })?;
    Ok(resolved)
}

/// Whether Lambda invokes by itself, for an event source mapping: the function's role had to allow reading the source, and
/// nobody else is asked. No request of a client can look like this. Source: Lambda developer guide, "Working with Lambda
/// permissions": resource policies are for services that invoke, execution roles for event source mappings.
fn is_own_work(ctx: &RequestContext) -> bool {
    let is_lambda = matches!(&ctx.caller, Caller::Service { principal, .. } if *principal == LogStream::PRINCIPAL);
    is_lambda && ctx.proof == Proof::Internal
}

pub(crate) fn resolve(
    core: &Core,
    ctx: &RequestContext,
    name: &str,
    qualifier: Option<&Qualifier>,
) -> Result<Resolved, InvokeError> {
    core.catalog.resolve(ctx, name, qualifier).map_err(|error| match error {
        ResolveError::NotFound { arn } => InvokeError::FunctionNotFound { arn },
        ResolveError::NotReady { state } => InvokeError::NotReady { state },
    })
}

/// Everything from the gate on; attempts at asynchronous invocations come in here too.
pub(crate) async fn run(core: Arc<Core>, order: Order) -> Result<InvokeResponse, InvokeError> {
    let Order { version, is_weighted, provisioned, concurrency, is_synchronous, call } = order;
    let _in_flight = core.in_flight()?;
    let source = core.metrics.source(&call.invoked_arn, &version, is_weighted);
    let at_ms = core.clock.now_ms();
    let qualifier = provisioned.clone();
    let entered = enter(&core, &version, provisioned, concurrency, is_synchronous).await;
    if matches!(entered, Err(InvokeError::Throttled { .. })) {
        source.throttled(at_ms);
    }
    let (mut lease, permit) = entered?;
    let placed = match (&qualifier, &permit) {
        (None, _) => Placed::OnDemand,
        (Some(_), Some(_)) => Placed::SpilledOver,
        (Some(qualifier), None) => {
            Placed::Provisioned { of_qualifier: core.environments.provisioned_count(&version.uid, qualifier) }
        }
    };
    let underway = source.begin(at_ms, concurrency, placed);
    let ran = lease.run(call).await;
    drop(underway);
    lease.give_back();
    if ran.is_evicted {
        source.throttled(at_ms);
    } else {
        source.ran(at_ms, &ran);
    }
    let Ran { payload, is_error, is_evicted, log_tail, .. } = ran;
    if is_evicted {
        return Err(InvokeError::Throttled { reason: ThrottleReason::ConcurrentInvocationLimitExceeded });
    }
    if is_error && core.is_ended() {
        return Err(InvokeError::Internal { detail: "the server ended the invocation at its shutdown".to_owned() });
    }
    Ok(InvokeResponse {
        executed_version: Some(version.version),
        function_error: is_error.then_some(FUNCTION_ERROR),
        payload,
        log_tail,
    })
}

/// An environment that may run now, with the permit it needs. One that is provisioned needs none; when all of them run, or
/// have been asked as often as they may be, the invocation spills over to those made on demand.
async fn enter(
    core: &Core,
    version: &Arc<FunctionVersion>,
    provisioned: Option<Arc<str>>,
    concurrency: Concurrency,
    is_synchronous: bool,
) -> Result<(Lease, Option<Permit>), InvokeError> {
    let requested_at = is_synchronous.then(|| Duration::from_millis(u64::try_from(core.clock.now_ms()).unwrap_or(0)));
    if let Some(qualifier) = provisioned
        && let Some(lease) = core.environments.lease_provisioned(version, qualifier, requested_at).await
    {
        return Ok((lease, None));
    }
    let permit = core
        .gate
        .enter(version, concurrency, requested_at)
        .await
        .map_err(|reason| InvokeError::Throttled { reason })?;
    Ok((core.environments.lease(version).await?, Some(permit)))
}

async fn enqueue(core: Arc<Core>, ctx: RequestContext, event: Event) -> Result<InvokeResponse, InvokeError> {
    let _in_flight = core.in_flight()?;
    let (name, qualifier) = (event.function_name.clone(), event.qualifier.as_ref().map(Qualifier::to_string));
    core.events.accept(&ctx.scope(), ctx.request_id.clone(), event).await.map_err(|error| match error {
        StoreError::Full => InvokeError::DiskFull,
        error => InvokeError::Internal { detail: format!("the event is not accepted: {error}") },
    })?;
    let now_ms = core.clock.now_ms();
    core.metrics.tell(&ctx, &name, qualifier.as_deref(), now_ms, &[(&lambda::ASYNC_EVENTS_RECEIVED, 1.0)]);
    Ok(nothing_ran())
}

fn nothing_ran() -> InvokeResponse {
    InvokeResponse { executed_version: None, function_error: None, payload: Bytes::new(), log_tail: None }
}
