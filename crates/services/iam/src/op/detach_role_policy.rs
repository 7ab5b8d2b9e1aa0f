//! DetachRolePolicy.

use std::sync::Arc;

use hearth_types::{Arn, RequestContext};
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::error::IamError;
use crate::role::RoleRecord;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    role_name: String,
    policy_arn: String,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    let condition = super::policy_arn_condition(&input.policy_arn);
    iam.authorize(&ctx, "iam:DetachRolePolicy", &iam.role_arn(&ctx, &input.role_name), &[condition])?;
    input.policy_arn.parse::<Arn>().map_err(|_| IamError::UnparsableArn)?;
    let change = move |role: &mut RoleRecord| {
        if role.attached_policies.remove(&input.policy_arn) {
            Ok(())
        } else {
            Err(IamError::NotAttached { arn: input.policy_arn.clone() })
        }
    };
    iam.directory.change(ctx.global_scope(), input.role_name, change).await?;
    Ok(Empty {})
}
