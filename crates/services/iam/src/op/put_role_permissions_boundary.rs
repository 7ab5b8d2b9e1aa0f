//! PutRolePermissionsBoundary.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::entity::Role;
use crate::error::IamError;
use crate::policy_ref::PolicyRef;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    role_name: String,
    permissions_boundary: String,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    // The boundary that is set, not the one there is. Source: "Actions, resources, and condition keys for IAM".
    let target = iam.target::<Role>(&ctx, &input.role_name).with_boundary(Some(&input.permissions_boundary));
    iam.authorize(&ctx, "iam:PutRolePermissionsBoundary", &target)?;
    let boundary = PolicyRef::parse(&ctx, &input.permissions_boundary)?;
    iam.set_boundary::<Role>(&ctx, input.role_name, Some(boundary)).await?;
    Ok(Empty {})
}
