//! DeleteRetentionPolicy: events stay as long as there is room.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::arn::Subject;
use crate::{Api, LogsError};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Input {
    log_group_name: String,
}

pub(crate) async fn run(api: Arc<Api>, ctx: RequestContext, input: Input) -> Result<Empty, LogsError> {
    let name = input.log_group_name;
    let record = api.find(&ctx, &name).await;
    api.authorize(&ctx, "logs:DeleteRetentionPolicy", &Subject::group(&ctx, &name, record.as_deref()))?;
    let edit = |record: &mut crate::directory::GroupRecord| {
        record.retention_days = None;
        Ok(())
    };
    api.logs.directory.edit_group(&ctx.scope(), &name, edit).await?;
    Ok(Empty {})
}
