//! UpdateUser: another name or path. Keys and groups stay with the user.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::directory::{Changes, Entity as _};
use crate::entity::{AccessKeyEntry, AccessKeyRecord, KeyOwner, Noun, User};
use crate::error::IamError;
use crate::target::Target;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    user_name: String,
    new_path: Option<String>,
    new_user_name: Option<String>,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    let old = iam.target::<User>(&ctx, &input.user_name);
    iam.authorize(&ctx, "iam:UpdateUser", &old)?;
    if input.new_path.is_some() || input.new_user_name.is_some() {
        // The caller needs the permission for what it was and for what it becomes.
        let found = iam.entity::<User>(&ctx, &input.user_name)?;
        let path = input.new_path.as_deref().unwrap_or(&found.path);
        let name = input.new_user_name.as_deref().unwrap_or(&found.name);
        let arn = Noun::User.arn(ctx.partition, ctx.account, path, name);
        iam.authorize(&ctx, "iam:UpdateUser", &Target { arn, conditions: old.conditions })?;
    }
    let update = move |changes: &mut Changes<'_>| {
        let old = changes.account().get::<User>(&input.user_name)?.clone();
        let mut new = old.record().clone();
        if let Some(path) = &input.new_path {
            new.path.clone_from(path);
        }
        if let Some(name) = &input.new_user_name {
            new.name.clone_from(name);
        }
        let keys: Vec<_> = changes.account().access_keys.iter().filter(|key| key.is_of(Some(&old))).cloned().collect();
        for key in keys {
            let owner = KeyOwner::User { name: new.name.clone(), user_id: new.id.clone() };
            changes.put::<AccessKeyEntry>(AccessKeyRecord { owner, ..key.record().clone() })?;
        }
        changes.replace::<User>(old.record(), new)
    };
    iam.directory.change(ctx.global_scope(), update).await?;
    Ok(Empty {})
}
