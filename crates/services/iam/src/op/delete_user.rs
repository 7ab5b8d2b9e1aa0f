//! DeleteUser: only a user without policies, keys and groups goes.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::directory::{Changes, Entity as _};
use crate::entity::User;
use crate::error::IamError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    user_name: String,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    iam.authorize(&ctx, "iam:DeleteUser", &iam.target::<User>(&ctx, &input.user_name))?;
    let delete = move |changes: &mut Changes<'_>| {
        let user = changes.account().get::<User>(&input.user_name)?.clone();
        user.grants.check_empty()?;
        if changes.account().access_keys.iter().any(|key| key.is_of(Some(&user))) {
            return Err(IamError::DeleteConflict { what: "delete access keys" });
        }
        if !user.groups.is_empty() {
            return Err(IamError::DeleteConflict { what: "remove users from group" });
        }
        changes.delete::<User>(user.record());
        Ok(())
    };
    iam.directory.change(ctx.global_scope(), delete).await?;
    Ok(Empty {})
}
