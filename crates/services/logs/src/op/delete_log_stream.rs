//! DeleteLogStream: the stream and all its events.

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
    api.authorize(&ctx, "logs:DeleteLogStream", &Subject::stream(&ctx, &group, &stream, record.as_deref()))?;
    let record = record.ok_or(LogsError::NoSuchGroup)?;
    let ids = api.logs.directory.delete_streams(record.id, &[stream]).await?;
    if ids.is_empty() {
        return Err(LogsError::NoSuchStream);
    }
    api.logs.forget(None, ids);
    Ok(Empty {})
}
