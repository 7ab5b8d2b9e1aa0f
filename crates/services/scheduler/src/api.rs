//! The EventBridge Scheduler API: its operations over [`Scheduler`], and who may do what.

use std::sync::Arc;

use hearth_ports::{Access, Condition};
use hearth_types::{Arn, RequestContext};
use hearth_wire::{Service, models};

use crate::deliver::PRINCIPAL;
use crate::error::SchedulerError;
use crate::{Scheduler, arn, op};

/// An input of 256 KiB grows by being escaped in JSON.
const REQUEST_BYTES_MAX: usize = 2 << 20;

/// The EventBridge Scheduler API over `scheduler`.
#[must_use]
pub fn service(scheduler: &Arc<Scheduler>) -> Arc<dyn Service> {
    hearth_wire::service(models::scheduler(), scheduler.clone())
        .op("CreateSchedule", REQUEST_BYTES_MAX, op::create_schedule::run)
        .op("CreateScheduleGroup", REQUEST_BYTES_MAX, op::create_schedule_group::run)
        .op("DeleteSchedule", REQUEST_BYTES_MAX, op::delete_schedule::run)
        .op("DeleteScheduleGroup", REQUEST_BYTES_MAX, op::delete_schedule_group::run)
        .op("GetSchedule", REQUEST_BYTES_MAX, op::get_schedule::run)
        .op("GetScheduleGroup", REQUEST_BYTES_MAX, op::get_schedule_group::run)
        .op("ListScheduleGroups", REQUEST_BYTES_MAX, op::list_schedule_groups::run)
        .op("ListSchedules", REQUEST_BYTES_MAX, op::list_schedules::run)
        .op("ListTagsForResource", REQUEST_BYTES_MAX, op::list_tags_for_resource::run)
        .op("TagResource", REQUEST_BYTES_MAX, op::tag_resource::run)
        .op("UntagResource", REQUEST_BYTES_MAX, op::untag_resource::run)
        .op("UpdateSchedule", REQUEST_BYTES_MAX, op::update_schedule::run)
        .build()
}

impl Scheduler {
    /// What a policy may ask about a group.
    pub(crate) fn group_conditions(&self, ctx: &RequestContext, group: &str) -> Vec<Condition> {
        let group = self.find_group(&ctx.scope(), group);
        let tags = group.iter().flat_map(|group| &group.tags);
        tags.map(|(key, value)| Condition::one(format!("aws:ResourceTag/{key}"), value)).collect()
    }

    /// Whether the caller may hand that role to EventBridge Scheduler, and whether that may take it.
    ///
    /// # Errors
    /// [`SchedulerError::Denied`], or [`SchedulerError::Validation`] in the words reported from the real service.
    pub(crate) fn check_role(&self, ctx: &RequestContext, role_arn: &str, group: &str) -> Result<(), SchedulerError> {
        let role: Arn = role_arn.parse().map_err(|_| SchedulerError::validation("RoleArn is not an ARN."))?;
        let passed = [Condition::one("iam:PassedToService", PRINCIPAL)];
        self.authorizer.authorize(ctx, &Access::new("iam:PassRole", &role).under(&passed))?;
        let source = arn::of_group(&ctx.scope(), group);
        let refused = |_| {
            SchedulerError::validation(
                "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.",
            )
        };
        self.roles.service_role(ctx, PRINCIPAL, role_arn, &source.to_string()).map(drop).map_err(refused)
    }
}
