//! RemovePermission: a statement of a bus's policy, or all of them.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use crate::EventBridge;
use crate::api::Subject;
use crate::error::EventsError;
use crate::op::Empty;
use crate::policy;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    statement_id: Option<String>,
    #[serde(default)]
    remove_all_permissions: bool,
    event_bus_name: Option<String>,
}

pub(crate) async fn run(events: Arc<EventBridge>, ctx: RequestContext, input: Input) -> Result<Empty, EventsError> {
    let given = input.event_bus_name.as_deref();
    let found = events.authorize(&ctx, "events:RemovePermission", Subject::Bus(given), Vec::new())?;
    let bus = found.bus()?;
    events
        .edit_bus(&bus, |record| {
            record.policy = match &input.statement_id {
                _ if input.remove_all_permissions => None,
                Some(id) if record.policy.is_some() => policy::without(record.policy.as_deref(), id)?,
                Some(_) => return Err(EventsError::NotFound("EventBus does not have a policy.".to_owned())),
                None => return Err(EventsError::validation("Parameter StatementId is required.")),
            };
            Ok(())
        })
        .await?;
    Ok(Empty {})
}
