//! ListRoleTags.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::error::IamError;
use crate::page::Page;
use crate::role::Tag;

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
    tags: Vec<Tag>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    iam.authorize(&ctx, "iam:ListRoleTags", &iam.role_arn(&ctx, &input.role_name), &[])?;
    let mut tags = iam.role(&ctx, &input.role_name)?.tags.clone();
    tags.sort_by(|a, b| a.key.cmp(&b.key));
    let page = Page::of(tags, input.marker.as_deref(), input.max_items, |tag| tag.key.clone());
    Ok(Output { tags: page.items, is_truncated: page.is_truncated, marker: page.marker })
}
