//! RemoveLayerVersionPermission: takes a statement out of the policy of a layer version.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Nothing;
use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::layer::LayerTarget;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    layer_name: String,
    version_number: i64,
    statement_id: String,
    revision_id: Option<String>,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Nothing, LambdaError> {
    let target = LayerTarget::parse(&ctx, &input.layer_name)?;
    let ctx = target.context(ctx)?;
    let number = LayerTarget::check_number(input.version_number)?;
    lambda.authorize(&ctx, "lambda:RemoveLayerVersionPermission", &target.version_arn(number), &[])?;
    lambda
        .change_layer_policy(&ctx, &target, number, input.revision_id.as_deref(), |policy| {
            let mut policy = policy.cloned().ok_or(LambdaError::NoPolicy)?;
            let before = policy.statements.len();
            policy.statements.retain(|statement| !statement.has_sid(&input.statement_id));
            if policy.statements.len() == before {
                return Err(LambdaError::NoStatement { sid: input.statement_id });
            }
            Ok(policy)
        })
        .await?;
    Ok(Nothing {})
}
