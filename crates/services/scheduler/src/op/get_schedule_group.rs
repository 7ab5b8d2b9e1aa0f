//! GetScheduleGroup.

use std::sync::Arc;

use hearth_ports::Access;
use hearth_types::RequestContext;
use serde::Deserialize;

use super::ShownGroup;
use crate::error::SchedulerError;
use crate::{Scheduler, arn};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    name: String,
}

pub(crate) async fn run(
    scheduler: Arc<Scheduler>,
    ctx: RequestContext,
    input: Input,
) -> Result<ShownGroup, SchedulerError> {
    let (scope, name) = (ctx.scope(), input.name);
    let conditions = scheduler.group_conditions(&ctx, &name);
    let arn = arn::of_group(&scope, &name);
    scheduler.authorizer.authorize(&ctx, &Access::new("scheduler:GetScheduleGroup", &arn).under(&conditions))?;
    let group = scheduler.find_group(&scope, &name).ok_or_else(|| SchedulerError::no_group(&name))?;
    Ok(ShownGroup::of(&scope, &group))
}
