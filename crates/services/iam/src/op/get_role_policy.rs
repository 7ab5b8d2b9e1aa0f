//! GetRolePolicy.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::entity::Role;
use crate::error::IamError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    role_name: String,
    policy_name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    role_name: String,
    policy_name: String,
    policy_document: String,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    iam.authorize(&ctx, "iam:GetRolePolicy", &iam.target::<Role>(&ctx, &input.role_name))?;
    let policy_document = iam.inline::<Role>(&ctx, &input.role_name, &input.policy_name)?;
    Ok(Output { role_name: input.role_name, policy_name: input.policy_name, policy_document })
}
