//! DeleteScheduleGroup: a group goes with its schedules, at once; the same request again answers the same.

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
    client_token: Option<String>,
}

pub(crate) async fn run(scheduler: Arc<Scheduler>, ctx: RequestContext, input: Input) -> Result<Empty, SchedulerError> {
    let Input { name, client_token } = input;
    let arn = arn::of_group(&ctx.scope(), &name);
    let conditions = scheduler.group_conditions(&ctx, &name);
    scheduler.authorizer.authorize(&ctx, &Access::new("scheduler:DeleteScheduleGroup", &arn).under(&conditions))?;
    if name == DEFAULT_GROUP {
        return Err(SchedulerError::validation("The default schedule group cannot be deleted."));
    }
    let token = client_token.map(|token| format!("{arn} {token}"));
    if !scheduler.has_deleted(token.as_deref()) {
        scheduler.delete_group(&ctx.scope(), &name).await?;
        scheduler.remember_deletion(token);
    }
    Ok(Empty {})
}
