//! ARNs of schedules and groups. Source: Service Authorization Reference, "Actions, resources, and condition keys for
//! Amazon EventBridge Scheduler".

use hearth_types::{Arn, RequestContext, Scope};

use crate::error::SchedulerError;

const GROUP: &str = "schedule-group/";

fn arn(scope: &Scope, resource: String) -> Arn {
    Arn {
        partition: scope.partition.as_str().to_owned(),
        service: "scheduler".to_owned(),
        region: scope.region.as_ref().map(|region| region.as_str().to_owned()).unwrap_or_default(),
        account: scope.account.as_str().to_owned(),
        resource,
    }
}

pub(crate) fn of_schedule(scope: &Scope, group: &str, name: &str) -> Arn {
    arn(scope, format!("schedule/{group}/{name}"))
}

pub(crate) fn of_group(scope: &Scope, name: &str) -> Arn {
    arn(scope, format!("{GROUP}{name}"))
}

/// The name of the group that an ARN of the context's account and region names.
///
/// # Errors
/// [`SchedulerError::NotFound`] for another's.
pub(crate) fn read_group(ctx: &RequestContext, text: &str) -> Result<String, SchedulerError> {
    let missing = || SchedulerError::NotFound(format!("Resource {text}"));
    let found: Arn = text.parse().map_err(|_| missing())?;
    let name = found.resource.strip_prefix(GROUP).ok_or_else(missing)?.to_owned();
    if found == of_group(&ctx.scope(), &name) { Ok(name) } else { Err(missing()) }
}
