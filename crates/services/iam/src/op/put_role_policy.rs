//! PutRolePolicy: adds an inline policy or replaces the one of that name.

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
    policy_name: String,
    policy_document: String,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    let target = iam.bounded_target::<Role>(&ctx, &input.role_name);
    iam.authorize(&ctx, "iam:PutRolePolicy", &target)?;
    iam.put_inline::<Role>(&ctx, input.role_name, input.policy_name, input.policy_document).await?;
    Ok(Empty {})
}
