//! DeleteUserPermissionsBoundary. Without one nothing changes.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::entity::User;
use crate::error::IamError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    user_name: String,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    iam.authorize(&ctx, "iam:DeleteUserPermissionsBoundary", &iam.bounded_target::<User>(&ctx, &input.user_name))?;
    iam.set_boundary::<User>(&ctx, input.user_name, None).await?;
    Ok(Empty {})
}
