//! Subscribe: a queue or function is told what is published from now on. Nobody has to confirm.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_ports::Condition;
use hearth_types::RequestContext;
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
    // ReturnSubscriptionArn asks for what is always answered: no subscription waits for a confirmation.
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
    // The owner of another account's queue would have to confirm, by a message that Hearth does not send.
    if ctx.caller.account().is_some_and(|account| account.as_str() != target.arn().account) {
        return Err(SnsError::unsupported("A subscription of another account's endpoint"));
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
    };
    let subscription_arn = sns.subscribe(&topic, wanted).await?;
    Ok(Output { subscription_arn })
}
