//! PutRule: makes a rule, or sets one anew; its targets and tags stay.

use std::sync::Arc;

use hearth_types::{Arn, RequestContext};
use serde::{Deserialize, Serialize};

use crate::api::{Subject, request_tags};
use crate::error::EventsError;
use crate::record::RuleRecord;
use crate::tags::{self, Tag};
use crate::{EventBridge, arn, scheduled};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    name: String,
    schedule_expression: Option<String>,
    event_pattern: Option<String>,
    state: Option<String>,
    description: Option<String>,
    role_arn: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
    event_bus_name: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    rule_arn: String,
}

pub(crate) async fn run(events: Arc<EventBridge>, ctx: RequestContext, input: Input) -> Result<Output, EventsError> {
    let tags = tags::by_key(input.tags)?;
    let subject = Subject::Rule { bus: input.event_bus_name.as_deref(), name: &input.name };
    let found = events.authorize(&ctx, "events:PutRule", subject, request_tags(&tags))?;
    let bus = found.bus()?;
    let pattern = input.event_pattern.filter(|pattern| !pattern.is_empty());
    let schedule = input.schedule_expression.filter(|schedule| !schedule.is_empty());
    match (&pattern, &schedule) {
        (None, None) => {
            return Err(EventsError::validation("Parameter(s) EventPattern or ScheduleExpression must be specified."));
        }
        (_, Some(_)) if !bus.is_default() => {
            // Recorded.
            return Err(EventsError::validation("ScheduleExpression is supported only on the default event bus."));
        }
        _ => {}
    }
    let schedule = schedule.as_deref().map(scheduled::read).transpose()?;
    let is_enabled = match input.state.as_deref() {
        None | Some("ENABLED") => true,
        Some("DISABLED") => false,
        Some(state) => return Err(EventsError::unsupported(format_args!("State {state}"))),
    };
    if let Some(role) = &input.role_arn {
        let is_role = |arn: &Arn| arn.service == "iam" && arn.resource.starts_with("role/");
        if !role.parse::<Arn>().as_ref().is_ok_and(is_role) {
            return Err(arn::invalid(role));
        }
    }
    let (name, description, role_arn) = (input.name, input.description, input.role_arn);
    let rule = events.edit_rule(&bus, &name, |before| {
        let (tags, targets) = match before {
            Some(before) => (before.tags.clone(), before.targets.clone()),
            None => (tags, Vec::new()),
        };
        let bus = bus.name.clone();
        Ok(RuleRecord { bus, name: name.clone(), schedule, pattern, is_enabled, description, role_arn, tags, targets })
    });
    Ok(Output { rule_arn: rule.await?.arn.to_string() })
}
