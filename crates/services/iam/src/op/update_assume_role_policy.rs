//! UpdateAssumeRolePolicy: another trust policy.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::entity::{Role, RoleRecord};
use crate::error::IamError;
use crate::grants::check_trust;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    role_name: String,
    policy_document: String,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    iam.authorize(&ctx, "iam:UpdateAssumeRolePolicy", &iam.target::<Role>(&ctx, &input.role_name))?;
    check_trust(&input.policy_document)?;
    let edit = move |role: &mut RoleRecord| {
        role.trust_policy.clone_from(&input.policy_document);
        Ok(())
    };
    iam.directory.edit::<Role>(ctx.global_scope(), input.role_name, edit).await?;
    Ok(Empty {})
}
