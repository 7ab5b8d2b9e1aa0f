//! ListRoles.

use std::sync::Arc;

use hearth_types::{Arn, RequestContext};
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::error::IamError;
use crate::page::{self, Page};
use crate::role::RoleView;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    path_prefix: Option<String>,
    marker: Option<String>,
    max_items: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    roles: Vec<RoleView>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    let prefix = input.path_prefix.unwrap_or_else(|| "/".to_owned());
    iam.authorize(&ctx, "iam:ListRoles", &Arn::iam(ctx.partition, ctx.account, &format!("role{prefix}")), &[])?;
    let size = page::size(input.max_items);
    let roles = iam
        .directory
        .list(&ctx.global_scope(), input.marker.as_deref(), size + 1, |role| role.path.starts_with(&prefix));
    let page = Page::cut(roles, size, |role| role.name.clone());
    Ok(Output {
        roles: page.items.iter().map(|role| RoleView::listed(role, ctx.partition, ctx.account)).collect(),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}
