//! ListRoleTags.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use crate::Iam;
use crate::entity::Role;
use crate::error::IamError;
use crate::tags;
use crate::view::Tags;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    role_name: String,
    marker: Option<String>,
    max_items: Option<u32>,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Tags, IamError> {
    iam.authorize(&ctx, "iam:ListRoleTags", &iam.target::<Role>(&ctx, &input.role_name))?;
    let entity = iam.entity::<Role>(&ctx, &input.role_name)?;
    Ok(tags::page(&entity.tags, input.marker.as_deref(), input.max_items))
}
