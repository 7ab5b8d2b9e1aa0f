//! DeleteRole: only a role without policies and instance profiles goes.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::directory::{Changes, Entity as _};
use crate::entity::Role;
use crate::error::IamError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    role_name: String,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    iam.authorize(&ctx, "iam:DeleteRole", &iam.target::<Role>(&ctx, &input.role_name))?;
    let delete = move |changes: &mut Changes<'_>| {
        let role = changes.account().get::<Role>(&input.role_name)?.clone();
        role.grants.check_empty()?;
        if changes.account().profiles_of(&role).next().is_some() {
            return Err(IamError::DeleteConflict { what: "remove roles from instance profile" });
        }
        changes.delete::<Role>(role.record());
        Ok(())
    };
    iam.directory.change(ctx.global_scope(), delete).await?;
    Ok(Empty {})
}
