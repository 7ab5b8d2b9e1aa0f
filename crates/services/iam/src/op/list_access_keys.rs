//! ListAccessKeys.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::caller::Owner;
use crate::directory::Entity as _;
use crate::error::IamError;
use crate::page::Page;
use crate::view::AccessKeyView;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    user_name: Option<String>,
    marker: Option<String>,
    max_items: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    access_key_metadata: Vec<AccessKeyView>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    let owner = Owner::of_keys(&ctx, input.user_name)?;
    iam.authorize(&ctx, "iam:ListAccessKeys", &iam.owner_target(&ctx, &owner))?;
    let keys: Vec<_> = iam.directory.read(&ctx.global_scope(), |account| {
        let user = owner.user(account)?.map(|user| &**user);
        Ok::<_, IamError>(account.access_keys.iter().filter(|key| key.is_of(user)).cloned().collect())
    })?;
    let page = Page::of(keys, input.marker.as_deref(), input.max_items, |key| key.id.clone());
    Ok(Output {
        access_key_metadata: page.items.iter().map(|key| AccessKeyView::of(key.record())).collect(),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}
