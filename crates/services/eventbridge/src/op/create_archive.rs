//! CreateArchive: from now on the events of a bus are kept.

use std::sync::Arc;

use hearth_types::{Arn, RequestContext, random};
use serde::Deserialize;

use crate::EventBridge;
use crate::api::Subject;
use crate::archive::ArchiveRecord;
use crate::error::EventsError;
use crate::op::{self, ArchiveAnswer};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    archive_name: String,
    event_source_arn: String,
    description: Option<String>,
    event_pattern: Option<String>,
    #[serde(default)]
    retention_days: u32,
    kms_key_identifier: Option<String>,
}

pub(crate) async fn run(
    events: Arc<EventBridge>,
    ctx: RequestContext,
    input: Input,
) -> Result<ArchiveAnswer, EventsError> {
    events.authorize(&ctx, "events:CreateArchive", Subject::Archive(&input.archive_name), Vec::new())?;
    op::refuse(&[("KmsKeyIdentifier", input.kms_key_identifier.is_some_and(|key| !key.is_empty()))])?;
    let scope = ctx.scope();
    let name = input.event_source_arn.parse::<Arn>().ok();
    let name = name.filter(|arn| arn.account == ctx.account.as_str() && arn.region == ctx.region.as_str());
    let name = name.and_then(|arn| arn.resource.strip_prefix("event-bus/").map(str::to_owned));
    let name = name.ok_or_else(|| {
        EventsError::validation(
            "Parameter EventSourceArn is not valid. Reason: it is no event bus of the account and Region.",
        )
    })?;
    let bus = events.find(&scope, &name).ok_or_else(|| EventsError::no_bus(&name))?;
    let archive = events.create_archive(
        &scope,
        ArchiveRecord {
            name: input.archive_name,
            id: random::uuid(&*events.random),
            source: bus.arn.to_string(),
            description: input.description,
            pattern: input.event_pattern.filter(|pattern| !pattern.is_empty()),
            retention_days: input.retention_days,
            created_ms: events.wall.now_ms(),
        },
    );
    Ok(ArchiveAnswer::from(&*archive.await?))
}
