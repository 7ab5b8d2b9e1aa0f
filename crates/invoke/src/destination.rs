//! Destinations of asynchronous invocations: the function that is told how an event ended, as another event.
//!
//! The function's role must let it invoke the destination. Source: Lambda developer guide, "Capturing records of Lambda
//! asynchronous invocations".

use hearth_ports::{Access, Resolved, TemporaryKey};
use hearth_types::limits::INVOKE_EVENT_BYTES_MAX;
use hearth_types::{Arn, Qualifier, RequestContext, RequestId, Scope, Version};

use crate::engine::Core;
use crate::event_queue::{Ended, EventBody};
use crate::logs::LogStream;
use crate::{recursion, trace};

/// How long the role's session may live that asks and is ended at once.
const SESSION_TTL_MS: u64 = 60_000;

/// The event for `destination`, under an id of its own.
///
/// # Errors
/// Why it cannot be told, for the log.
pub(crate) fn forward(
    core: &Core,
    scope: &Scope,
    id: &RequestId,
    body: &EventBody,
    ended: &Ended<'_>,
    destination: &Arn,
) -> Result<(RequestId, EventBody), String> {
    let ctx = RequestContext::service(scope, LogStream::PRINCIPAL, id.clone());
    let (name, qualifier) = named(destination).ok_or("it is no function")?;
    let to = core.catalog.resolve(&ctx, name, qualifier.as_ref()).map_err(|error| error.to_string())?;
    let from = core.catalog.resolve(&ctx, &body.function_name, body.qualifier.as_ref());
    let from = from.map_err(|error| error.to_string())?;
    check_role(core, &ctx, &from, &to, destination)?;

    let now_ms = core.clock.now_ms();
    let header = body.trace.as_deref().map_or_else(|| trace::new_header(now_ms, &*core.random), Into::into);
    let (header, is_loop) = recursion::extend(&header, &to.version.uid);
    if is_loop && !to.allows_loops {
        return Err("it comes back to itself again and again".to_owned());
    }
    let own = body.qualifier.as_ref().map_or_else(|| Version::Latest.to_string(), ToString::to_string);
    let own = from.version.arn.qualified(&own).to_string();
    let payload = ended.record(id, &own, body, now_ms).map_err(|error| error.to_string())?;
    if payload.len() > INVOKE_EVENT_BYTES_MAX {
        return Err(format!("what it would be told is larger than {INVOKE_EVENT_BYTES_MAX} bytes"));
    }
    let event = EventBody {
        function_name: name.to_owned(),
        uid: to.version.uid.clone(),
        qualifier,
        trace: Some(header.as_ref().to_owned()),
        accepted_ms: now_ms,
        payload,
    };
    Ok((RequestId::generate(&*core.random), event))
}

/// `function:NAME` or `function:NAME:QUALIFIER`.
fn named(arn: &Arn) -> Option<(&str, Option<Qualifier>)> {
    let named = arn.resource.strip_prefix("function:")?;
    match named.split_once(':') {
        Some((name, qualifier)) => Some((name, Some(Qualifier::parse(qualifier)))),
        None => Some((named, None)),
    }
}

/// May the function's role invoke the destination?
fn check_role(
    core: &Core,
    ctx: &RequestContext,
    from: &Resolved,
    to: &Resolved,
    destination: &Arn,
) -> Result<(), String> {
    let (role, function) = (&from.version.role_arn, &from.version.arn);
    let session = core.credentials.issue_function_session(ctx, role, function, SESSION_TTL_MS);
    let TemporaryKey { credentials, caller } = session.map_err(|error| error.to_string())?;
    let as_role = RequestContext { caller, ..ctx.clone() };
    let access = Access::new("lambda:InvokeFunction", destination);
    let access = access.under(&to.guard.conditions).with_policy(to.guard.policy());
    let allowed = core.authorizer.authorize(&as_role, &access).map_err(|denied| denied.message);
    core.credentials.revoke(ctx, &credentials.access_key_id);
    allowed
}
