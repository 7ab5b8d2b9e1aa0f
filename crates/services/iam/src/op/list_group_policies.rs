//! ListGroupPolicies: the names of a group's inline policies.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use crate::Iam;
use crate::entity::Group;
use crate::error::IamError;
use crate::view::PolicyNames;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    group_name: String,
    marker: Option<String>,
    max_items: Option<u32>,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<PolicyNames, IamError> {
    iam.authorize(&ctx, "iam:ListGroupPolicies", &iam.target::<Group>(&ctx, &input.group_name))?;
    iam.inline_names::<Group>(&ctx, &input.group_name, input.marker.as_deref(), input.max_items)
}
