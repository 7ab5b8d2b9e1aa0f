//! GetCallerIdentity.

use std::sync::Arc;

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

pub(crate) async fn run(sts: Arc<Sts>, ctx: RequestContext, _: Input) -> Result<Output, StsError> {
    let arn = ctx.caller.arn(ctx.partition);
    // The operation has no resource type; a denial shows the caller's own ARN.
    let resource = arn.parse().unwrap_or_else(|_| Arn::iam(ctx.partition, ctx.account, "root"));
    sts.authorize(&ctx, "sts:GetCallerIdentity", &resource)?;
    let (user_id, account) = match &ctx.caller {
        Caller::Root { account } => (account.to_string(), *account),
        Caller::User { user_id, .. } => (user_id.to_string(), ctx.account),
        Caller::RoleSession { assumed_role_id, .. } => (assumed_role_id.to_string(), ctx.account),
        Caller::Service { principal, .. } => ((*principal).to_owned(), ctx.account),
    };
    Ok(Output { user_id, account: account.to_string(), arn })
}
