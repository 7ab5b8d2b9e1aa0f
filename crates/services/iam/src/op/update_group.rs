//! UpdateGroup: another name or path. Members stay in it.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::directory::{Changes, Entity as _};
use crate::entity::{Group, Noun};
use crate::error::IamError;
use crate::target::Target;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    group_name: String,
    new_path: Option<String>,
    new_group_name: Option<String>,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    let old = iam.target::<Group>(&ctx, &input.group_name);
    iam.authorize(&ctx, "iam:UpdateGroup", &old)?;
    if input.new_path.is_some() || input.new_group_name.is_some() {
        // The caller needs the permission for what it was and for what it becomes.
        let found = iam.entity::<Group>(&ctx, &input.group_name)?;
        let path = input.new_path.as_deref().unwrap_or(&found.path);
        let name = input.new_group_name.as_deref().unwrap_or(&found.name);
        let arn = Noun::Group.arn(ctx.partition, ctx.account, path, name);
        iam.authorize(&ctx, "iam:UpdateGroup", &Target { arn, conditions: old.conditions })?;
    }
    let update = move |changes: &mut Changes<'_>| {
        let old = changes.account().get::<Group>(&input.group_name)?.clone();
        let mut new = old.record().clone();
        if let Some(path) = &input.new_path {
            new.path.clone_from(path);
        }
        if let Some(name) = &input.new_group_name {
            new.name.clone_from(name);
        }
        changes.replace::<Group>(old.record(), new)
    };
    iam.directory.change(ctx.global_scope(), update).await?;
    Ok(Empty {})
}
