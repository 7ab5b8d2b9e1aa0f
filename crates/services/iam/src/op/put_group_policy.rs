//! PutGroupPolicy: adds an inline policy or replaces the one of that name.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::entity::Group;
use crate::error::IamError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    group_name: String,
    policy_name: String,
    policy_document: String,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    let target = iam.target::<Group>(&ctx, &input.group_name);
    iam.authorize(&ctx, "iam:PutGroupPolicy", &target)?;
    iam.put_inline::<Group>(&ctx, input.group_name, input.policy_name, input.policy_document).await?;
    Ok(Empty {})
}
