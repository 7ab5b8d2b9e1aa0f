//! PutRuntimeManagementConfig: `Auto` is what there is; a runtime cannot be held back.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::get_runtime_management_config::Output;
use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::name::Target;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    qualifier: Option<String>,
    update_runtime_on: String,
    runtime_version_arn: Option<String>,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    let target = Target::parse(&ctx, &input.function_name, input.qualifier.as_deref())?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:PutRuntimeManagementConfig", &target.qualified_arn(), &[])?;
    let function = lambda.function(&ctx, &target)?;
    if !function.has(target.qualifier().as_ref()) {
        return Err(target.not_found());
    }
    let refused = |member: &str| LambdaError::Unsupported {
        member: member.to_owned(),
        instead: "runtimes are those of the machine; use UpdateRuntimeOn Auto.".to_owned(),
    };
    if input.update_runtime_on != "Auto" {
        return Err(refused(&format!("UpdateRuntimeOn {}", input.update_runtime_on)));
    }
    if input.runtime_version_arn.is_some() {
        return Err(refused("RuntimeVersionArn"));
    }
    Ok(Output { update_runtime_on: "Auto", function_arn: target.qualified_arn().to_string() })
}
