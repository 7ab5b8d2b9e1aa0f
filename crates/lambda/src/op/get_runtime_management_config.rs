//! GetRuntimeManagementConfig: when a version of a function gets another build of its runtime.

use std::sync::Arc;

use hearth_types::{Qualifier, RequestContext, Version};
use serde::{Deserialize, Serialize};

use crate::catalog::Function;
use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::name::Target;
use crate::runtime_management::{RuntimeManagement, UpdateRuntimeOn};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    qualifier: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    update_runtime_on: UpdateRuntimeOn,
    /// Of Manual only.
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime_version_arn: Option<String>,
    function_arn: String,
}

impl Output {
    pub(super) fn new(ctx: &RequestContext, target: &Target, config: &RuntimeManagement) -> Self {
        let update_runtime_on = config.update_on();
        let named = config.version().filter(|_| update_runtime_on == UpdateRuntimeOn::Manual);
        Self {
            update_runtime_on,
            runtime_version_arn: named.map(|version| version.arn(ctx.partition, &ctx.region)),
            function_arn: target.qualified_arn().to_string(),
        }
    }
}

/// The version that is meant, of those that have such a configuration: aliases do not.
///
/// # Errors
/// There is no such version.
pub(super) fn version(function: &Function, target: &Target) -> Result<Version, LambdaError> {
    match target.qualifier() {
        None => Ok(Version::Latest),
        Some(Qualifier::Version(version)) if function.has(target.qualifier().as_ref()) => Ok(version),
        Some(_) => Err(target.not_found()),
    }
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    let target = Target::parse(&ctx, &input.function_name, input.qualifier.as_deref())?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:GetRuntimeManagementConfig", &target.qualified_arn(), &[])?;
    let function = lambda.function(&ctx, &target)?;
    let deployment = match version(&function, &target)? {
        Version::Latest => &function.record.latest,
        Version::Published(number) => {
            &function.published.get(&number).ok_or_else(|| target.not_found())?.record.deployment
        }
    };
    Ok(Output::new(&ctx, &target, &deployment.runtime))
}
