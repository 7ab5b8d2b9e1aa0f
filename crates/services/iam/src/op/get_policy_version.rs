//! GetPolicyVersion: with its document.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::error::IamError;
use crate::policy_ref::PolicyRef;
use crate::versions::{self, VersionView};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    policy_arn: String,
    version_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    policy_version: VersionView,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    let policy = PolicyRef::parse(&ctx, &input.policy_arn)?;
    iam.authorize(&ctx, "iam:GetPolicyVersion", &iam.policy_target(&ctx, &policy.arn))?;
    let found = iam.managed(&ctx, &policy)?;
    let version = VersionView::whole(&found, &input.version_id);
    let policy_version = version.ok_or_else(|| versions::unknown(&input.policy_arn, &input.version_id))?;
    Ok(Output { policy_version })
}
