//! Subscribe: a queue, function or HTTP endpoint is told what is published from now on. Whoever subscribes what is his
//! own need not confirm; others are asked first.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_ports::Condition;
use hearth_types::{Origin, RequestContext};
use serde::{Deserialize, Serialize};

use crate::Sns;
use crate::api::By;
use crate::directory::Wanted;
use crate::error::SnsError;
use crate::subscription::{Endpoint, check_attribute_name};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    topic_arn: Option<String>,
    protocol: Option<String>,
    endpoint: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    return_subscription_arn: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    subscription_arn: String,
}

pub(crate) async fn run(sns: Arc<Sns>, ctx: RequestContext, input: Input) -> Result<Output, SnsError> {
    let (protocol, endpoint) = (input.protocol.unwrap_or_default(), input.endpoint.unwrap_or_default());
    let conditions = vec![Condition::one("sns:Protocol", &protocol), Condition::one("sns:Endpoint", &endpoint)];
    let by = By::Topic(input.topic_arn.as_deref());
    let topic = sns.authorize(&ctx, "sns:Subscribe", by, conditions)?.topic()?;
    let target = Endpoint::parse(&protocol, &endpoint, &topic.arn)?;
    let is_own = match target.arn() {
        Some(arn) => ctx.caller.account().is_none_or(|account| account.as_str() == arn.account),
        None => false,
    };
    if let (false, Endpoint::Function { .. }) = (is_own, &target) {
        return Err(SnsError::unsupported("A subscription of another account's function"));
    }
    for name in input.attributes.keys() {
        check_attribute_name(name).map_err(SnsError::in_attributes)?;
    }
    let scheme = if ctx.secure { "https" } else { "http" };
    let wanted = Wanted {
        protocol,
        endpoint,
        principal: ctx.caller.arn(ctx.partition),
        base_url: format!("{scheme}://{}", ctx.host),
        attributes: input.attributes,
        is_pending: !is_own,
        by_outsider: ctx.origin != Origin::Function,
    };
    let subscription = sns.subscribe(&topic, wanted).await?;
    let is_named = subscription.is_confirmed() || input.return_subscription_arn;
    let subscription_arn = if is_named { subscription.arn.clone() } else { "pending confirmation".to_owned() };
    Ok(Output { subscription_arn })
}
