//! GetPolicy: the resource policy of a function, or of one of its versions.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::name::Target;
use crate::permission;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    qualifier: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    /// JSON text.
    policy: String,
    revision_id: String,
}

/// Recorded: without a policy, and without the function, the answer is the same.
pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    let target = Target::parse(&ctx, &input.function_name, input.qualifier.as_deref())?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:GetPolicy", &target.qualified_arn(), &[])?;
    let key = permission::key(&target)?;
    let function = lambda.function(&ctx, &target).map_err(|_| LambdaError::ResourceNotFound)?;
    let policy = function.record.policies.get(&key).ok_or(LambdaError::ResourceNotFound)?;
    Ok(Output { policy: policy.document(), revision_id: policy.revision_id.clone() })
}
