//! RemoveUserFromGroup. Removing who is no member changes nothing.

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

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    iam.authorize(&ctx, "iam:RemoveUserFromGroup", &iam.target::<Group>(&ctx, &input.group_name))?;
    let remove = move |changes: &mut Changes<'_>| {
        let group = changes.account().get::<Group>(&input.group_name)?.clone();
        let mut user = changes.account().get::<User>(&input.user_name)?.record().clone();
        user.groups.remove(&group.id);
        changes.put::<User>(user)
    };
    iam.directory.change(ctx.global_scope(), remove).await?;
    Ok(Empty {})
}
