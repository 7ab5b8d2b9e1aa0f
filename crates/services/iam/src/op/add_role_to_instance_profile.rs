//! AddRoleToInstanceProfile: a profile has room for one role. Who adds it must be allowed to pass it, too.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::directory::{Changes, Entity as _};
use crate::entity::{InstanceProfile, Role};
use crate::error::IamError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    instance_profile_name: String,
    role_name: String,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    let target = iam.target::<InstanceProfile>(&ctx, &input.instance_profile_name);
    iam.authorize(&ctx, "iam:AddRoleToInstanceProfile", &target)?;
    iam.authorize(&ctx, "iam:PassRole", &iam.target::<Role>(&ctx, &input.role_name).passed_to("ec2.amazonaws.com"))?;
    let add = move |changes: &mut Changes<'_>| {
        let mut profile = changes.account().get::<InstanceProfile>(&input.instance_profile_name)?.record().clone();
        let role = changes.account().get::<Role>(&input.role_name)?.clone();
        if profile.role.is_some() {
            return Err(IamError::quota("InstanceSessionsPerInstanceProfile", 1));
        }
        profile.role = Some(role.name.clone());
        changes.rely_on::<Role>(role.record());
        changes.put::<InstanceProfile>(profile)
    };
    iam.directory.change(ctx.global_scope(), add).await?;
    Ok(Empty {})
}
