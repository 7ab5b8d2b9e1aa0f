//! DeleteRole: only a role without policies goes.

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
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    iam.authorize(&ctx, "iam:DeleteRole", &iam.role_arn(&ctx, &input.role_name), &[])?;
    iam.directory.delete(ctx.global_scope(), input.role_name, refuse_with_policies).await?;
    Ok(Empty {})
}

fn refuse_with_policies(role: &RoleRecord) -> Result<(), IamError> {
    if !role.attached_policies.is_empty() {
        return Err(IamError::DeleteConflict { what: "detach all policies" });
    }
    if !role.inline_policies.is_empty() {
        return Err(IamError::DeleteConflict { what: "delete policies" });
    }
    Ok(())
}
