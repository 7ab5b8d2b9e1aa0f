//! TagInstanceProfile: adds tags; a tag of the same key, in any case, gets the new value.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::entity::{InstanceProfile, Tag};
use crate::error::IamError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    instance_profile_name: String,
    tags: Vec<Tag>,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    let target = iam.target::<InstanceProfile>(&ctx, &input.instance_profile_name).with_tags(&input.tags);
    iam.authorize(&ctx, "iam:TagInstanceProfile", &target)?;
    iam.tag::<InstanceProfile>(&ctx, input.instance_profile_name, input.tags).await?;
    Ok(Empty {})
}
