//! DeleteSchedule: what it has begun comes to its end; the same request again answers the same.

use std::sync::Arc;

use hearth_ports::Access;
use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::error::SchedulerError;
use crate::limits::DEFAULT_GROUP;
use crate::{Scheduler, arn};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    name: String,
    group_name: Option<String>,
    client_token: Option<String>,
}

pub(crate) async fn run(scheduler: Arc<Scheduler>, ctx: RequestContext, input: Input) -> Result<Empty, SchedulerError> {
    let Input { name, group_name, client_token } = input;
    let (scope, group) = (ctx.scope(), group_name.unwrap_or_else(|| DEFAULT_GROUP.to_owned()));
    let arn = arn::of_schedule(&scope, &group, &name);
    let conditions = scheduler.group_conditions(&ctx, &group);
    scheduler.authorizer.authorize(&ctx, &Access::new("scheduler:DeleteSchedule", &arn).under(&conditions))?;
    let token = client_token.map(|token| format!("{arn} {token}"));
    if !scheduler.has_deleted(token.as_deref()) {
        scheduler.delete(&scope, &group, &name).await?;
        scheduler.remember_deletion(token);
    }
    Ok(Empty {})
}
