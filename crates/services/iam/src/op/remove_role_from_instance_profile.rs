//! RemoveRoleFromInstanceProfile.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::entity::{InstanceProfile, InstanceProfileRecord, Noun};
use crate::error::IamError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    instance_profile_name: String,
    role_name: String,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    let target = iam.target::<InstanceProfile>(&ctx, &input.instance_profile_name);
    iam.authorize(&ctx, "iam:RemoveRoleFromInstanceProfile", &target)?;
    let edit = move |profile: &mut InstanceProfileRecord| {
        if profile.role.take_if(|role| *role == input.role_name).is_some() {
            Ok(())
        } else {
            Err(Noun::Role.unknown(&input.role_name))
        }
    };
    iam.directory.edit::<InstanceProfile>(ctx.global_scope(), input.instance_profile_name, edit).await?;
    Ok(Empty {})
}
