//! What a schedule is set to, and what it may be. Source: EventBridge Scheduler API reference, CreateSchedule.

use hearth_delivery::timetable::Timed;
use hearth_schedule::{Expression, Schedule, Zone};
use hearth_types::{Arn, Millis};
use hearth_wire::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::SchedulerError;
use crate::limits::START_AGO_MS_MAX;
use crate::record::ScheduleRecord;
use crate::target::Target;

const UTC: &str = "UTC";

/// What CreateSchedule and UpdateSchedule have in common.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Asked {
    schedule_expression: String,
    schedule_expression_timezone: Option<String>,
    start_date: Option<Timestamp>,
    end_date: Option<Timestamp>,
    description: Option<String>,
    state: Option<State>,
    kms_key_arn: Option<String>,
    pub(crate) target: Value,
    flexible_time_window: FlexibleTimeWindow,
    action_after_completion: Option<ActionAfterCompletion>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum State {
    #[default]
    Enabled,
    Disabled,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum ActionAfterCompletion {
    #[default]
    None,
    Delete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FlexibleTimeWindow {
    mode: Mode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    maximum_window_in_minutes: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Mode {
    Off,
    Flexible,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) expression: String,
    pub(crate) zone: String,
    pub(crate) start_ms: Option<i64>,
    pub(crate) end_ms: Option<i64>,
    pub(crate) description: Option<String>,
    pub(crate) state: State,
    pub(crate) window: FlexibleTimeWindow,
    pub(crate) action_after_completion: ActionAfterCompletion,
    pub(crate) target: Target,
}

impl Asked {
    /// `before`: what it is set to now. `now_ms`: wall clock, which clients know.
    ///
    /// # Errors
    /// [`SchedulerError::Validation`].
    pub(crate) fn check(
        self,
        schedule: &Arn,
        before: Option<&Settings>,
        now_ms: i64,
    ) -> Result<Settings, SchedulerError> {
        let invalid = |text: String| Err(SchedulerError::Validation(text));
        let expression = self.schedule_expression;
        if Expression::parse(&expression).is_err() {
            // Recorded.
            return invalid(format!("Invalid Schedule Expression {expression}."));
        }
        let zone = self.schedule_expression_timezone.unwrap_or_else(|| UTC.to_owned());
        if Zone::named(&zone).is_none() {
            return invalid(format!("Invalid Schedule Expression Timezone {zone}."));
        }
        let (start_ms, end_ms) = (self.start_date.map(Timestamp::ms), self.end_date.map(Timestamp::ms));
        let is_new = |at_ms: Option<i64>, of: fn(&Settings) -> Option<i64>| before.and_then(of) != at_ms;
        if is_new(start_ms, |before| before.start_ms)
            && start_ms.is_some_and(|start_ms| start_ms < now_ms - START_AGO_MS_MAX)
        {
            // Reported from the real service.
            return invalid("The StartDate you specify cannot be earlier than 5 minutes ago.".to_owned());
        }
        if is_new(end_ms, |before| before.end_ms) && end_ms.is_some_and(|end_ms| end_ms <= now_ms) {
            return invalid("The EndDate you specify must be in the future.".to_owned());
        }
        if start_ms.zip(end_ms).is_some_and(|(start_ms, end_ms)| end_ms <= start_ms) {
            return invalid("The EndDate you specify must come after the StartDate you specify.".to_owned());
        }
        match self.flexible_time_window {
            FlexibleTimeWindow { mode: Mode::Flexible, maximum_window_in_minutes: None } => {
                return invalid("A flexible time window needs MaximumWindowInMinutes.".to_owned());
            }
            FlexibleTimeWindow { mode: Mode::Off, maximum_window_in_minutes: Some(_) } => {
                return invalid("MaximumWindowInMinutes is for flexible time windows.".to_owned());
            }
            _ => {}
        }
        if self.kms_key_arn.is_some() {
            return Err(SchedulerError::unsupported("KmsKeyArn"));
        }
        let target = Target::read(self.target)?;
        target.check(schedule)?;
        Ok(Settings {
            expression,
            zone,
            start_ms,
            end_ms,
            description: self.description,
            state: self.state.unwrap_or_default(),
            window: self.flexible_time_window,
            action_after_completion: self.action_after_completion.unwrap_or_default(),
            target,
        })
    }
}

impl ScheduleRecord {
    /// As the timetable has it; `None` when it is switched off.
    pub(crate) fn timed(&self) -> Option<Timed> {
        let settings = &self.settings;
        let expression = Expression::parse(&settings.expression).ok().filter(|_| settings.state == State::Enabled)?;
        let (start_ms, since_ms) = (settings.start_ms, self.since_ms);
        let schedule = Schedule {
            // A rate without a start begins at once. Source: user guide, "Rate-based schedules".
            anchor_ms: start_ms.unwrap_or(since_ms),
            expression,
            zone: Zone::named(&settings.zone)?,
            start_ms,
            end_ms: settings.end_ms,
        };
        let minutes = settings.window.maximum_window_in_minutes.unwrap_or(0);
        Some(Timed {
            schedule,
            since_ms: since_ms.saturating_sub(1),
            window: Millis::from_secs(u64::from(minutes) * 60),
            age_max: Millis::from_secs(settings.target.retry_policy.maximum_event_age_in_seconds.into()),
            life: self.life.clone(),
        })
    }
}
