//! ListTagsForResource: the tags of a group.

use std::sync::Arc;

use hearth_ports::Access;
use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::error::SchedulerError;
use crate::tags::{self, Tag};
use crate::{Scheduler, arn};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    resource_arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    tags: Vec<Tag>,
}

pub(crate) async fn run(
    scheduler: Arc<Scheduler>,
    ctx: RequestContext,
    input: Input,
) -> Result<Output, SchedulerError> {
    let name = arn::read_group(&ctx, &input.resource_arn)?;
    let (arn, conditions) = (arn::of_group(&ctx.scope(), &name), scheduler.group_conditions(&ctx, &name));
    scheduler.authorizer.authorize(&ctx, &Access::new("scheduler:ListTagsForResource", &arn).under(&conditions))?;
    let group = scheduler.find_group(&ctx.scope(), &name).ok_or_else(|| SchedulerError::no_group(&name))?;
    Ok(Output { tags: tags::list(&group.tags) })
}
