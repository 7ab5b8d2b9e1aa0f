//! TagResource.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use crate::EventBridge;
use crate::api::{Subject, request_tags};
use crate::error::EventsError;
use crate::op::Empty;
use crate::tags::{self, Tag};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    #[serde(rename = "ResourceARN")]
    resource_arn: String,
    tags: Vec<Tag>,
}

pub(crate) async fn run(events: Arc<EventBridge>, ctx: RequestContext, input: Input) -> Result<Empty, EventsError> {
    let new = tags::by_key(input.tags)?;
    let found =
        events.authorize(&ctx, "events:TagResource", Subject::Tagged(&input.resource_arn), request_tags(&new))?;
    events
        .edit_tags(&found, |tags| {
            tags.extend(new);
            tags::check(tags)
        })
        .await?;
    Ok(Empty {})
}
