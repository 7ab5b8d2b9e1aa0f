//! DeleteInstanceProfile: only one without a role goes.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::directory::{Changes, Entity as _};
use crate::entity::InstanceProfile;
use crate::error::IamError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    instance_profile_name: String,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    let target = iam.target::<InstanceProfile>(&ctx, &input.instance_profile_name);
    iam.authorize(&ctx, "iam:DeleteInstanceProfile", &target)?;
    let delete = move |changes: &mut Changes<'_>| {
        let profile = changes.account().get::<InstanceProfile>(&input.instance_profile_name)?.clone();
        if profile.role.is_some() {
            return Err(IamError::DeleteConflict { what: "remove roles from instance profile" });
        }
        changes.delete::<InstanceProfile>(profile.record());
        Ok(())
    };
    iam.directory.change(ctx.global_scope(), delete).await?;
    Ok(Empty {})
}
