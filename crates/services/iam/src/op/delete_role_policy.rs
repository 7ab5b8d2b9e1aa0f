//! DeleteRolePolicy.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::error::IamError;
use crate::role::RoleRecord;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    role_name: String,
    policy_name: String,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    iam.authorize(&ctx, "iam:DeleteRolePolicy", &iam.role_arn(&ctx, &input.role_name), &[])?;
    let change = move |role: &mut RoleRecord| match role.inline_policies.remove(&input.policy_name) {
        Some(_) => Ok(()),
        None => Err(IamError::NoSuchRolePolicy { policy: input.policy_name.clone() }),
    };
    iam.directory.change(ctx.global_scope(), input.role_name, change).await?;
    Ok(Empty {})
}
