//! TagRole: adds tags; a tag of the same key, in any case, gets the new value.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::error::IamError;
use crate::role::{RoleRecord, Tag};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    role_name: String,
    tags: Vec<Tag>,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    let tag_keys = super::tag_keys_condition(input.tags.iter().map(|tag| tag.key.as_str()));
    iam.authorize(&ctx, "iam:TagRole", &iam.role_arn(&ctx, &input.role_name), &[tag_keys])?;
    super::check_tags(&input.tags)?;
    let change = move |role: &mut RoleRecord| {
        for tag in &input.tags {
            match role.tags.iter_mut().find(|old| old.key.to_lowercase() == tag.key.to_lowercase()) {
                Some(old) => *old = tag.clone(),
                None => role.tags.push(tag.clone()),
            }
        }
        if role.tags.len() > super::TAGS_MAX {
            return Err(IamError::LimitExceeded(format!("Cannot exceed quota for TagsPerRole: {}", super::TAGS_MAX)));
        }
        Ok(())
    };
    iam.directory.change(ctx.global_scope(), input.role_name, change).await?;
    Ok(Empty {})
}
