//! AttachRolePolicy. Attaching again what is attached changes nothing and succeeds.

use std::sync::Arc;

use hearth_types::{Arn, RequestContext};
use serde::Deserialize;

use super::Empty;
use crate::error::IamError;
use crate::role::RoleRecord;
use crate::{Iam, managed};

/// Managed policies of one role. Source: "IAM and AWS STS quotas".
const ATTACHED_MAX: usize = 10;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    role_name: String,
    policy_arn: String,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    let condition = super::policy_arn_condition(&input.policy_arn);
    iam.authorize(&ctx, "iam:AttachRolePolicy", &iam.role_arn(&ctx, &input.role_name), &[condition])?;
    let arn: Arn = input.policy_arn.parse().map_err(|_| IamError::UnparsableArn)?;
    let is_attachable = arn.partition == ctx.partition.as_str()
        && arn.service == "iam"
        && arn.account == "aws"
        && managed::exists(&arn.resource);
    let change = move |role: &mut RoleRecord| {
        if !is_attachable {
            return Err(IamError::NotAttachable { arn: input.policy_arn.clone() });
        }
        role.attached_policies.insert(input.policy_arn.clone());
        if role.attached_policies.len() > ATTACHED_MAX {
            return Err(IamError::LimitExceeded(format!("Cannot exceed quota for PoliciesPerRole: {ATTACHED_MAX}")));
        }
        Ok(())
    };
    iam.directory.change(ctx.global_scope(), input.role_name, change).await?;
    Ok(Empty {})
}
