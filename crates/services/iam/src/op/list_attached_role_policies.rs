//! ListAttachedRolePolicies.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use crate::Iam;
use crate::entity::Role;
use crate::error::IamError;
use crate::view::AttachedPolicies;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    role_name: String,
    path_prefix: Option<String>,
    marker: Option<String>,
    max_items: Option<u32>,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<AttachedPolicies, IamError> {
    iam.authorize(&ctx, "iam:ListAttachedRolePolicies", &iam.target::<Role>(&ctx, &input.role_name))?;
    let (prefix, marker) = (input.path_prefix.as_deref(), input.marker.as_deref());
    iam.attached::<Role>(&ctx, &input.role_name, prefix, marker, input.max_items)
}
