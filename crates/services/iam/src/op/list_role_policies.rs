//! ListRolePolicies: the names of a role's inline policies.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use crate::Iam;
use crate::entity::Role;
use crate::error::IamError;
use crate::view::PolicyNames;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    role_name: String,
    marker: Option<String>,
    max_items: Option<u32>,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<PolicyNames, IamError> {
    iam.authorize(&ctx, "iam:ListRolePolicies", &iam.target::<Role>(&ctx, &input.role_name))?;
    iam.inline_names::<Role>(&ctx, &input.role_name, input.marker.as_deref(), input.max_items)
}
