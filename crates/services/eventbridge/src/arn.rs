//! ARNs of this service, and names that may be given instead. Source: Service Authorization Reference, "Actions,
//! resources, and condition keys for Amazon EventBridge".

use hearth_types::{AccountId, Arn, Partition, Region, RequestContext, Scope};

use crate::error::EventsError;

pub(crate) const DEFAULT_BUS: &str = "default";

fn arn(scope: &Scope, resource: String) -> Arn {
    Arn {
        partition: scope.partition.as_str().to_owned(),
        service: "events".to_owned(),
        region: scope.region.as_ref().map(|region| region.as_str().to_owned()).unwrap_or_default(),
        account: scope.account.as_str().to_owned(),
        resource,
    }
}

pub(crate) fn bus(scope: &Scope, name: &str) -> Arn {
    arn(scope, format!("event-bus/{name}"))
}

/// Rules of the default bus are named without it.
pub(crate) fn rule(scope: &Scope, bus: &str, name: &str) -> Arn {
    if bus == DEFAULT_BUS { arn(scope, format!("rule/{name}")) } else { arn(scope, format!("rule/{bus}/{name}")) }
}

pub(crate) fn archive(scope: &Scope, name: &str) -> Arn {
    arn(scope, format!("archive/{name}"))
}

pub(crate) fn replay(scope: &Scope, name: &str) -> Arn {
    arn(scope, format!("replay/{name}"))
}

/// Context, bus and rule of what has tags, by its ARN; no rule when the bus is meant.
///
/// # Errors
/// [`EventsError::Validation`] for the ARN of something else.
pub(crate) fn read_tagged<'t>(
    ctx: &RequestContext,
    text: &'t str,
) -> Result<((RequestContext, String), &'t str), EventsError> {
    let found = text.parse::<Arn>().ok().and_then(|arn| at(ctx, &arn)).and_then(|ctx| {
        let resource = text.splitn(6, ':').nth(5)?;
        let (bus, rule) = match resource.split_once('/')? {
            ("event-bus", bus) => (bus, ""),
            ("rule", rule) => rule.rsplit_once('/').unwrap_or((DEFAULT_BUS, rule)),
            _ => return None,
        };
        Some(((ctx, bus.to_owned()), rule))
    });
    found.ok_or_else(|| invalid(text))
}

/// Recorded of targets.
pub(crate) fn invalid(text: &str) -> EventsError {
    EventsError::validation(format!("Parameter {text} is not valid. Reason: Provided Arn is not in correct format."))
}

/// Context and name of a bus that is given by either, or not at all.
///
/// # Errors
/// [`EventsError::Validation`] for the ARN of something else.
pub(crate) fn read_bus(ctx: &RequestContext, given: Option<&str>) -> Result<(RequestContext, String), EventsError> {
    let Some(text) = given else { return Ok((ctx.clone(), DEFAULT_BUS.to_owned())) };
    if !text.starts_with("arn:") {
        return Ok((ctx.clone(), text.to_owned()));
    }
    let found = text.parse::<Arn>().ok().and_then(|arn| {
        let name = arn.resource.strip_prefix("event-bus/").filter(|name| !name.is_empty())?.to_owned();
        Some((at(ctx, &arn)?, name))
    });
    found.ok_or_else(|| invalid(text))
}

/// The context in account and region of an ARN of this service.
pub(crate) fn at(ctx: &RequestContext, arn: &Arn) -> Option<RequestContext> {
    let account = arn.account.parse::<AccountId>().ok().filter(|_| arn.service == "events")?;
    let region = Region::from(arn.region.as_str());
    Some(RequestContext { partition: Partition::of_region(&arn.region), region, ..ctx.in_account(account) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_types::RequestId;

    #[test]
    fn a_bus_is_given_by_name_by_arn_or_not_at_all() {
        let scope =
            Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: Some(Region::from("us-east-1")) };
        let ctx = RequestContext::service(&scope, "test", RequestId::from("r"));
        let read = |given: Option<&str>| read_bus(&ctx, given).map(|(ctx, name)| bus(&ctx.scope(), &name).to_string());
        assert_eq!(read(None).expect("a bus"), "arn:aws:events:us-east-1:000000000000:event-bus/default");
        assert_eq!(read(Some("b")).expect("a bus"), "arn:aws:events:us-east-1:000000000000:event-bus/b");
        let other = "arn:aws:events:eu-west-1:111122223333:event-bus/b";
        assert_eq!(read(Some(other)).expect("a bus"), other);
        for none in ["arn:aws:events:eu-west-1:111122223333:rule/b", "arn:aws:sqs:eu-west-1:111122223333:event-bus/b"] {
            assert!(read(Some(none)).is_err(), "{none}");
        }
    }

    #[test]
    fn rules_of_the_default_bus_are_named_without_it() {
        let scope =
            Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: Some(Region::from("us-east-1")) };
        assert_eq!(rule(&scope, "default", "r").to_string(), "arn:aws:events:us-east-1:000000000000:rule/r");
        assert_eq!(rule(&scope, "b", "r").to_string(), "arn:aws:events:us-east-1:000000000000:rule/b/r");
    }
}
