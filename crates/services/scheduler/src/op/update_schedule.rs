//! UpdateSchedule: sets a schedule anew; what is not said is as if it were new. Its occurrences count from now.

use std::sync::Arc;

use hearth_ports::Access;
use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::error::SchedulerError;
use crate::limits::DEFAULT_GROUP;
use crate::settings::Asked;
use crate::{Scheduler, arn};

/// Repeating the request changes nothing, so its `ClientToken` says nothing new.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    name: String,
    group_name: Option<String>,
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
    let Input { name, group_name, asked } = input;
    let (scope, group) = (ctx.scope(), group_name.unwrap_or_else(|| DEFAULT_GROUP.to_owned()));
    let arn = arn::of_schedule(&scope, &group, &name);
    let conditions = scheduler.group_conditions(&ctx, &group);
    scheduler.authorizer.authorize(&ctx, &Access::new("scheduler:UpdateSchedule", &arn).under(&conditions))?;
    let before = scheduler.find(&scope, &group, &name);
    let settings = asked.check(&arn, before.as_ref().map(|before| &before.settings), scheduler.wall.now_ms())?;
    before.ok_or_else(|| SchedulerError::no_schedule(&name))?;
    scheduler.check_role(&ctx, &settings.target.role_arn, &group)?;
    scheduler.update(&scope, (&group, &name), settings).await?;
    Ok(Output { schedule_arn: arn.to_string() })
}
