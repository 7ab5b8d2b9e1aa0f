//! The door for other services: what puts events on buses.

use std::sync::Arc;

use async_trait::async_trait;
use hearth_ports::{Condition, EventBusError, EventSink, ServiceEvent};
use hearth_types::{Arn, RequestContext, random};

use crate::EventBridge;
use crate::arn::{self, DEFAULT_BUS};
use crate::bus::Bus;
use crate::error::EventsError;
use crate::event::Entry;
use crate::limits::ENTRIES_BYTES_MAX;

/// The door of the buses here.
#[derive(Clone)]
pub struct EventBuses(pub Arc<EventBridge>);

impl From<ServiceEvent> for Entry {
    fn from(event: ServiceEvent) -> Self {
        let ServiceEvent { source, detail_type, resources, detail, time_ms, trace } = event;
        let (source, detail_type, detail) = (Some(source), Some(detail_type), Some(detail));
        Self { source, detail_type, detail, resources, time_ms, trace }
    }
}

#[async_trait]
impl EventSink for EventBuses {
    async fn emit(&self, ctx: &RequestContext, events: Vec<ServiceEvent>) -> Result<Vec<String>, EventBusError> {
        let bus = self.0.find(&ctx.scope(), DEFAULT_BUS).ok_or(EventBusError::NotFound)?;
        self.take(ctx, bus, events.into_iter().map(Entry::from).collect()).await
    }

    async fn put(
        &self,
        ctx: &RequestContext,
        bus: &Arn,
        events: Vec<ServiceEvent>,
    ) -> Result<Vec<String>, EventBusError> {
        let entries: Vec<Entry> = events.into_iter().map(Entry::from).collect();
        let (there, name) = arn::read_bus(ctx, Some(&bus.to_string()))?;
        let found = self.0.find(&there.scope(), &name);
        for entry in &entries {
            let conditions = entry.conditions();
            self.0.may(&there, "events:PutEvents", bus, found.as_deref(), conditions).map_err(EventsError::from)?;
        }
        self.take(ctx, found.ok_or(EventBusError::NotFound)?, entries).await
    }
}

impl EventBuses {
    async fn take(
        &self,
        ctx: &RequestContext,
        bus: Arc<Bus>,
        entries: Vec<Entry>,
    ) -> Result<Vec<String>, EventBusError> {
        let origin = self.0.origin(ctx);
        let (mut ids, mut events) = (Vec::new(), Vec::new());
        for entry in entries {
            let id = random::uuid(&*self.0.random);
            let invalid = |message: String| EventBusError::Invalid { message };
            if entry.bytes() > ENTRIES_BYTES_MAX {
                return Err(invalid(format!("an event has at most {ENTRIES_BYTES_MAX} bytes")));
            }
            let event = entry.event(id.clone(), &origin).map_err(|refused| invalid(refused.message))?;
            ids.push(id);
            events.push((bus.clone(), event));
        }
        let events_of = self.0.clone();
        // Not cut short when the caller stops waiting.
        let taken = tokio::spawn(async move { events_of.take(events).await });
        taken.await.map_err(|error| EventBusError::Unavailable { detail: error.to_string() })??;
        Ok(ids)
    }
}

impl Entry {
    /// As policies see it. Source: Service Authorization Reference, condition keys of `events:PutEvents`.
    pub(crate) fn conditions(&self) -> Vec<Condition> {
        let source = self.source.as_ref().map(|source| Condition::one("events:source", source));
        let detail_type = self.detail_type.as_ref().map(|kind| Condition::one("events:detail-type", kind));
        source.into_iter().chain(detail_type).collect()
    }
}
