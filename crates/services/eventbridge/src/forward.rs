//! Events that a rule sends to another bus. Source: EventBridge user guide, "Sending and receiving events between AWS
//! accounts" and "… between event buses in the same account and Region": an event that came from another bus goes to no
//! third one, so that buses make no circles.

use std::sync::Arc;

use hearth_types::{Arn, RequestContext};

use crate::EventBridge;
use crate::arn;
use crate::deliver::{PRINCIPAL, Shipment};
use crate::error::EventsError;
use crate::event::{CameBy, Entry, Event};
use crate::failure::{Code, Failed};

impl EventBridge {
    /// Puts the event on the bus as the target's role; without one, as EventBridge itself for the rule.
    pub(crate) async fn forward(&self, ctx: &RequestContext, bus: &Arn, shipment: &Shipment) -> Result<(), Failed> {
        if shipment.came_by == CameBy::Bus {
            let reason = "An event that was received from another event bus is not sent to a third one.";
            return Err(Failed::for_good(Code::ThirdAccountHop, reason));
        }
        let role = shipment.target.role_arn.as_ref().or(shipment.role_arn.as_ref());
        let caller = match role {
            Some(role) => self.credentials.service_role(ctx, PRINCIPAL, role, &shipment.rule)?,
            None => ctx.caller.clone(),
        };
        let ctx = RequestContext { caller, ..ctx.clone() };
        let (there, name) = arn::read_bus(&ctx, Some(&bus.to_string()))?;
        let found = self.find(&there.scope(), &name);
        let event = received(&shipment.event, self.wall.now_ms(), shipment.trace.clone());
        let event = event.ok_or_else(|| Failed::for_good(Code::InvalidJson, "the event is not JSON"))?;
        let conditions = Entry {
            source: Some(event.source.clone()),
            detail_type: Some(event.detail_type.clone()),
            ..Entry::default()
        };
        self.may(&there, "events:PutEvents", bus, found.as_deref(), conditions.conditions())
            .map_err(EventsError::from)?;
        let found = found.ok_or_else(|| EventsError::no_bus(&name))?;
        Ok(self.take(vec![(Arc::clone(&found), event)]).await?)
    }
}

/// The event keeps its id, account and region.
fn received(json: &str, arrived_ms: i64, trace: Option<String>) -> Option<Event> {
    let value: serde_json::Value = serde_json::from_str(json).ok()?;
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let (id, source, detail_type) = (text("id")?, text("source")?, text("detail-type")?);
    Some(Event { id, source, detail_type, json: json.to_owned(), value, arrived_ms, trace, came_by: CameBy::Bus })
}
