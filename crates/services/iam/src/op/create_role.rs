//! CreateRole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hearth_types::{Arn, RequestContext};
use serde::{Deserialize, Serialize};

use crate::error::IamError;
use crate::policy::{self, PolicyKind};
use crate::role::{MAX_SESSION_DURATION_DEFAULT_S, RoleRecord, RoleView, Tag};
use crate::{Iam, ids};

/// Characters of a trust policy, white space not counted. Source: "IAM and AWS STS quotas".
const TRUST_POLICY_CHARS_MAX: usize = 2_048;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    path: Option<String>,
    role_name: String,
    assume_role_policy_document: String,
    description: Option<String>,
    max_session_duration: Option<u32>,
    permissions_boundary: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    role: RoleView,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    let path = input.path.unwrap_or_else(|| "/".to_owned());
    let arn = Arn::iam(ctx.partition, ctx.account, &format!("role{path}{}", input.role_name));
    let tag_keys = super::tag_keys_condition(input.tags.iter().map(|tag| tag.key.as_str()));
    iam.authorize(&ctx, "iam:CreateRole", &arn, &[tag_keys])?;

    if let Some(boundary) = input.permissions_boundary {
        return Err(IamError::InvalidInput(format!(
            "PermissionsBoundary {boundary} is refused: this server does not enforce permissions boundaries yet."
        )));
    }
    super::check_tags(&input.tags)?;
    policy::check(&input.assume_role_policy_document, PolicyKind::Trust)?;
    if counted_chars(&input.assume_role_policy_document) > TRUST_POLICY_CHARS_MAX {
        return Err(IamError::LimitExceeded(format!(
            "Cannot exceed quota for ACLSizePerRole: {TRUST_POLICY_CHARS_MAX}"
        )));
    }

    let role = RoleRecord {
        name: input.role_name,
        path,
        id: ids::role_id(&*iam.random),
        created_at_ms: iam.clock.now_ms(),
        trust_policy: input.assume_role_policy_document,
        description: input.description.filter(|text| !text.is_empty()),
        max_session_duration_s: input.max_session_duration.unwrap_or(MAX_SESSION_DURATION_DEFAULT_S),
        tags: input.tags,
        inline_policies: BTreeMap::new(),
        attached_policies: BTreeSet::new(),
    };
    let role = iam.directory.create(ctx.global_scope(), role).await?;
    Ok(Output { role: RoleView::created(&role, ctx.partition, ctx.account) })
}

/// A document's size as IAM measures it.
pub(crate) fn counted_chars(document: &str) -> usize {
    document.chars().filter(|c| !c.is_whitespace()).count()
}
