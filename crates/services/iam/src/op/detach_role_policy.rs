//! DetachRolePolicy.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::entity::Role;
use crate::error::IamError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    role_name: String,
    policy_arn: String,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    let target = iam.bounded_target::<Role>(&ctx, &input.role_name).with_policy(&input.policy_arn);
    iam.authorize(&ctx, "iam:DetachRolePolicy", &target)?;
    iam.detach::<Role>(&ctx, input.role_name, input.policy_arn).await?;
    Ok(Empty {})
}
