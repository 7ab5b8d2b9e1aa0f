//! ListPolicyTags. AWS's own policies have none.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use crate::Iam;
use crate::error::IamError;
use crate::policy_ref::{Managed, PolicyRef};
use crate::tags;
use crate::view::Tags;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    policy_arn: String,
    marker: Option<String>,
    max_items: Option<u32>,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Tags, IamError> {
    let policy = PolicyRef::parse(&ctx, &input.policy_arn)?;
    iam.authorize(&ctx, "iam:ListPolicyTags", &iam.policy_target(&ctx, &policy.arn))?;
    let tags = match iam.managed(&ctx, &policy)? {
        Managed::Aws(_) => Vec::new(),
        Managed::Customer(policy) => policy.tags.clone(),
    };
    Ok(tags::page(&tags, input.marker.as_deref(), input.max_items))
}
