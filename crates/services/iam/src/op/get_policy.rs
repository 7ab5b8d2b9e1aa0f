//! GetPolicy: the account's own, or AWS's.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::error::IamError;
use crate::policy_ref::{Managed, PolicyRef};
use crate::view::PolicyView;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    policy_arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    policy: PolicyView,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    let policy = PolicyRef::parse(&ctx, &input.policy_arn)?;
    iam.authorize(&ctx, "iam:GetPolicy", &iam.policy_target(&ctx, &policy.arn))?;
    let found = iam.managed(&ctx, &policy)?;
    let usage = iam.directory.read(&ctx.global_scope(), |account| account.usage_of(&input.policy_arn));
    let policy = match found {
        Managed::Aws(policy) => PolicyView::of_aws(policy, usage, ctx.partition),
        Managed::Customer(policy) => PolicyView::whole(&policy, usage, ctx.partition, ctx.account),
    };
    Ok(Output { policy })
}
