//! UpdateAccessKey: switches a key on or off.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::caller::Owner;
use crate::directory::{Changes, Entity as _};
use crate::entity::{AccessKeyEntry, AccessKeyRecord};
use crate::error::IamError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    user_name: Option<String>,
    access_key_id: String,
    status: String,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    let owner = Owner::of_keys(&ctx, input.user_name)?;
    iam.authorize(&ctx, "iam:UpdateAccessKey", &iam.owner_target(&ctx, &owner))?;
    let is_active = match input.status.as_str() {
        "Active" => true,
        "Inactive" => false,
        other => return Err(IamError::InvalidInput(format!("Status {other} cannot be set."))),
    };
    let update = move |changes: &mut Changes<'_>| {
        let key = owner.key(changes.account(), &input.access_key_id)?.clone();
        changes.put::<AccessKeyEntry>(AccessKeyRecord { is_active, ..key.record().clone() })
    };
    iam.directory.change(ctx.global_scope(), update).await?;
    Ok(Empty {})
}
