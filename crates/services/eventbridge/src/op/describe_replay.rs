//! DescribeReplay.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::api::Subject;
use crate::error::EventsError;
use crate::op::ListedReplay;
use crate::{EventBridge, archive, arn};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    replay_name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Destination {
    arn: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    filter_arns: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    replay_arn: String,
    #[serde(flatten)]
    replay: ListedReplay,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    destination: Destination,
}

pub(crate) async fn run(events: Arc<EventBridge>, ctx: RequestContext, input: Input) -> Result<Output, EventsError> {
    let name = &input.replay_name;
    events.authorize(&ctx, "events:DescribeReplay", Subject::Replay(name), Vec::new())?;
    let record = events.replay(&ctx.scope(), name).ok_or_else(|| archive::no_replay(name))?;
    Ok(Output {
        replay_arn: arn::replay(&ctx.scope(), name).to_string(),
        replay: ListedReplay::from(&record),
        description: record.description,
        destination: Destination { arn: record.destination, filter_arns: record.filter_arns },
    })
}
