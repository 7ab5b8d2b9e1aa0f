//! TagPolicy: adds tags; a tag of the same key, in any case, gets the new value.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::entity::{CustomerPolicy, Tag};
use crate::error::IamError;
use crate::policy_ref::PolicyRef;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    policy_arn: String,
    tags: Vec<Tag>,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    let policy = PolicyRef::parse(&ctx, &input.policy_arn)?;
    iam.authorize(&ctx, "iam:TagPolicy", &iam.policy_target(&ctx, &policy.arn).with_tags(&input.tags))?;
    let name = iam.own_policy(&ctx, &policy, "iam:TagPolicy")?;
    iam.tag::<CustomerPolicy>(&ctx, name, input.tags).await?;
    Ok(Empty {})
}
