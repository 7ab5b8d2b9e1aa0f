//! GetGroup: the group, and a page of its members.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::entity::Group;
use crate::error::IamError;
use crate::page::Page;
use crate::view::{GroupView, UserView};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    group_name: String,
    marker: Option<String>,
    max_items: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    group: GroupView,
    users: Vec<UserView>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    iam.authorize(&ctx, "iam:GetGroup", &iam.target::<Group>(&ctx, &input.group_name))?;
    let (group, users) = iam.directory.read(&ctx.global_scope(), |account| {
        let group = account.get::<Group>(&input.group_name)?;
        Ok::<_, IamError>((group.clone(), account.members(group).cloned().collect::<Vec<_>>()))
    })?;
    let page = Page::of(users, input.marker.as_deref(), input.max_items, |user| user.name.to_lowercase());
    Ok(Output {
        group: GroupView::of(&group, ctx.partition, ctx.account),
        users: page.items.iter().map(|user| UserView::listed(user, ctx.partition, ctx.account)).collect(),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}
