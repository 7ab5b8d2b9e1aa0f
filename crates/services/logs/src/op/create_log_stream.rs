//! CreateLogStream.

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
    log_stream_name: String,
}

pub(crate) async fn run(api: Arc<Api>, ctx: RequestContext, input: Input) -> Result<Empty, LogsError> {
    let Input { log_group_name: group, log_stream_name: stream } = input;
    let record = api.find(&ctx, &group).await;
    api.authorize(&ctx, "logs:CreateLogStream", &Subject::stream(&ctx, &group, &stream, record.as_deref()))?;
    api.logs.directory.create_stream(&ctx.scope(), &group, &stream, api.logs.clock.now_ms()).await?;
    Ok(Empty {})
}
