//! CreateSchedule: makes a schedule; the same request again answers the same.

use std::sync::Arc;

use hearth_ports::Access;
use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::error::SchedulerError;
use crate::limits::DEFAULT_GROUP;
use crate::settings::Asked;
use crate::{Scheduler, arn};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    name: String,
    group_name: Option<String>,
    client_token: Option<String>,
    #[serde(flatten)]
    asked: Asked,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    schedule_arn: String,
}

pub(crate) async fn run(
    scheduler: Arc<Scheduler>,
    ctx: RequestContext,
    input: Input,
) -> Result<Output, SchedulerError> {
    let Input { name, group_name, client_token, asked } = input;
    let (scope, group) = (ctx.scope(), group_name.unwrap_or_else(|| DEFAULT_GROUP.to_owned()));
    let arn = arn::of_schedule(&scope, &group, &name);
    let conditions = scheduler.group_conditions(&ctx, &group);
    scheduler.authorizer.authorize(&ctx, &Access::new("scheduler:CreateSchedule", &arn).under(&conditions))?;
    let settings = asked.check(&arn, None, scheduler.wall.now_ms())?;
    scheduler.find_group(&scope, &group).ok_or_else(|| SchedulerError::no_group(&group))?;
    scheduler.check_role(&ctx, &settings.target.role_arn, &group)?;
    scheduler.create(&scope, (&group, &name), settings, client_token).await?;
    Ok(Output { schedule_arn: arn.to_string() })
}
