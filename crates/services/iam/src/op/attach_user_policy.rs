//! AttachUserPolicy.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::entity::User;
use crate::error::IamError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    user_name: String,
    policy_arn: String,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    let target = iam.bounded_target::<User>(&ctx, &input.user_name).with_policy(&input.policy_arn);
    iam.authorize(&ctx, "iam:AttachUserPolicy", &target)?;
    iam.attach::<User>(&ctx, input.user_name, input.policy_arn).await?;
    Ok(Empty {})
}
