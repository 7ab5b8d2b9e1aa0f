//! DeleteArchive: with all its events.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use crate::EventBridge;
use crate::api::Subject;
use crate::error::EventsError;
use crate::op::Empty;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    archive_name: String,
}

pub(crate) async fn run(events: Arc<EventBridge>, ctx: RequestContext, input: Input) -> Result<Empty, EventsError> {
    events.authorize(&ctx, "events:DeleteArchive", Subject::Archive(&input.archive_name), Vec::new())?;
    events.delete_archive(&ctx.scope(), &input.archive_name).await?;
    Ok(Empty {})
}
