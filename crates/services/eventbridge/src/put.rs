//! Events come to a bus: a delivery for each target that is to get them, all in the store before anybody is answered.

use std::collections::HashMap;
use std::sync::Arc;

use hearth_delivery::Staged;
use hearth_types::{RequestContext, Scope};

use crate::EventBridge;
use crate::bus::Bus;
use crate::error::EventsError;
use crate::event::{Event, Origin};

impl EventBridge {
    /// Of what a request puts.
    pub(crate) fn origin(&self, ctx: &RequestContext) -> Origin {
        let account = ctx.caller.account().unwrap_or(ctx.account);
        Origin { account, region: ctx.region.clone(), now_ms: self.wall.now_ms() }
    }

    /// Puts events on their buses. Those of one account and region go in one commit, unless they are very many. Must not
    /// be dropped while it works: what is on disk is to be known to the lanes.
    ///
    /// # Errors
    /// The store's: some targets may be told all the same.
    pub(crate) async fn take(&self, events: Vec<(Arc<Bus>, Event)>) -> Result<(), EventsError> {
        let mut by_scope: HashMap<Scope, Vec<Staged>> = HashMap::new();
        for (bus, event) in &events {
            let staged = self.stage(bus, event)?;
            by_scope.entry(bus.scope.clone()).or_default().extend(staged);
        }
        for (scope, staged) in by_scope {
            self.outbox.accept(&scope, staged).await?;
        }
        Ok(())
    }

    /// What follows from an event on a bus.
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "rules come next")]
    fn stage(&self, bus: &Bus, event: &Event) -> Result<Vec<Staged>, EventsError> {
        tracing::debug!(id = event.id, bus = bus.name, source = event.source, detail_type = event.detail_type, "event");
        Ok(Vec::new())
    }
}
