//! AddUserToGroup. Adding a member again changes nothing.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::directory::{Changes, Entity as _};
use crate::entity::{Group, User};
use crate::error::IamError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    group_name: String,
    user_name: String,
}

/// Source: "IAM and AWS STS quotas".
const GROUPS_PER_USER_MAX: usize = 10;

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    iam.authorize(&ctx, "iam:AddUserToGroup", &iam.target::<Group>(&ctx, &input.group_name))?;
    let add = move |changes: &mut Changes<'_>| {
        let group = changes.account().get::<Group>(&input.group_name)?.clone();
        let mut user = changes.account().get::<User>(&input.user_name)?.record().clone();
        user.groups.insert(group.id.clone());
        if user.groups.len() > GROUPS_PER_USER_MAX {
            return Err(IamError::quota("GroupsPerUser", GROUPS_PER_USER_MAX));
        }
        changes.rely_on::<Group>(group.record());
        changes.put::<User>(user)
    };
    iam.directory.change(ctx.global_scope(), add).await?;
    Ok(Empty {})
}
