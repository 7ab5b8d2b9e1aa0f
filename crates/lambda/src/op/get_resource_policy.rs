//! GetResourcePolicy: the whole policy of a function, or of one of its versions or aliases.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::name::Target;
use crate::permission::{self, PolicyRecord};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    resource_arn: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    /// JSON text.
    policy: String,
    revision_id: String,
}

impl Output {
    pub(super) fn new(policy: &PolicyRecord) -> Self {
        Self { policy: policy.document(), revision_id: policy.revision_id.clone() }
    }
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    let target = Target::parse_resource(&ctx, &input.resource_arn)?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:GetResourcePolicy", &target.qualified_arn(), &[])?;
    let key = permission::key(&target)?;
    let function = lambda.function(&ctx, &target).map_err(|_| LambdaError::ResourceNotFound)?;
    let policy = function.record.policies.get(&key).ok_or(LambdaError::ResourceNotFound)?;
    Ok(Output::new(policy))
}
