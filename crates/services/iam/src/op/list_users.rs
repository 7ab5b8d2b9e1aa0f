//! ListUsers.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::entity::User;
use crate::error::IamError;
use crate::page::{self, Page};
use crate::view::UserView;

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
    users: Vec<UserView>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    let prefix = input.path_prefix.unwrap_or_else(|| "/".to_owned());
    iam.authorize(&ctx, "iam:ListUsers", &Iam::list_target::<User>(&ctx, &prefix))?;
    let size = page::size(input.max_items);
    let wanted = |entity: &User| entity.path.starts_with(&prefix);
    let found = iam.directory.list::<User>(&ctx.global_scope(), input.marker.as_deref(), size + 1, wanted);
    let page = Page::cut(found, size, |entity| entity.name.clone());
    Ok(Output {
        users: page.items.iter().map(|entity| UserView::listed(entity, ctx.partition, ctx.account)).collect(),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}
