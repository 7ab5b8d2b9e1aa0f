//! UntagRole: removes tags by key; a key the role does not have is no error.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::error::IamError;
use crate::role::RoleRecord;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    role_name: String,
    tag_keys: Vec<String>,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    let tag_keys = super::tag_keys_condition(input.tag_keys.iter().map(String::as_str));
    iam.authorize(&ctx, "iam:UntagRole", &iam.role_arn(&ctx, &input.role_name), &[tag_keys])?;
    let change = move |role: &mut RoleRecord| {
        role.tags.retain(|tag| !input.tag_keys.iter().any(|key| key.to_lowercase() == tag.key.to_lowercase()));
        Ok(())
    };
    iam.directory.change(ctx.global_scope(), input.role_name, change).await?;
    Ok(Empty {})
}
