//! PutTargets: adds targets to a rule; one of the same id is replaced.

use std::sync::Arc;

use hearth_ports::Condition;
use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::EventBridge;
use crate::api::Subject;
use crate::error::EventsError;
use crate::limits::TARGETS_MAX;
use crate::op::FailedEntry;
use crate::target::Asked;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    rule: String,
    event_bus_name: Option<String>,
    targets: Vec<Asked>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    failed_entry_count: usize,
    failed_entries: Vec<FailedEntry>,
}

pub(crate) async fn run(events: Arc<EventBridge>, ctx: RequestContext, input: Input) -> Result<Output, EventsError> {
    let subject = Subject::Rule { bus: input.event_bus_name.as_deref(), name: &input.rule };
    let arns = input.targets.iter().map(|target| target.arn().to_owned()).collect();
    let conditions = vec![Condition::many("events:TargetArn", arns)];
    let found = events.authorize(&ctx, "events:PutTargets", subject, conditions)?;
    found.rule()?;
    let targets = input.targets.into_iter().map(|target| target.check(&found.ctx)).collect::<Result<Vec<_>, _>>()?;
    events
        .change_rule(&found, |record| {
            for target in targets {
                match record.targets.iter_mut().find(|known| known.id == target.id) {
                    Some(known) => *known = target,
                    None => record.targets.push(target),
                }
            }
            if record.targets.len() > TARGETS_MAX { Err(EventsError::LimitExceeded) } else { Ok(()) }
        })
        .await?;
    Ok(Output { failed_entry_count: 0, failed_entries: Vec::new() })
}
