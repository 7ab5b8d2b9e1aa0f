//! CreateUser.

use std::collections::BTreeSet;
use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::directory::Changes;
use crate::entity::{Noun, Tag, User, UserRecord};
use crate::error::IamError;
use crate::grants::Grants;
use crate::ids;
use crate::policy_ref::{PolicyRef, rely_on_boundary};
use crate::tags;
use crate::target::Target;
use crate::view::UserView;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    path: Option<String>,
    user_name: String,
    permissions_boundary: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    user: UserView,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    let path = input.path.unwrap_or_else(|| "/".to_owned());
    let target = Target::bare(Noun::User.arn(ctx.partition, ctx.account, &path, &input.user_name))
        .with_boundary(input.permissions_boundary.as_deref())
        .with_tags(&input.tags);
    iam.authorize(&ctx, "iam:CreateUser", &target)?;

    tags::check(&input.tags)?;
    let boundary = input.permissions_boundary.map(|arn| PolicyRef::parse(&ctx, &arn)).transpose()?;
    let user = UserRecord {
        name: input.user_name,
        path,
        id: ids::user_id(&*iam.random),
        created_at_ms: iam.clock.now_ms(),
        tags: input.tags,
        grants: Grants::default(),
        permissions_boundary: boundary.as_ref().map(|policy| policy.arn.to_string()),
        groups: BTreeSet::new(),
    };
    let create = move |changes: &mut Changes<'_>| {
        rely_on_boundary(changes, boundary.as_ref())?;
        changes.create::<User>(user.clone())
    };
    let user = iam.directory.change(ctx.global_scope(), create).await?;
    Ok(Output { user: UserView::whole(&user, ctx.partition, ctx.account) })
}
