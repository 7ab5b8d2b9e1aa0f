//! GetUser: the named user, or who calls.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::caller::Owner;
use crate::entity::User;
use crate::error::IamError;
use crate::view::UserView;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    user_name: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    user: UserView,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    let owner = Owner::of(&ctx, input.user_name)?;
    iam.authorize(&ctx, "iam:GetUser", &iam.owner_target(&ctx, &owner))?;
    let user = match owner {
        Owner::Root => UserView::root(&ctx),
        Owner::User(name) => UserView::whole(&*iam.entity::<User>(&ctx, &name)?, ctx.partition, ctx.account),
    };
    Ok(Output { user })
}
