//! ListRolePolicies: the names of a role's inline policies.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::error::IamError;
use crate::page::Page;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    role_name: String,
    marker: Option<String>,
    max_items: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    policy_names: Vec<String>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    iam.authorize(&ctx, "iam:ListRolePolicies", &iam.role_arn(&ctx, &input.role_name), &[])?;
    let role = iam.role(&ctx, &input.role_name)?;
    let names = role.inline_policies.keys().cloned();
    let page = Page::of(names, input.marker.as_deref(), input.max_items, String::clone);
    Ok(Output { policy_names: page.items, is_truncated: page.is_truncated, marker: page.marker })
}
