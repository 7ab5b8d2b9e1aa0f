//! StartReplay: events of an archive that came in a window of time go to the rules of its bus again.

use std::sync::Arc;

use hearth_types::{Arn, RequestContext};
use hearth_wire::Timestamp;
use serde::{Deserialize, Serialize};

use crate::api::Subject;
use crate::archive::{ReplayRecord, ReplayState};
use crate::error::EventsError;
use crate::{EventBridge, arn};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    replay_name: String,
    description: Option<String>,
    event_source_arn: String,
    event_start_time: Timestamp,
    event_end_time: Timestamp,
    destination: Destination,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Destination {
    arn: String,
    #[serde(default)]
    filter_arns: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    replay_arn: String,
    state: &'static str,
    replay_start_time: Timestamp,
}

pub(crate) async fn run(events: Arc<EventBridge>, ctx: RequestContext, input: Input) -> Result<Output, EventsError> {
    events.authorize(&ctx, "events:StartReplay", Subject::Replay(&input.replay_name), Vec::new())?;
    let scope = ctx.scope();
    if input.event_start_time >= input.event_end_time {
        // Recorded.
        let text = "Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime.";
        return Err(EventsError::validation(text));
    }
    let name = input.event_source_arn.parse::<Arn>().ok();
    let name = name.and_then(|arn| arn.resource.strip_prefix("archive/").map(str::to_owned));
    let name = name.ok_or_else(|| arn::invalid(&input.event_source_arn))?;
    // Recorded.
    let missing = || {
        EventsError::validation(format!(
            "Parameter EventSourceArn is not valid. Reason: Archive {name} does not exist."
        ))
    };
    let archive = events.archive(&scope, &name).filter(|archive| archive.arn.to_string() == input.event_source_arn);
    let archive = archive.ok_or_else(missing)?;
    let Destination { arn: destination, filter_arns } = input.destination;
    if destination != archive.record.source {
        // Recorded.
        let text = "Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted.";
        return Err(EventsError::validation(text));
    }
    let started_ms = events.wall.now_ms();
    let record = ReplayRecord {
        name: input.replay_name.clone(),
        description: input.description,
        archive: name.clone(),
        archive_arn: input.event_source_arn,
        archive_id: archive.record.id.clone(),
        destination,
        filter_arns,
        from_ms: input.event_start_time.ms(),
        to_ms: input.event_end_time.ms(),
        state: ReplayState::Starting,
        reason: None,
        started_ms,
        ended_ms: None,
        last: None,
    };
    events.start_replay(&scope, record).await?;
    Ok(Output {
        replay_arn: arn::replay(&scope, &input.replay_name).to_string(),
        state: ReplayState::Starting.as_str(),
        replay_start_time: Timestamp::from_ms(started_ms),
    })
}
