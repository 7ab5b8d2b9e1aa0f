//! UntagUser: removes tags by key; a key that is not there is no error.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::entity::User;
use crate::error::IamError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    user_name: String,
    tag_keys: Vec<String>,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    let target = iam.target::<User>(&ctx, &input.user_name).with_tag_keys(input.tag_keys.clone());
    iam.authorize(&ctx, "iam:UntagUser", &target)?;
    iam.untag::<User>(&ctx, input.user_name, input.tag_keys).await?;
    Ok(Empty {})
}
