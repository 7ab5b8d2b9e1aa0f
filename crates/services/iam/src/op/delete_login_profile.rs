//! DeleteLoginProfile: no user has one, because no operation of this server sets passwords. Tools ask before they delete
//! a user.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use crate::Iam;
use crate::caller::Owner;
use crate::error::IamError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    user_name: Option<String>,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<super::Nothing, IamError> {
    let owner = Owner::of(&ctx, input.user_name)?;
    iam.authorize(&ctx, "iam:DeleteLoginProfile", &iam.owner_target(&ctx, &owner))?;
    iam.check_owner(&ctx, &owner)?;
    Err(owner.no_login_profile())
}
