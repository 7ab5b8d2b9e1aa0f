//! UntagResource.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use crate::EventBridge;
use crate::api::{Subject, tag_keys};
use crate::error::EventsError;
use crate::op::Empty;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    #[serde(rename = "ResourceARN")]
    resource_arn: String,
    tag_keys: Vec<String>,
}

pub(crate) async fn run(events: Arc<EventBridge>, ctx: RequestContext, input: Input) -> Result<Empty, EventsError> {
    let conditions = tag_keys(input.tag_keys.clone()).into_iter().collect();
    let found = events.authorize(&ctx, "events:UntagResource", Subject::Tagged(&input.resource_arn), conditions)?;
    events
        .edit_tags(&found, |tags| {
            tags.retain(|key, _| !input.tag_keys.contains(key));
            Ok(())
        })
        .await?;
    Ok(Empty {})
}
