//! TagRole: adds tags; a tag of the same key, in any case, gets the new value.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::entity::{Role, Tag};
use crate::error::IamError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    role_name: String,
    tags: Vec<Tag>,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    let target = iam.target::<Role>(&ctx, &input.role_name).with_tags(&input.tags);
    iam.authorize(&ctx, "iam:TagRole", &target)?;
    iam.tag::<Role>(&ctx, input.role_name, input.tags).await?;
    Ok(Empty {})
}
