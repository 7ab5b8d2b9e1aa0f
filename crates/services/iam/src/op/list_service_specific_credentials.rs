//! ListServiceSpecificCredentials: always none, because no operation of this server makes them. Tools ask before
//! they delete a user.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use super::Nothing;
use crate::Iam;
use crate::caller::Owner;
use crate::error::IamError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    user_name: Option<String>,
    service_name: Option<String>,
    all_users: Option<bool>,
}

/// Source: IAM user guide, "Service-specific credentials".
const SERVICES: &[&str] = &["bedrock.amazonaws.com", "cassandra.amazonaws.com", "codecommit.amazonaws.com"];

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    service_specific_credentials: [Nothing; 0],
    is_truncated: bool,
}

pub(crate) async fn run(iam: Arc<Iam>, ctx: RequestContext, input: Input) -> Result<Output, IamError> {
    let all = input.all_users == Some(true) && input.user_name.is_none();
    let owner = if all { Owner::Root } else { Owner::of(&ctx, input.user_name)? };
    iam.authorize(&ctx, "iam:ListServiceSpecificCredentials", &iam.owner_target(&ctx, &owner))?;
    iam.check_owner(&ctx, &owner)?;
    match input.service_name {
        Some(name) if !SERVICES.contains(&name.as_str()) => {
            Err(IamError::NoSuchEntity(format!("No such service {name} is supported for Service Specific Credentials")))
        }
        _ => Ok(Output { service_specific_credentials: [], is_truncated: false }),
    }
}
