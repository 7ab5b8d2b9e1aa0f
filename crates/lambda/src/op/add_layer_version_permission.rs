//! AddLayerVersionPermission: one more statement in the policy of a layer version.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::layer::LayerTarget;
use crate::permission::{Kept, POLICY_BYTES_MAX, Permission};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    layer_name: String,
    version_number: i64,
    statement_id: String,
    action: String,
    principal: String,
    organization_id: Option<String>,
    revision_id: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    /// JSON text.
    statement: String,
    revision_id: String,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    let target = LayerTarget::parse(&ctx, &input.layer_name)?;
    let ctx = target.context(ctx)?;
    let number = LayerTarget::check_number(input.version_number)?;
    let arn = target.version_arn(number);
    lambda.authorize(&ctx, "lambda:AddLayerVersionPermission", &arn, &[])?;
    let permission = Permission {
        statement_id: input.statement_id,
        action: input.action,
        principal: input.principal,
        principal_org_id: input.organization_id,
        ..Permission::default()
    };
    let statement = permission.statement(&arn)?;
    let text = serde_json::to_string(&statement).map_err(LambdaError::internal)?;
    let revision_id = lambda
        .change_layer_policy(&ctx, &target, number, input.revision_id.as_deref(), |policy| {
            let mut policy = policy.cloned().unwrap_or_default();
            if policy.statements.iter().any(|other| other.has_sid(&statement.sid)) {
                return Err(LambdaError::StatementExists { sid: statement.sid });
            }
            policy.statements.push(Kept::Made(statement));
            let bytes = policy.document().len();
            if bytes > POLICY_BYTES_MAX {
                return Err(LambdaError::PolicyTooLong { bytes });
            }
            Ok(policy)
        })
        .await?;
    Ok(Output { statement: text, revision_id })
}
