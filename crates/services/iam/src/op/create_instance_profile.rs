//! CreateInstanceProfile.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::entity::{InstanceProfile, InstanceProfileRecord, Noun, Tag};
use crate::error::IamError;
use crate::ids;
use crate::tags;
use crate::target::Target;
use crate::view::InstanceProfileView;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    instance_profile_name: String,
    path: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    instance_profile: InstanceProfileView,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    let path = input.path.unwrap_or_else(|| "/".to_owned());
    let arn = Noun::InstanceProfile.arn(ctx.partition, ctx.account, &path, &input.instance_profile_name);
    iam.authorize(&ctx, "iam:CreateInstanceProfile", &Target::bare(arn).with_tags(&input.tags))?;
    tags::check(&input.tags)?;
    let profile = InstanceProfileRecord {
        name: input.instance_profile_name,
        path,
        id: ids::instance_profile_id(&*iam.random),
        created_at_ms: iam.clock.now_ms(),
        tags: input.tags,
        role: None,
    };
    let profile = iam.directory.create::<InstanceProfile>(ctx.global_scope(), profile).await?;
    Ok(Output { instance_profile: InstanceProfileView::whole(&profile, None, ctx.partition, ctx.account) })
}
