//! ListUserPolicies: the names of a user's inline policies.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use crate::Iam;
use crate::entity::User;
use crate::error::IamError;
use crate::view::PolicyNames;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    user_name: String,
    marker: Option<String>,
    max_items: Option<u32>,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<PolicyNames, IamError> {
    iam.authorize(&ctx, "iam:ListUserPolicies", &iam.target::<User>(&ctx, &input.user_name))?;
    iam.inline_names::<User>(&ctx, &input.user_name, input.marker.as_deref(), input.max_items)
}
