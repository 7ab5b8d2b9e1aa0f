//! GetRole.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::entity::Role;
use crate::error::IamError;
use crate::view::RoleView;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    role_name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    role: RoleView,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    iam.authorize(&ctx, "iam:GetRole", &iam.target::<Role>(&ctx, &input.role_name))?;
    let role = iam.entity::<Role>(&ctx, &input.role_name)?;
    Ok(Output { role: RoleView::whole(&role, ctx.partition, ctx.account) })
}
