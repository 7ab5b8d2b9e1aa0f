//! ListRoles.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::entity::Role;
use crate::error::IamError;
use crate::page::{self, Page};
use crate::view::RoleView;

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
    iam.authorize(&ctx, "iam:ListRoles", &Iam::list_target::<Role>(&ctx, &prefix))?;
    let size = page::size(input.max_items);
    let wanted = |entity: &Role| entity.path.starts_with(&prefix);
    let found = iam.directory.list::<Role>(&ctx.global_scope(), input.marker.as_deref(), size + 1, wanted);
    let page = Page::cut(found, size, |entity| entity.name.clone());
    Ok(Output {
        roles: page.items.iter().map(|entity| RoleView::listed(entity, ctx.partition, ctx.account)).collect(),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}
