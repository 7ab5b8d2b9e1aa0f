//! CreateRole.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::directory::Changes;
use crate::entity::{MAX_SESSION_DURATION_DEFAULT_S, Noun, Role, RoleRecord, Tag};
use crate::error::IamError;
use crate::grants::{Grants, check_trust};
use crate::ids;
use crate::policy_ref::{PolicyRef, rely_on_boundary};
use crate::tags;
use crate::target::Target;
use crate::view::RoleView;

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
    let target = Target::bare(Noun::Role.arn(ctx.partition, ctx.account, &path, &input.role_name))
        .with_boundary(input.permissions_boundary.as_deref())
        .with_tags(&input.tags);
    iam.authorize(&ctx, "iam:CreateRole", &target)?;

    tags::check(&input.tags)?;
    check_trust(&input.assume_role_policy_document)?;
    let boundary = input.permissions_boundary.map(|arn| PolicyRef::parse(&ctx, &arn)).transpose()?;
    let role = RoleRecord {
        name: input.role_name,
        path,
        id: ids::role_id(&*iam.random),
        created_at_ms: iam.clock.now_ms(),
        trust_policy: input.assume_role_policy_document,
        description: input.description.filter(|text| !text.is_empty()),
        max_session_duration_s: input.max_session_duration.unwrap_or(MAX_SESSION_DURATION_DEFAULT_S),
        tags: input.tags,
        grants: Grants::default(),
        permissions_boundary: boundary.as_ref().map(|policy| policy.arn.to_string()),
    };
    let create = move |changes: &mut Changes<'_>| {
        rely_on_boundary(changes, boundary.as_ref())?;
        changes.create::<Role>(role.clone())
    };
    let role = iam.directory.change(ctx.global_scope(), create).await?;
    Ok(Output { role: RoleView::created(&role, ctx.partition, ctx.account) })
}
