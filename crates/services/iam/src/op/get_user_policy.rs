//! GetUserPolicy.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::entity::User;
use crate::error::IamError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    user_name: String,
    policy_name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    user_name: String,
    policy_name: String,
    policy_document: String,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    iam.authorize(&ctx, "iam:GetUserPolicy", &iam.target::<User>(&ctx, &input.user_name))?;
    let policy_document = iam.inline::<User>(&ctx, &input.user_name, &input.policy_name)?;
    Ok(Output { user_name: input.user_name, policy_name: input.policy_name, policy_document })
}
