//! DeleteAccessKey.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::caller::Owner;
use crate::directory::{Changes, Entity as _};
use crate::entity::AccessKeyEntry;
use crate::error::IamError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    user_name: Option<String>,
    access_key_id: String,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    let owner = Owner::of_keys(&ctx, input.user_name)?;
    iam.authorize(&ctx, "iam:DeleteAccessKey", &iam.owner_target(&ctx, &owner))?;
    let delete = move |changes: &mut Changes<'_>| {
        let key = owner.key(changes.account(), &input.access_key_id)?.clone();
        changes.delete::<AccessKeyEntry>(key.record());
        Ok(())
    };
    iam.directory.change(ctx.global_scope(), delete).await?;
    Ok(Empty {})
}
