//! CreatePolicyVersion.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::entity::{CustomerPolicy, PolicyRecord, PolicyVersion};
use crate::error::IamError;
use crate::policy_ref::PolicyRef;
use crate::versions::{self, VersionView};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    policy_arn: String,
    policy_document: String,
    set_as_default: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    policy_version: VersionView,
}

/// Source: "IAM and AWS STS quotas".
const VERSIONS_MAX: usize = 5;

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    let policy = PolicyRef::parse(&ctx, &input.policy_arn)?;
    iam.authorize(&ctx, "iam:CreatePolicyVersion", &iam.policy_target(&ctx, &policy.arn))?;
    let name = iam.own_policy(&ctx, &policy, "iam:CreatePolicyVersion")?;
    versions::check(&input.policy_document)?;
    let now_ms = iam.clock.now_ms();
    let edit = move |policy: &mut PolicyRecord| {
        if policy.versions.len() >= VERSIONS_MAX {
            return Err(IamError::LimitExceeded(format!(
                "A managed policy can have up to {VERSIONS_MAX} versions. Before you create a new version, you must \
                 delete an existing version."
            )));
        }
        policy.last_version += 1;
        policy.updated_at_ms = now_ms;
        let version = PolicyVersion { document: input.policy_document.clone(), created_at_ms: now_ms };
        policy.versions.insert(policy.last_version, version);
        if input.set_as_default == Some(true) {
            policy.default_version = policy.last_version;
        }
        Ok(())
    };
    let policy = iam.directory.edit::<CustomerPolicy>(ctx.global_scope(), name, edit).await?;
    Ok(Output { policy_version: VersionView::listed(&policy, policy.last_version, now_ms) })
}
