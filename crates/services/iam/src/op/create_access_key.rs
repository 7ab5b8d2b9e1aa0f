//! CreateAccessKey: the only time the secret is shown.

use std::sync::Arc;

use hearth_store::Secret;
use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Iam;
use crate::caller::Owner;
use crate::directory::{Changes, Entity as _};
use crate::entity::{AccessKeyEntry, AccessKeyRecord, KEYS_PER_OWNER_MAX, KeyOwner, User};
use crate::error::IamError;
use crate::ids;
use crate::view::AccessKeyView;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    user_name: Option<String>,
}

/// The API's `AccessKey`. No `Debug`: it holds the secret.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Created {
    #[serde(flatten)]
    key: AccessKeyView,
    secret_access_key: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    access_key: Created,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    let owner = Owner::of_keys(&ctx, input.user_name)?;
    iam.authorize(&ctx, "iam:CreateAccessKey", &iam.owner_target(&ctx, &owner))?;

    let id = iam.directory.tokens().access_key_id("AKIA", &*iam.random);
    let secret = ids::secret_access_key(&*iam.random);
    let created_at_ms = iam.clock.now_ms();
    let create = move |changes: &mut Changes<'_>| {
        let user = owner.user(changes.account())?.cloned();
        let keys = changes.account().access_keys.iter();
        if keys.filter(|key| key.is_of(user.as_deref())).count() >= KEYS_PER_OWNER_MAX {
            return Err(IamError::quota("AccessKeysPerUser", KEYS_PER_OWNER_MAX));
        }
        let owner = match &user {
            None => KeyOwner::Root,
            Some(user) => {
                changes.rely_on::<User>(user.record());
                KeyOwner::User { name: user.name.clone(), user_id: user.id.clone() }
            }
        };
        let (id, secret) = (id.clone(), Secret(secret.clone()));
        changes.create::<AccessKeyEntry>(AccessKeyRecord { id, secret, owner, is_active: true, created_at_ms })
    };
    let key = iam.directory.change(ctx.global_scope(), create).await?;
    let Secret(secret_access_key) = key.secret.clone();
    Ok(Output { access_key: Created { key: AccessKeyView::of(key.record()), secret_access_key } })
}
