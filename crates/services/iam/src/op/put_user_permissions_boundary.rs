//! PutUserPermissionsBoundary.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::entity::User;
use crate::error::IamError;
use crate::policy_ref::PolicyRef;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    user_name: String,
    permissions_boundary: String,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    // The boundary that is set, not the one there is. Source: "Actions, resources, and condition keys for IAM".
    let target = iam.target::<User>(&ctx, &input.user_name).with_boundary(Some(&input.permissions_boundary));
    iam.authorize(&ctx, "iam:PutUserPermissionsBoundary", &target)?;
    let boundary = PolicyRef::parse(&ctx, &input.permissions_boundary)?;
    iam.set_boundary::<User>(&ctx, input.user_name, Some(boundary)).await?;
    Ok(Empty {})
}
