//! CancelReplay: what has been replayed stays so.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::api::Subject;
use crate::error::EventsError;
use crate::{EventBridge, arn};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    replay_name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    replay_arn: String,
    state: &'static str,
}

pub(crate) async fn run(events: Arc<EventBridge>, ctx: RequestContext, input: Input) -> Result<Output, EventsError> {
    events.authorize(&ctx, "events:CancelReplay", Subject::Replay(&input.replay_name), Vec::new())?;
    let record = events.cancel_replay(&ctx.scope(), &input.replay_name).await?;
    Ok(Output { replay_arn: arn::replay(&ctx.scope(), &record.name).to_string(), state: record.state.as_str() })
}
