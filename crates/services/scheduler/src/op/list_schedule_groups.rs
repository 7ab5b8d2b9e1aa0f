//! ListScheduleGroups: by name, the default group among them.

use std::sync::Arc;

use hearth_ports::Access;
use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use super::{ShownGroup, cut, page_len, page_start};
use crate::error::SchedulerError;
use crate::{Scheduler, arn};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    name_prefix: Option<String>,
    max_results: Option<u32>,
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    schedule_groups: Vec<ShownGroup>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(crate) async fn run(
    scheduler: Arc<Scheduler>,
    ctx: RequestContext,
    input: Input,
) -> Result<Output, SchedulerError> {
    let scope = ctx.scope();
    scheduler.authorizer.authorize(&ctx, &Access::new("scheduler:ListScheduleGroups", &arn::of_group(&scope, "*")))?;
    let (after, len) = (page_start(input.next_token.as_deref())?, page_len(input.max_results));
    let prefix = input.name_prefix.unwrap_or_default();
    let found = scheduler.list_groups(&scope, after.as_deref(), len + 1, &prefix);
    let (found, next_token) = cut(found, len, |group| group.name.clone());
    Ok(Output { schedule_groups: found.iter().map(|group| ShownGroup::of(&scope, group)).collect(), next_token })
}
