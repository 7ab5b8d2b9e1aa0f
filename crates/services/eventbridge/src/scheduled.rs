//! Rules that come at their times: what their targets get, and when. Source: EventBridge user guide, "Creating a scheduled
//! rule (legacy)", "Cron expressions reference" and "Rate expressions reference".
//!
//! A schedule counts from when it is set, or switched on again; a rate comes first when its period has passed. Clocks are
//! those of UTC, and time is the service clock's.

use hearth_delivery::Staged;
use hearth_delivery::timetable::{Name, Occasion, Occurrence, Timed};
use hearth_schedule::{Expression, Schedule, Zone};
use hearth_types::{Millis, Region, Scope, random};

use crate::EventBridge;
use crate::arn::DEFAULT_BUS;
use crate::error::EventsError;
use crate::event::{Entry, Origin};
use crate::limits::MISSED_AGE_MS;
use crate::record::{RuleRecord, RuleSchedule};
use crate::rule::Rule;

/// # Errors
/// [`EventsError::Validation`], recorded.
pub(crate) fn read(expression: &str) -> Result<RuleSchedule, EventsError> {
    Expression::parse_rule(expression)
        .map_err(|_| EventsError::validation("Parameter ScheduleExpression is not valid."))?;
    Ok(RuleSchedule { expression: expression.to_owned(), life: String::new(), since_ms: 0 })
}

impl EventBridge {
    /// A schedule that is as it was goes on; another one counts from now.
    pub(crate) fn begin_schedule(&self, record: &mut RuleRecord, before: Option<&RuleRecord>) {
        let Some(schedule) = &mut record.schedule else { return };
        let before = before.filter(|before| before.is_enabled || !record.is_enabled);
        let before = before.and_then(|before| before.schedule.as_ref());
        *schedule = match before.filter(|before| before.expression == schedule.expression) {
            Some(before) => before.clone(),
            None => RuleSchedule {
                expression: schedule.expression.clone(),
                life: random::uuid(&*self.random),
                since_ms: self.outbox.now_ms(),
            },
        };
    }

    /// Has the timetable be as the rule says.
    pub(crate) fn schedule_rule(&self, scope: &Scope, rule: &Rule) {
        let name = name(scope, &rule.record.name);
        match timed(&rule.record) {
            Some(timed) => drop(self.timetable.set(name, timed)),
            None => self.timetable.remove(&name),
        }
    }

    pub(crate) fn unschedule_rule(&self, scope: &Scope, rule: &str) {
        self.timetable.remove(&name(scope, rule));
    }

    fn scheduled(&self, scope: &Scope, rule: &Rule, at_ms: i64) -> Result<Vec<Staged>, EventsError> {
        let region = scope.region.clone().unwrap_or_else(|| Region::from(Region::DEFAULT));
        let origin = Origin { account: scope.account, region, now_ms: self.wall.now_ms() };
        let entry = Entry {
            source: Some("aws.events".to_owned()),
            detail_type: Some("Scheduled Event".to_owned()),
            detail: Some("{}".to_owned()),
            resources: vec![rule.arn.to_string()],
            time_ms: Some(at_ms),
            trace: None,
        };
        let event = entry.event(random::uuid(&*self.random), &origin);
        let event = event.map_err(|refused| EventsError::Internal(refused.message))?;
        self.ship(scope, rule, &event)
    }
}

fn name(scope: &Scope, rule: &str) -> Name {
    Name { scope: scope.clone(), name: rule.to_owned() }
}

fn timed(record: &RuleRecord) -> Option<Timed> {
    let schedule = record.schedule.as_ref().filter(|_| record.is_enabled)?;
    let expression = Expression::parse_rule(&schedule.expression).ok()?;
    let anchor_ms = schedule.since_ms.saturating_add(expression.period_ms().unwrap_or(0));
    Some(Timed {
        schedule: Schedule { expression, zone: Zone::UTC, anchor_ms, start_ms: None, end_ms: None },
        since_ms: schedule.since_ms,
        window: Millis(0),
        age_max: Millis(MISSED_AGE_MS),
        life: schedule.life.clone(),
    })
}

impl Occasion for EventBridge {
    fn occur(&self, name: &Name, life: &str, Occurrence { at_ms, .. }: Occurrence) -> Option<Vec<Staged>> {
        let rule = self.find(&name.scope, DEFAULT_BUS)?.rule(&name.name)?;
        rule.record.schedule.as_ref().filter(|schedule| schedule.life == life)?;
        let staged = self.scheduled(&name.scope, &rule, at_ms);
        let told = |error: &EventsError| tracing::error!(rule = name.name, %error, "a scheduled event is let go");
        Some(staged.inspect_err(told).unwrap_or_default())
    }
}
