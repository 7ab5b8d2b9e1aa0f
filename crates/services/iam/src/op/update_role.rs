//! UpdateRole: description and session duration. A duration that is not given is the default (IAM API reference).

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Iam;
use crate::entity::{MAX_SESSION_DURATION_DEFAULT_S, Role, RoleRecord};
use crate::error::IamError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    role_name: String,
    description: Option<String>,
    max_session_duration: Option<u32>,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Empty, IamError> {
    iam.authorize(&ctx, "iam:UpdateRole", &iam.target::<Role>(&ctx, &input.role_name))?;
    let edit = move |role: &mut RoleRecord| {
        if let Some(text) = &input.description {
            role.description = Some(text.clone()).filter(|text| !text.is_empty());
        }
        role.max_session_duration_s = input.max_session_duration.unwrap_or(MAX_SESSION_DURATION_DEFAULT_S);
        Ok(())
    };
    iam.directory.edit::<Role>(ctx.global_scope(), input.role_name, edit).await?;
    Ok(Empty {})
}
