//! The EventBridge API: its operations over [`EventBridge`], and who may do what.

use std::sync::Arc;

use hearth_ports::{Access, Condition, Denied};
use hearth_types::{Arn, RequestContext};
use hearth_wire::{Service, models};

use crate::bus::Bus;
use crate::error::EventsError;
use crate::rule::Rule;
use crate::{EventBridge, arn, op};

/// A request without events: targets of a rule have templates of 8,192 characters, escaped.
const REQUEST_BYTES_MAX: usize = 2 << 20;
/// One with events: a megabyte of them grows by being escaped.
const PUT_REQUEST_BYTES_MAX: usize = 8 << 20;

/// The EventBridge API over `events`.
#[must_use]
pub fn service(events: &Arc<EventBridge>) -> Arc<dyn Service> {
    hearth_wire::service(models::events(), events.clone())
        .op("CancelReplay", REQUEST_BYTES_MAX, op::cancel_replay::run)
        .op("CreateArchive", REQUEST_BYTES_MAX, op::create_archive::run)
        .op("CreateEventBus", REQUEST_BYTES_MAX, op::create_event_bus::run)
        .op("DeleteArchive", REQUEST_BYTES_MAX, op::delete_archive::run)
        .op("DeleteEventBus", REQUEST_BYTES_MAX, op::delete_event_bus::run)
        .op("DeleteRule", REQUEST_BYTES_MAX, op::delete_rule::run)
        .op("DescribeArchive", REQUEST_BYTES_MAX, op::describe_archive::run)
        .op("DescribeEventBus", REQUEST_BYTES_MAX, op::describe_event_bus::run)
        .op("DescribeReplay", REQUEST_BYTES_MAX, op::describe_replay::run)
        .op("DescribeRule", REQUEST_BYTES_MAX, op::describe_rule::run)
        .op("DisableRule", REQUEST_BYTES_MAX, op::disable_rule::run)
        .op("EnableRule", REQUEST_BYTES_MAX, op::enable_rule::run)
        .op("ListArchives", REQUEST_BYTES_MAX, op::list_archives::run)
        .op("ListEventBuses", REQUEST_BYTES_MAX, op::list_event_buses::run)
        .op("ListReplays", REQUEST_BYTES_MAX, op::list_replays::run)
        .op("ListRuleNamesByTarget", REQUEST_BYTES_MAX, op::list_rule_names_by_target::run)
        .op("ListRules", REQUEST_BYTES_MAX, op::list_rules::run)
        .op("ListTagsForResource", REQUEST_BYTES_MAX, op::list_tags_for_resource::run)
        .op("ListTargetsByRule", REQUEST_BYTES_MAX, op::list_targets_by_rule::run)
        .op("PutEvents", PUT_REQUEST_BYTES_MAX, op::put_events::run)
        .op("PutPermission", REQUEST_BYTES_MAX, op::put_permission::run)
        .op("PutRule", REQUEST_BYTES_MAX, op::put_rule::run)
        .op("PutTargets", REQUEST_BYTES_MAX, op::put_targets::run)
        .op("RemovePermission", REQUEST_BYTES_MAX, op::remove_permission::run)
        .op("RemoveTargets", REQUEST_BYTES_MAX, op::remove_targets::run)
        .op("StartReplay", REQUEST_BYTES_MAX, op::start_replay::run)
        .op("TagResource", REQUEST_BYTES_MAX, op::tag_resource::run)
        .op("TestEventPattern", PUT_REQUEST_BYTES_MAX, op::test_event_pattern::run)
        .op("UntagResource", REQUEST_BYTES_MAX, op::untag_resource::run)
        .op("UpdateArchive", REQUEST_BYTES_MAX, op::update_archive::run)
        .op("UpdateEventBus", REQUEST_BYTES_MAX, op::update_event_bus::run)
        .build()
}

/// What a request is about, as it says it.
#[derive(Clone, Copy)]
pub(crate) enum Subject<'a> {
    /// A bus by name or ARN; the default one.
    Bus(Option<&'a str>),
    Rule {
        bus: Option<&'a str>,
        name: &'a str,
    },
    /// By name, in the caller's account and region.
    Archive(&'a str),
    Replay(&'a str),
    /// The ARN of a bus or a rule: they have tags.
    Tagged(&'a str),
}

/// What a request is about, as far as it is there.
pub(crate) struct Found {
    /// The request's, in the account and region of what it is about.
    pub(crate) ctx: RequestContext,
    pub(crate) bus_name: String,
    pub(crate) bus: Option<Arc<Bus>>,
    /// The name of the rule that is meant; empty when the bus is.
    pub(crate) rule: String,
}

impl Found {
    /// # Errors
    /// [`EventsError::NotFound`].
    pub(crate) fn bus(&self) -> Result<Arc<Bus>, EventsError> {
        self.bus.clone().ok_or_else(|| EventsError::no_bus(&self.bus_name))
    }

    /// # Errors
    /// [`EventsError::NotFound`].
    pub(crate) fn rule(&self) -> Result<(Arc<Bus>, Arc<Rule>), EventsError> {
        let bus = self.bus()?;
        let rule = bus.rule(&self.rule).ok_or_else(|| EventsError::no_rule(&self.rule, &self.bus_name))?;
        Ok((bus, rule))
    }
}

impl EventBridge {
    /// What the request is about, if the caller may do this to it. Who may not learns nothing about it.
    ///
    /// # Errors
    /// [`EventsError::Denied`], or an ARN is none.
    pub(crate) fn authorize(
        &self,
        ctx: &RequestContext,
        action: &str,
        subject: Subject<'_>,
        conditions: Vec<Condition>,
    ) -> Result<Found, EventsError> {
        let ((ctx, bus_name), rule) = match subject {
            Subject::Bus(given) => (arn::read_bus(ctx, given)?, ""),
            Subject::Rule { bus, name } => (arn::read_bus(ctx, bus)?, name),
            Subject::Archive(name) | Subject::Replay(name) => {
                let is_archive = matches!(subject, Subject::Archive(_));
                let arn = if is_archive { arn::archive(&ctx.scope(), name) } else { arn::replay(&ctx.scope(), name) };
                self.may(ctx, action, &arn, None, conditions)?;
                return Ok(Found { ctx: ctx.clone(), bus_name: String::new(), bus: None, rule: String::new() });
            }
            Subject::Tagged(text) => arn::read_tagged(ctx, text)?,
        };
        let bus = self.find(&ctx.scope(), &bus_name);
        let scope = ctx.scope();
        let arn = if rule.is_empty() { arn::bus(&scope, &bus_name) } else { arn::rule(&scope, &bus_name, rule) };
        self.may(&ctx, action, &arn, bus.as_deref(), conditions)?;
        Ok(Found { rule: rule.to_owned(), ctx, bus_name, bus })
    }

    /// Whether the caller may do this to that resource, which is a bus or belongs to one.
    ///
    /// # Errors
    /// [`Denied`].
    pub(crate) fn may(
        &self,
        ctx: &RequestContext,
        action: &str,
        resource: &Arn,
        bus: Option<&Bus>,
        mut conditions: Vec<Condition>,
    ) -> Result<(), Denied> {
        let access = Access::new(action, resource);
        let Some(bus) = bus else { return self.authorizer.authorize(ctx, &access.under(&conditions)) };
        let description = bus.describe();
        match resource.resource.rsplit_once('/') {
            _ if *resource == bus.arn => conditions.extend(description.conditions()),
            Some((_, rule)) => conditions.extend(bus.rule(rule).into_iter().flat_map(|rule| rule.conditions())),
            None => {}
        }
        self.authorizer.authorize(ctx, &access.under(&conditions).with_policy(description.policy()))
    }
}

/// The tags that a request sets, as policies see them.
pub(crate) fn request_tags<'t>(tags: impl IntoIterator<Item = (&'t String, &'t String)>) -> Vec<Condition> {
    let mut conditions = Vec::new();
    let mut keys = Vec::new();
    for (key, value) in tags {
        conditions.push(Condition::one(format!("aws:RequestTag/{key}"), value));
        keys.push(key.clone());
    }
    conditions.extend(tag_keys(keys));
    conditions
}

pub(crate) fn tag_keys(keys: Vec<String>) -> Option<Condition> {
    (!keys.is_empty()).then(|| Condition::many("aws:TagKeys", keys))
}
