//! ListTagsForResource.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::EventBridge;
use crate::api::Subject;
use crate::error::EventsError;
use crate::tags::{self, Tag};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    #[serde(rename = "ResourceARN")]
    resource_arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    tags: Vec<Tag>,
}

pub(crate) async fn run(events: Arc<EventBridge>, ctx: RequestContext, input: Input) -> Result<Output, EventsError> {
    let found =
        events.authorize(&ctx, "events:ListTagsForResource", Subject::Tagged(&input.resource_arn), Vec::new())?;
    Ok(Output { tags: tags::list(&events.tags(&found)?) })
}
