//! DeletePolicyVersion: any but the one in force.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::entity::{CustomerPolicy, PolicyRecord};
use crate::error::IamError;
use crate::policy_ref::PolicyRef;
use crate::versions;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    policy_arn: String,
    version_id: String,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    let policy = PolicyRef::parse(&ctx, &input.policy_arn)?;
    iam.authorize(&ctx, "iam:DeletePolicyVersion", &iam.policy_target(&ctx, &policy.arn))?;
    let name = iam.own_policy(&ctx, &policy, "iam:DeletePolicyVersion")?;
    let edit = move |policy: &mut PolicyRecord| {
        let number = versions::number(policy, &input.policy_arn, &input.version_id)?;
        if number == policy.default_version {
            return Err(IamError::PolicyInUse("Cannot delete the default version of a policy."));
        }
        policy.versions.remove(&number);
        Ok(())
    };
    iam.directory.edit::<CustomerPolicy>(ctx.global_scope(), name, edit).await?;
    Ok(Empty {})
}
