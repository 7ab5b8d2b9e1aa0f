//! ListInstanceProfileTags.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use crate::Iam;
use crate::entity::InstanceProfile;
use crate::error::IamError;
use crate::tags;
use crate::view::Tags;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    instance_profile_name: String,
    marker: Option<String>,
    max_items: Option<u32>,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Tags, IamError> {
    let target = iam.target::<InstanceProfile>(&ctx, &input.instance_profile_name);
    iam.authorize(&ctx, "iam:ListInstanceProfileTags", &target)?;
    let entity = iam.entity::<InstanceProfile>(&ctx, &input.instance_profile_name)?;
    Ok(tags::page(&entity.tags, input.marker.as_deref(), input.max_items))
}
