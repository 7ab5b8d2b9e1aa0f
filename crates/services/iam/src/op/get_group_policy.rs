//! GetGroupPolicy.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::entity::Group;
use crate::error::IamError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    group_name: String,
    policy_name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    group_name: String,
    policy_name: String,
    policy_document: String,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    iam.authorize(&ctx, "iam:GetGroupPolicy", &iam.target::<Group>(&ctx, &input.group_name))?;
    let policy_document = iam.inline::<Group>(&ctx, &input.group_name, &input.policy_name)?;
    Ok(Output { group_name: input.group_name, policy_name: input.policy_name, policy_document })
}
