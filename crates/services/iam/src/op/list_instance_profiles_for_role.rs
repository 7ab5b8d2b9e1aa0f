//! ListInstanceProfilesForRole: always none, because no operation of this server makes instance profiles.
//!
//! Tools ask before they delete a role.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::error::IamError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    role_name: String,
}

/// An instance profile: there is none to show.
#[derive(Serialize)]
pub(crate) enum InstanceProfile {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    instance_profiles: [InstanceProfile; 0],
    is_truncated: bool,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    iam.authorize(&ctx, "iam:ListInstanceProfilesForRole", &iam.role_arn(&ctx, &input.role_name), &[])?;
    iam.role(&ctx, &input.role_name)?;
    Ok(Output { instance_profiles: [], is_truncated: false })
}
