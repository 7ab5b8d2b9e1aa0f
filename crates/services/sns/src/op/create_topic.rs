//! CreateTopic: makes a topic; asking again for the same one answers its ARN.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_ports::Access;
use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Sns;
use crate::api::request_tags;
use crate::error::SnsError;
use crate::tags::{self, Tag};
use crate::topic::arn;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    name: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    tags: Vec<Tag>,
    data_protection_policy: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    topic_arn: String,
}

pub(crate) async fn run(sns: Arc<Sns>, ctx: RequestContext, input: Input) -> Result<Output, SnsError> {
    let name = input.name.unwrap_or_default();
    let tags = tags::by_key(input.tags)?;
    let conditions = request_tags(&tags);
    if !tags.is_empty() {
        sns.may(&ctx, "sns:TagResource", &name, conditions.clone())?;
    }
    sns.authorizer.authorize(&ctx, &Access::new("sns:CreateTopic", &arn(&ctx.scope(), &name)).under(&conditions))?;
    if input.data_protection_policy.is_some_and(|policy| !policy.is_empty()) {
        return Err(SnsError::unsupported("DataProtectionPolicy"));
    }
    tags::check(&tags)?;
    let arn = sns.create(&ctx.scope(), &name, &input.attributes, tags).await?;
    Ok(Output { topic_arn: arn.to_string() })
}
