//! CreateScheduleGroup: makes a group; the same request again answers the same.

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
    name: String,
    #[serde(default)]
    tags: Vec<Tag>,
    client_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    schedule_group_arn: String,
}

pub(crate) async fn run(
    scheduler: Arc<Scheduler>,
    ctx: RequestContext,
    input: Input,
) -> Result<Output, SchedulerError> {
    let Input { name, tags, client_token } = input;
    let (arn, tags) = (arn::of_group(&ctx.scope(), &name), tags::by_key(tags)?);
    let conditions = tags::requested(&tags);
    let access = |action| Access { conditions: &conditions, ..Access::new(action, &arn) };
    scheduler.authorizer.authorize(&ctx, &access("scheduler:CreateScheduleGroup"))?;
    if !tags.is_empty() {
        scheduler.authorizer.authorize(&ctx, &access("scheduler:TagResource"))?;
    }
    scheduler.create_group(&ctx.scope(), &name, tags, client_token).await?;
    Ok(Output { schedule_group_arn: arn.to_string() })
}
