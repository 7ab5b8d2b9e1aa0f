//! What is passed to a target: the schedule's input with context attributes filled in, or a notification. Source:
//! EventBridge Scheduler user guide, "Adding context attributes in EventBridge Scheduler".

use hearth_types::{Arn, clock};
use serde_json::json;

/// An attempt at an invocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment<'a> {
    pub(crate) schedule: &'a Arn,
    /// The time that the schedule says.
    pub(crate) scheduled_ms: i64,
    pub(crate) execution_id: &'a str,
    /// The first is 1.
    pub(crate) attempt: u32,
}

impl<'a> Moment<'a> {
    /// To see whether an input could be filled in.
    pub(crate) const fn example(schedule: &'a Arn) -> Self {
        Self { schedule, scheduled_ms: 0, execution_id: "d32c5kddcf5bb8c3", attempt: 1 }
    }

    pub(crate) fn scheduled_time(&self) -> String {
        clock::format_utc(self.scheduled_ms, "%Y-%m-%dT%H:%M:%SZ")
    }

    pub(crate) fn fill(&self, input: Option<&str>) -> String {
        let Some(input) = input else { return self.notification() };
        if !input.contains("<aws.scheduler.") {
            return input.to_owned();
        }
        input
            .replace("<aws.scheduler.schedule-arn>", &self.schedule.to_string())
            .replace("<aws.scheduler.scheduled-time>", &self.scheduled_time())
            .replace("<aws.scheduler.execution-id>", self.execution_id)
            .replace("<aws.scheduler.attempt-number>", &self.attempt.to_string())
    }

    /// Of a target without an input. Its form is reported from the real service: the detail is a string.
    fn notification(&self) -> String {
        json!({
            "version": "0",
            "id": self.execution_id,
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": self.schedule.account,
            "time": self.scheduled_time(),
            "region": self.schedule.region,
            "resources": [self.schedule.to_string()],
            "detail": "{}",
        })
        .to_string()
    }
}
