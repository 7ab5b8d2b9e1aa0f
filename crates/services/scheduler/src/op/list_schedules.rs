//! ListSchedules: by group and name.

use std::sync::Arc;

use hearth_ports::Access;
use hearth_types::RequestContext;
use hearth_wire::Timestamp;
use serde::{Deserialize, Serialize};

use super::{cut, page_len, page_start};
use crate::error::SchedulerError;
use crate::settings::State;
use crate::{Scheduler, arn};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    group_name: Option<String>,
    name_prefix: Option<String>,
    state: Option<State>,
    max_results: Option<u32>,
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TargetSummary {
    arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Summary {
    arn: String,
    name: String,
    group_name: String,
    state: State,
    creation_date: Timestamp,
    last_modification_date: Timestamp,
    target: TargetSummary,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    schedules: Vec<Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(crate) async fn run(
    scheduler: Arc<Scheduler>,
    ctx: RequestContext,
    input: Input,
) -> Result<Output, SchedulerError> {
    let scope = ctx.scope();
    let group = input.group_name;
    let all = arn::of_schedule(&scope, group.as_deref().unwrap_or("*"), "*");
    scheduler.authorizer.authorize(&ctx, &Access::new("scheduler:ListSchedules", &all))?;
    if let Some(group) = &group {
        scheduler.find_group(&scope, group).ok_or_else(|| SchedulerError::no_group(group))?;
    }
    let len = page_len(input.max_results);
    let after = page_start(input.next_token.as_deref())?;
    let after = after.and_then(|key| key.split_once('/').map(|(group, name)| (group.to_owned(), name.to_owned())));
    let prefix = input.name_prefix.unwrap_or_default();
    let found = scheduler.list(&scope, after.as_ref(), len + 1, |schedule| {
        group.as_ref().is_none_or(|group| schedule.group == *group)
            && schedule.name.starts_with(&prefix)
            && input.state.is_none_or(|state| schedule.settings.state == state)
    });
    let (found, next_token) = cut(found, len, |schedule| format!("{}/{}", schedule.group, schedule.name));
    let shown = found.iter().map(|schedule| Summary {
        arn: arn::of_schedule(&scope, &schedule.group, &schedule.name).to_string(),
        name: schedule.name.clone(),
        group_name: schedule.group.clone(),
        state: schedule.settings.state,
        creation_date: Timestamp::from_ms(schedule.created_ms),
        last_modification_date: Timestamp::from_ms(schedule.modified_ms),
        target: TargetSummary { arn: schedule.settings.target.arn.clone() },
    });
    Ok(Output { schedules: shown.collect(), next_token })
}
