//! Who is told how an event ended: a destination, which is a function, a queue, a topic, a bucket or an event bus, and
//! the dead-letter queue.
//!
//! The function's role must let it do that. Source: Lambda developer guide, "Capturing records of Lambda asynchronous
//! invocations" and "Adding a dead-letter queue". What cannot be told is dropped and logged, as there.

use hearth_delivery::message::{EventHead, Message, Sender};
use hearth_delivery::{Delivery, Staged};
use hearth_ports::metrics::lambda;
use hearth_ports::{Access, EventTerms, Metric, Resolved};
use hearth_types::clock::format_utc;
use hearth_types::limits::INVOKE_EVENT_BYTES_MAX;
use hearth_types::{Arn, Qualifier, RequestContext, RequestId, Version, random};

use super::attempt;
use super::end::{Attributes, Ended};
use super::event::Event;
use crate::engine::Core;
use crate::logs::LogStream;
use crate::{recursion, trace};

/// What follows from the end of an event.
pub(crate) fn tell(core: &Core, delivery: &Delivery<Event>, terms: &EventTerms, ended: &Ended<'_>) -> Vec<Staged> {
    let ctx = RequestContext::service(&delivery.scope, LogStream::PRINCIPAL, delivery.id.clone());
    let (event, is_failed) = (&delivery.body, ended.condition.is_some());
    let destination = if is_failed { &terms.on_failure } else { &terms.on_success };
    let Ok(from) = core.catalog.resolve(&ctx, &event.function_name, event.qualifier.as_ref()) else {
        if destination.is_some() {
            tracing::warn!(id = %delivery.id, "nobody is told of the end of an event: its function is gone");
        }
        return Vec::new();
    };
    let dead_letters = from.version.dead_letters.as_ref().filter(|_| is_failed);
    let mut staged = Vec::new();
    let mut keep = |to: &Arn, told: Result<Staged, String>, failure: &'static Metric| match told {
        Ok(told) => staged.push(told),
        Err(error) => {
            tracing::warn!(id = %delivery.id, %to, error, "nobody is told of the end of an event");
            attempt::tell(core, delivery, failure, 1.0);
        }
    };
    let telling = Telling { core, ctx: &ctx, delivery, from: &from };
    if let Some(to) = destination {
        keep(to, telling.record(ended, to), &lambda::DESTINATION_DELIVERY_FAILURES);
    }
    if let Some(to) = dead_letters {
        let attributes = ended.dead_letter_attributes(&delivery.id);
        keep(to, telling.message(to, event.payload.clone(), attributes), &lambda::DEAD_LETTER_ERRORS);
    }
    staged
}

struct Telling<'a> {
    core: &'a Core,
    ctx: &'a RequestContext,
    delivery: &'a Delivery<Event>,
    /// The function whose event it was.
    from: &'a Resolved,
}

impl Telling<'_> {
    /// The record of the end, for a destination. Errors say why it cannot be told, for the log.
    fn record(&self, ended: &Ended<'_>, to: &Arn) -> Result<Staged, String> {
        let Self { core, delivery, from, .. } = self;
        let event = &delivery.body;
        let own = event.qualifier.as_ref().map_or_else(|| Version::Latest.to_string(), ToString::to_string);
        let own = from.version.arn.qualified(&own).to_string();
        let record = ended.record(&delivery.id, &own, event, core.clock.now_ms()).map_err(|error| error.to_string())?;
        match &*to.service {
            "lambda" => self.invocation(to, record),
            "events" => {
                // Recorded.
                let result = if ended.condition.is_some() { "Failure" } else { "Success" };
                let head = EventHead {
                    source: "lambda".to_owned(),
                    detail_type: format!("Lambda Function Invocation Result - {result}"),
                    resources: vec![to.to_string(), own],
                };
                self.stage(Message { event: Some(head), ..self.message_to(to, record, Vec::new()) })
            }
            _ => self.message(to, record, Vec::new()),
        }
    }

    fn message(&self, to: &Arn, text: String, attributes: Attributes) -> Result<Staged, String> {
        self.stage(self.message_to(to, text, attributes))
    }

    fn message_to(&self, to: &Arn, text: String, attributes: Attributes) -> Message {
        let Self { delivery, from, .. } = self;
        Message {
            to: to.to_string(),
            from: Sender::Function {
                role_arn: from.version.role_arn.clone(),
                function_arn: from.version.arn.to_string(),
            },
            text,
            attributes,
            trace: delivery.body.trace.clone(),
            key: (to.service == "s3").then(|| self.object_key()),
            event: None,
        }
    }

    fn stage(&self, message: Message) -> Result<Staged, String> {
        let Self { core, delivery, .. } = self;
        let id = RequestId::generate(&*core.random);
        core.messages.stage(&delivery.scope, id, message).map_err(|error| error.to_string())
    }

    /// Source: Lambda developer guide, "Capturing records of Lambda asynchronous invocations", S3 destinations.
    fn object_key(&self) -> String {
        let Self { core, delivery, .. } = self;
        let day = format_utc(core.clock.now_ms(), "%Y/%m/%d/%Y-%m-%dT%H.%M.%S");
        format!("aws/lambda/async/{}/{day}-{}", delivery.body.function_name, random::uuid(&*core.random))
    }

    fn invocation(&self, to: &Arn, payload: String) -> Result<Staged, String> {
        let Self { core, ctx, delivery, from } = self;
        let (name, qualifier) = named(to).ok_or("it is no function")?;
        let resolved = core.catalog.resolve(ctx, name, qualifier.as_ref()).map_err(|error| error.to_string())?;
        check_role(core, ctx, from, &resolved, to)?;
        let trace = delivery.body.trace.as_deref();
        let header =
            trace.map_or_else(|| trace::new_header(core.clock.now_ms(), &*core.random), std::convert::Into::into);
        let (header, is_loop) = recursion::extend(&header, &resolved.version.uid);
        if is_loop && !resolved.allows_loops {
            return Err("it comes back to itself again and again".to_owned());
        }
        if payload.len() > INVOKE_EVENT_BYTES_MAX {
            return Err(format!("what it would be told is larger than {INVOKE_EVENT_BYTES_MAX} bytes"));
        }
        let event = Event {
            function_name: name.to_owned(),
            uid: resolved.version.uid.clone(),
            qualifier,
            trace: Some(header.as_ref().to_owned()),
            is_stopped: false,
            payload,
        };
        let id = RequestId::generate(&*core.random);
        core.events.stage(&delivery.scope, id, event).map_err(|error| error.to_string())
    }
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
    let caller = core.credentials.function_role(ctx, role, function).map_err(|error| error.to_string())?;
    let as_role = RequestContext { caller, ..ctx.clone() };
    let access = Access::new("lambda:InvokeFunction", destination);
    let access = access.under(&to.guard.conditions).with_policy(to.guard.policy());
    core.authorizer.authorize(&as_role, &access).map_err(|denied| denied.message)
}
