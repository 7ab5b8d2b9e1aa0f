//! GetSchedule: all that a schedule is set to.

use std::sync::Arc;

use hearth_ports::Access;
use hearth_types::RequestContext;
use hearth_wire::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::SchedulerError;
use crate::limits::DEFAULT_GROUP;
use crate::settings::{ActionAfterCompletion, FlexibleTimeWindow, State};
use crate::target::Target;
use crate::{Scheduler, arn};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    name: String,
    group_name: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    arn: String,
    group_name: String,
    name: String,
    schedule_expression: String,
    schedule_expression_timezone: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_date: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_date: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    state: State,
    creation_date: Timestamp,
    last_modification_date: Timestamp,
    target: Target,
    flexible_time_window: FlexibleTimeWindow,
    action_after_completion: ActionAfterCompletion,
}

pub(crate) async fn run(
    scheduler: Arc<Scheduler>,
    ctx: RequestContext,
    input: Input,
) -> Result<Output, SchedulerError> {
    let Input { name, group_name } = input;
    let (scope, group) = (ctx.scope(), group_name.unwrap_or_else(|| DEFAULT_GROUP.to_owned()));
    let arn = arn::of_schedule(&scope, &group, &name);
    let conditions = scheduler.group_conditions(&ctx, &group);
    scheduler.authorizer.authorize(&ctx, &Access::new("scheduler:GetSchedule", &arn).under(&conditions))?;
    let record = scheduler.find(&scope, &group, &name).ok_or_else(|| SchedulerError::no_schedule(&name))?;
    let settings = record.settings.clone();
    Ok(Output {
        arn: arn.to_string(),
        group_name: group,
        name,
        schedule_expression: settings.expression,
        schedule_expression_timezone: settings.zone,
        start_date: settings.start_ms.map(Timestamp::from_ms),
        end_date: settings.end_ms.map(Timestamp::from_ms),
        description: settings.description,
        state: settings.state,
        creation_date: Timestamp::from_ms(record.created_ms),
        last_modification_date: Timestamp::from_ms(record.modified_ms),
        target: settings.target,
        flexible_time_window: settings.window,
        action_after_completion: settings.action_after_completion,
    })
}
