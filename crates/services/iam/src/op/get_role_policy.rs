//! GetRolePolicy.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::error::IamError;
use crate::role::encode_document;

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
    iam.authorize(&ctx, "iam:GetRolePolicy", &iam.role_arn(&ctx, &input.role_name), &[])?;
    let role = iam.role(&ctx, &input.role_name)?;
    match role.inline_policies.get(&input.policy_name) {
        Some(document) => Ok(Output {
            role_name: input.role_name,
            policy_name: input.policy_name,
            policy_document: encode_document(document),
        }),
        None => Err(IamError::NoSuchRolePolicy { policy: input.policy_name }),
    }
}
