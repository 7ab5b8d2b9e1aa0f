//! PutRolePolicy: adds an inline policy or replaces the one of that name.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use super::create_role::counted_chars;
use crate::Iam;
use crate::error::IamError;
use crate::policy::{self, PolicyKind};
use crate::role::RoleRecord;

/// Characters of all inline policies of a role together, white space not counted. Source: "IAM and AWS STS quotas".
const INLINE_POLICY_CHARS_MAX: usize = 10_240;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    role_name: String,
    policy_name: String,
    policy_document: String,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    iam.authorize(&ctx, "iam:PutRolePolicy", &iam.role_arn(&ctx, &input.role_name), &[])?;
    policy::check(&input.policy_document, PolicyKind::Identity)?;
    let change = move |role: &mut RoleRecord| {
        role.inline_policies.insert(input.policy_name.clone(), input.policy_document.clone());
        if role.inline_policies.values().map(|document| counted_chars(document)).sum::<usize>()
            > INLINE_POLICY_CHARS_MAX
        {
            return Err(IamError::LimitExceeded(format!(
                "Maximum policy size of {INLINE_POLICY_CHARS_MAX} bytes exceeded for role {}",
                role.name
            )));
        }
        Ok(())
    };
    iam.directory.change(ctx.global_scope(), input.role_name, change).await?;
    Ok(Empty {})
}
