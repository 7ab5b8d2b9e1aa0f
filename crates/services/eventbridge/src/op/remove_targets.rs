//! RemoveTargets: takes targets out of a rule. What is on its way to them comes to its end.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::EventBridge;
use crate::api::Subject;
use crate::error::EventsError;
use crate::op::FailedEntry;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    rule: String,
    event_bus_name: Option<String>,
    ids: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    failed_entry_count: usize,
    failed_entries: Vec<FailedEntry>,
}

pub(crate) async fn run(events: Arc<EventBridge>, ctx: RequestContext, input: Input) -> Result<Output, EventsError> {
    let subject = Subject::Rule { bus: input.event_bus_name.as_deref(), name: &input.rule };
    let found = events.authorize(&ctx, "events:RemoveTargets", subject, Vec::new())?;
    let mut failed_entries = Vec::new();
    events
        .change_rule(&found, |record| {
            for id in &input.ids {
                let before = record.targets.len();
                record.targets.retain(|target| target.id != *id);
                if record.targets.len() == before {
                    failed_entries.push(FailedEntry {
                        target_id: id.clone(),
                        error_code: "ResourceNotFoundException",
                        error_message: format!("Rule '{}' does not have a target with the Id '{id}'.", input.rule),
                    });
                }
            }
            Ok(())
        })
        .await?;
    Ok(Output { failed_entry_count: failed_entries.len(), failed_entries })
}
