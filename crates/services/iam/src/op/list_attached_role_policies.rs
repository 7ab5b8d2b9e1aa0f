//! ListAttachedRolePolicies.

use std::sync::Arc;

use hearth_types::{Arn, RequestContext};
use serde::{Deserialize, Serialize};

use crate::error::IamError;
use crate::page::Page;
use crate::{Iam, managed};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    role_name: String,
    path_prefix: Option<String>,
    marker: Option<String>,
    max_items: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AttachedPolicy {
    policy_name: String,
    policy_arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    attached_policies: Vec<AttachedPolicy>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    iam.authorize(&ctx, "iam:ListAttachedRolePolicies", &iam.role_arn(&ctx, &input.role_name), &[])?;
    let role = iam.role(&ctx, &input.role_name)?;
    let prefix = input.path_prefix.as_deref().unwrap_or("/");
    let attached = role.attached_policies.iter().filter_map(|text| {
        let arn: Arn = text.parse().ok()?;
        let (path, name) = managed::path_and_name(&arn.resource)?;
        path.starts_with(prefix).then(|| AttachedPolicy { policy_name: name.to_owned(), policy_arn: text.clone() })
    });
    let page = Page::of(attached, input.marker.as_deref(), input.max_items, |policy| policy.policy_arn.clone());
    Ok(Output { attached_policies: page.items, is_truncated: page.is_truncated, marker: page.marker })
}
