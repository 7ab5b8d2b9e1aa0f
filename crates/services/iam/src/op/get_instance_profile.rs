//! GetInstanceProfile.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::entity::InstanceProfile;
use crate::error::IamError;
use crate::view::InstanceProfileView;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    instance_profile_name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    instance_profile: InstanceProfileView,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    let target = iam.target::<InstanceProfile>(&ctx, &input.instance_profile_name);
    iam.authorize(&ctx, "iam:GetInstanceProfile", &target)?;
    iam.directory.read(&ctx.global_scope(), |account| {
        let profile = account.get::<InstanceProfile>(&input.instance_profile_name)?;
        let role = account.role_in(profile);
        Ok(Output { instance_profile: InstanceProfileView::whole(profile, role, ctx.partition, ctx.account) })
    })
}
