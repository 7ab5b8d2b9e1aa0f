//! DeleteGroup: only a group without policies and members goes.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::directory::{Changes, Entity as _};
use crate::entity::Group;
use crate::error::IamError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    group_name: String,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    iam.authorize(&ctx, "iam:DeleteGroup", &iam.target::<Group>(&ctx, &input.group_name))?;
    let delete = move |changes: &mut Changes<'_>| {
        let group = changes.account().get::<Group>(&input.group_name)?.clone();
        group.grants.check_empty()?;
        if changes.account().members(&group).next().is_some() {
            return Err(IamError::DeleteConflict { what: "remove users from group" });
        }
        changes.delete::<Group>(group.record());
        Ok(())
    };
    iam.directory.change(ctx.global_scope(), delete).await?;
    Ok(Empty {})
}
