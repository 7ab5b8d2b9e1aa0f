//! ListPolicyVersions: the newest first.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::error::IamError;
use crate::page::Page;
use crate::policy_ref::PolicyRef;
use crate::versions::VersionView;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    policy_arn: String,
    marker: Option<String>,
    max_items: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    versions: Vec<VersionView>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    let policy = PolicyRef::parse(&ctx, &input.policy_arn)?;
    iam.authorize(&ctx, "iam:ListPolicyVersions", &iam.policy_target(&ctx, &policy.arn))?;
    let versions = VersionView::all(&iam.managed(&ctx, &policy)?);
    let page = Page::of(versions, input.marker.as_deref(), input.max_items, VersionView::marker);
    Ok(Output { versions: page.items, is_truncated: page.is_truncated, marker: page.marker })
}
