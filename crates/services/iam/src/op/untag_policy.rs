//! UntagPolicy: removes tags by key; a key that is not there is no error.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::entity::CustomerPolicy;
use crate::error::IamError;
use crate::policy_ref::PolicyRef;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    policy_arn: String,
    tag_keys: Vec<String>,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    let policy = PolicyRef::parse(&ctx, &input.policy_arn)?;
    let target = iam.policy_target(&ctx, &policy.arn).with_tag_keys(input.tag_keys.clone());
    iam.authorize(&ctx, "iam:UntagPolicy", &target)?;
    let name = iam.own_policy(&ctx, &policy, "iam:UntagPolicy")?;
    iam.untag::<CustomerPolicy>(&ctx, name, input.tag_keys).await?;
    Ok(Empty {})
}
