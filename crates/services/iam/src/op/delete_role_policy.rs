//! DeleteRolePolicy.

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
    policy_name: String,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    iam.authorize(&ctx, "iam:DeleteRolePolicy", &iam.bounded_target::<Role>(&ctx, &input.role_name))?;
    iam.delete_inline::<Role>(&ctx, input.role_name, input.policy_name).await?;
    Ok(Empty {})
}
