//! ListSigningCertificates: always none, because no operation of this server takes certificates. Tools ask before they
//! delete a user.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use super::Nothing;
use crate::Iam;
use crate::caller::Owner;
use crate::error::IamError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    user_name: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    certificates: [Nothing; 0],
    is_truncated: bool,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    let owner = Owner::of(&ctx, input.user_name)?;
    iam.authorize(&ctx, "iam:ListSigningCertificates", &iam.owner_target(&ctx, &owner))?;
    iam.check_owner(&ctx, &owner)?;
    Ok(Output { certificates: [], is_truncated: false })
}
