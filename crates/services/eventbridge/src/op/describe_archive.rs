//! DescribeArchive.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::EventBridge;
use crate::api::Subject;
use crate::archive;
use crate::error::EventsError;
use crate::op::ListedArchive;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    archive_name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    archive_arn: String,
    #[serde(flatten)]
    archive: ListedArchive,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_pattern: Option<String>,
}

pub(crate) async fn run(events: Arc<EventBridge>, ctx: RequestContext, input: Input) -> Result<Output, EventsError> {
    let name = &input.archive_name;
    events.authorize(&ctx, "events:DescribeArchive", Subject::Archive(name), Vec::new())?;
    let archive = events.archive(&ctx.scope(), name).ok_or_else(|| archive::no_archive(name))?;
    let measured = events.measure(&ctx.scope(), &archive).await?;
    Ok(Output {
        archive_arn: archive.arn.to_string(),
        archive: ListedArchive::new(&archive, measured),
        description: archive.record.description.clone(),
        event_pattern: archive.record.pattern.clone(),
    })
}
