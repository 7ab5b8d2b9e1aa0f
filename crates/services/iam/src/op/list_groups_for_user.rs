//! ListGroupsForUser.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::entity::User;
use crate::error::IamError;
use crate::page::Page;
use crate::view::GroupView;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    user_name: String,
    marker: Option<String>,
    max_items: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    groups: Vec<GroupView>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    iam.authorize(&ctx, "iam:ListGroupsForUser", &iam.target::<User>(&ctx, &input.user_name))?;
    let user = iam.entity::<User>(&ctx, &input.user_name)?;
    let groups = iam.directory.groups_of(&ctx.global_scope(), &user);
    let page = Page::of(groups, input.marker.as_deref(), input.max_items, |group| group.name.to_lowercase());
    Ok(Output {
        groups: page.items.iter().map(|group| GroupView::of(group, ctx.partition, ctx.account)).collect(),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}
