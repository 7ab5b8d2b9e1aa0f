//! GetCallerIdentity.

use std::sync::Arc;

use hearth_ports::Access;
use hearth_types::{Arn, Caller, RequestContext};
use serde::{Deserialize, Serialize};

use crate::{Sts, StsError};

#[derive(Deserialize)]
pub(crate) struct Input {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    user_id: String,
    account: String,
    arn: String,
}

/// Needs no permission, and an explicit deny does not hold either: what it tells, a denial tells too. The question is
/// asked for the audit log only. Source: STS API reference, GetCallerIdentity.
pub(crate) async fn run(sts: Arc<Sts>, ctx: RequestContext, _: Input) -> Result<Output, StsError> {
    let arn = ctx.caller.arn(ctx.partition);
    // The operation has no resource type; the log shows the caller's own ARN.
    let resource = arn.parse().unwrap_or_else(|_| Arn::iam(ctx.partition, ctx.account, "root"));
    let _ = sts.authorize(&ctx, &Access::new("sts:GetCallerIdentity", &resource));
    let user_id = match &ctx.caller {
        Caller::Root { account } => account.to_string(),
        Caller::User { user_id, .. } => user_id.to_string(),
        Caller::RoleSession { assumed_role_id, .. } => assumed_role_id.to_string(),
        Caller::Service { principal, .. } => (*principal).to_owned(),
        Caller::Anonymous | Caller::Federated { .. } => arn.clone(),
    };
    let account = ctx.caller.account().unwrap_or(ctx.account);
    Ok(Output { user_id, account: account.to_string(), arn })
}
