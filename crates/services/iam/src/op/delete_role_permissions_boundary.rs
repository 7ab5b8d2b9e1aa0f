//! DeleteRolePermissionsBoundary. Without one nothing changes.

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
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    iam.authorize(&ctx, "iam:DeleteRolePermissionsBoundary", &iam.bounded_target::<Role>(&ctx, &input.role_name))?;
    iam.set_boundary::<Role>(&ctx, input.role_name, None).await?;
    Ok(Empty {})
}
