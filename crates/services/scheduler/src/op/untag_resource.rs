//! UntagResource: takes tags from a group.

use std::sync::Arc;

use hearth_ports::Access;
use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::error::SchedulerError;
use crate::{Scheduler, arn, tags};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    resource_arn: String,
    tag_keys: Vec<String>,
}

pub(crate) async fn run(scheduler: Arc<Scheduler>, ctx: RequestContext, input: Input) -> Result<Empty, SchedulerError> {
    let name = arn::read_group(&ctx, &input.resource_arn)?;
    let (arn, mut conditions) = (arn::of_group(&ctx.scope(), &name), scheduler.group_conditions(&ctx, &name));
    conditions.extend(tags::keys(input.tag_keys.clone()));
    scheduler.authorizer.authorize(&ctx, &Access::new("scheduler:UntagResource", &arn).under(&conditions))?;
    scheduler
        .edit_tags(&ctx.scope(), &name, |known| {
            known.retain(|key, _| !input.tag_keys.contains(key));
            Ok(())
        })
        .await?;
    Ok(Empty {})
}
