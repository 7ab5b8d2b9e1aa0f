//! UpdateRoleDescription.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::entity::{Role, RoleRecord};
use crate::error::IamError;
use crate::view::RoleView;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    role_name: String,
    description: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    role: RoleView,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    iam.authorize(&ctx, "iam:UpdateRoleDescription", &iam.target::<Role>(&ctx, &input.role_name))?;
    let edit = move |role: &mut RoleRecord| {
        role.description = Some(input.description.clone()).filter(|text| !text.is_empty());
        Ok(())
    };
    let role = iam.directory.edit::<Role>(ctx.global_scope(), input.role_name, edit).await?;
    Ok(Output { role: RoleView::whole(&role, ctx.partition, ctx.account) })
}
