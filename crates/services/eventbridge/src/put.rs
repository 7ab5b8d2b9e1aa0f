//! Events come to a bus: a delivery for each target that is to get them, all in the store before anybody is answered.

use std::collections::HashMap;
use std::sync::Arc;

use hearth_delivery::Staged;
use hearth_types::{Arn, RequestContext, RequestId, Scope};

use crate::EventBridge;
use crate::bus::Bus;
use crate::deliver::Shipment;
use crate::error::EventsError;
use crate::event::{Event, Origin};
use crate::rule::Rule;

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

    /// What follows from an event on a bus: its place in archives, and a delivery for each target of each rule that it
    /// matches.
    fn stage(&self, bus: &Bus, event: &Event) -> Result<Vec<Staged>, EventsError> {
        let mut staged = self.stage_for(bus, event, |_| true)?;
        staged.extend(self.file(bus, event)?);
        Ok(staged)
    }

    /// A delivery for each target of each rule that is asked and that the event matches.
    pub(crate) fn stage_for(
        &self,
        bus: &Bus,
        event: &Event,
        is_asked: impl Fn(&Arn) -> bool,
    ) -> Result<Vec<Staged>, EventsError> {
        let mut staged = Vec::new();
        for rule in bus.matching(&event.value).into_iter().filter(|rule| is_asked(&rule.arn)) {
            staged.extend(self.ship(&bus.scope, &rule, event)?);
        }
        Ok(staged)
    }

    /// A delivery for each target of a rule.
    pub(crate) fn ship(&self, scope: &Scope, rule: &Rule, event: &Event) -> Result<Vec<Staged>, EventsError> {
        let mut staged = Vec::new();
        for target in &rule.record.targets {
            let shipment = Shipment {
                rule: rule.arn.to_string(),
                rule_name: rule.record.name.clone(),
                role_arn: rule.record.role_arn.clone(),
                target: target.clone(),
                event: event.json.clone(),
                arrived_ms: event.arrived_ms,
                came_by: event.came_by,
                trace: event.trace.clone(),
            };
            staged.push(self.targets.stage(scope, RequestId::generate(&*self.random), shipment)?);
        }
        Ok(staged)
    }
}
