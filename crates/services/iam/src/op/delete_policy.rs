//! DeletePolicy: only a policy that nothing uses, and that has no other version than the one in force, goes.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::directory::{Changes, Entity as _, Usage};
use crate::entity::CustomerPolicy;
use crate::error::IamError;
use crate::policy_ref::PolicyRef;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    policy_arn: String,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    let policy = PolicyRef::parse(&ctx, &input.policy_arn)?;
    iam.authorize(&ctx, "iam:DeletePolicy", &iam.policy_target(&ctx, &policy.arn))?;
    let name = iam.own_policy(&ctx, &policy, "iam:DeletePolicy")?;
    let delete = move |changes: &mut Changes<'_>| {
        let found = changes.account().get::<CustomerPolicy>(&name)?.clone();
        if changes.account().usage_of(&input.policy_arn) != Usage::default() {
            return Err(IamError::PolicyInUse("Cannot delete a policy attached to entities."));
        }
        if found.versions.len() > 1 {
            return Err(IamError::PolicyInUse(
                "This policy has more than one version. Before you delete a policy, you must delete the policy's \
                 versions. The default version is deleted with the policy.",
            ));
        }
        changes.delete::<CustomerPolicy>(found.record());
        Ok(())
    };
    iam.directory.change(ctx.global_scope(), delete).await?;
    Ok(Empty {})
}
