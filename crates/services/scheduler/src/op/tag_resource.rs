//! TagResource: adds tags to a group.

use std::sync::Arc;

use hearth_ports::Access;
use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::error::SchedulerError;
use crate::tags::{self, Tag};
use crate::{Scheduler, arn};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    resource_arn: String,
    tags: Vec<Tag>,
}

pub(crate) async fn run(scheduler: Arc<Scheduler>, ctx: RequestContext, input: Input) -> Result<Empty, SchedulerError> {
    let (name, tags) = (arn::read_group(&ctx, &input.resource_arn)?, tags::by_key(input.tags)?);
    let (arn, mut conditions) = (arn::of_group(&ctx.scope(), &name), scheduler.group_conditions(&ctx, &name));
    conditions.extend(tags::requested(&tags));
    scheduler.authorizer.authorize(&ctx, &Access::new("scheduler:TagResource", &arn).under(&conditions))?;
    scheduler
        .edit_tags(&ctx.scope(), &name, |known| {
            known.extend(tags);
            tags::check(known)
        })
        .await?;
    Ok(Empty {})
}
