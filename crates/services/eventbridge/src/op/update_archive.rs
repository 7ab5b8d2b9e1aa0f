//! UpdateArchive: what is left away stays.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use crate::EventBridge;
use crate::api::Subject;
use crate::error::EventsError;
use crate::op::{self, ArchiveAnswer};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    archive_name: String,
    description: Option<String>,
    event_pattern: Option<String>,
    retention_days: Option<u32>,
    kms_key_identifier: Option<String>,
}

pub(crate) async fn run(
    events: Arc<EventBridge>,
    ctx: RequestContext,
    input: Input,
) -> Result<ArchiveAnswer, EventsError> {
    events.authorize(&ctx, "events:UpdateArchive", Subject::Archive(&input.archive_name), Vec::new())?;
    op::refuse(&[("KmsKeyIdentifier", input.kms_key_identifier.is_some_and(|key| !key.is_empty()))])?;
    let Input { archive_name, description, event_pattern, retention_days, .. } = input;
    if description.is_none() && event_pattern.is_none() && retention_days.is_none() {
        // Recorded.
        let text = "At least one of EventPattern, RetentionDays or Description must be provided.";
        return Err(EventsError::validation(text));
    }
    let scope = ctx.scope();
    let archive = events.edit_archive(&scope, &archive_name, |record| {
        record.description = description.or_else(|| record.description.take());
        if let Some(pattern) = event_pattern {
            record.pattern = Some(pattern).filter(|pattern| !pattern.is_empty());
        }
        record.retention_days = retention_days.unwrap_or(record.retention_days);
    });
    Ok(ArchiveAnswer::from(&*archive.await?))
}
