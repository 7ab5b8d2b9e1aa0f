//! PutPermission: a statement of a bus's policy, or the whole policy.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use crate::EventBridge;
use crate::api::Subject;
use crate::error::EventsError;
use crate::op::Empty;
use crate::policy::{self, Statement};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    event_bus_name: Option<String>,
    action: Option<String>,
    principal: Option<String>,
    statement_id: Option<String>,
    condition: Option<Condition>,
    policy: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Condition {
    r#type: String,
    key: String,
    value: String,
}

pub(crate) async fn run(events: Arc<EventBridge>, ctx: RequestContext, input: Input) -> Result<Empty, EventsError> {
    let given = input.event_bus_name.as_deref();
    let found = events.authorize(&ctx, "events:PutPermission", Subject::Bus(given), Vec::new())?;
    let bus = found.bus()?;
    let parts = [&input.action, &input.principal, &input.statement_id];
    if input.policy.is_some() && (input.condition.is_some() || parts.iter().any(|part| part.is_some())) {
        return Err(EventsError::validation(
            "Policy cannot be given together with StatementId, Action, Principal or Condition.",
        ));
    }
    let condition = input.condition.as_ref();
    let condition = condition.map(|Condition { r#type, key, value }| (r#type.as_str(), key.as_str(), value.as_str()));
    events
        .edit_bus(&bus, |record| {
            let before = record.policy.as_deref();
            record.policy = Some(match (&input.policy, parts.map(Option::as_deref)) {
                (Some(policy), _) => policy::checked(policy.clone())?,
                (None, [Some(action), Some(principal), Some(id)]) => {
                    policy::with(before, &bus.arn, &Statement { id, principal, action, condition })?
                }
                (None, _) => {
                    return Err(EventsError::validation(
                        "Parameter(s) Action, Principal and StatementId, or Policy, must be specified.",
                    ));
                }
            });
            Ok(())
        })
        .await?;
    Ok(Empty {})
}
