//! CreateGroup.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::entity::{Group, GroupRecord, Noun};
use crate::error::IamError;
use crate::grants::Grants;
use crate::ids;
use crate::target::Target;
use crate::view::GroupView;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    path: Option<String>,
    group_name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    group: GroupView,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    let path = input.path.unwrap_or_else(|| "/".to_owned());
    let target = Target::bare(Noun::Group.arn(ctx.partition, ctx.account, &path, &input.group_name));
    iam.authorize(&ctx, "iam:CreateGroup", &target)?;
    let group = GroupRecord {
        name: input.group_name,
        path,
        id: ids::group_id(&*iam.random),
        created_at_ms: iam.clock.now_ms(),
        grants: Grants::default(),
    };
    let group = iam.directory.create::<Group>(ctx.global_scope(), group).await?;
    Ok(Output { group: GroupView::of(&group, ctx.partition, ctx.account) })
}
