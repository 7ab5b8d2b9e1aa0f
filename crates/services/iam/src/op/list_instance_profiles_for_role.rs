//! ListInstanceProfilesForRole: tools ask before they delete a role.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::entity::Role;
use crate::error::IamError;
use crate::page::Page;
use crate::view::InstanceProfileView;

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
    instance_profiles: Vec<InstanceProfileView>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    iam.authorize(&ctx, "iam:ListInstanceProfilesForRole", &iam.target::<Role>(&ctx, &input.role_name))?;
    let profiles = iam.directory.read(&ctx.global_scope(), |account| {
        let profiles = account.profiles_of(account.get::<Role>(&input.role_name)?);
        let shown = profiles.map(|profile| {
            let view = InstanceProfileView::listed(profile, account.role_in(profile), ctx.partition, ctx.account);
            (profile.name.to_lowercase(), view)
        });
        Ok::<_, IamError>(shown.collect::<Vec<_>>())
    })?;
    let page = Page::of(profiles, input.marker.as_deref(), input.max_items, |(name, _)| name.clone());
    Ok(Output {
        instance_profiles: page.items.into_iter().map(|(_, view)| view).collect(),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}
