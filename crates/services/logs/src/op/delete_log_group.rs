//! DeleteLogGroup: the group with its streams and all their events.

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

/// A function that writes on makes a new group of the same name.
pub(crate) async fn run(api: Arc<Api>, ctx: RequestContext, input: Input) -> Result<Empty, LogsError> {
    let name = input.log_group_name;
    let record = api.find(&ctx, &name).await;
    api.authorize(&ctx, "logs:DeleteLogGroup", &Subject::group(&ctx, &name, record.as_deref()))?;
    let (id, streams) = api.logs.directory.delete_group(&ctx.scope(), &name).await?;
    api.logs.forget(Some(id), streams);
    Ok(Empty {})
}
