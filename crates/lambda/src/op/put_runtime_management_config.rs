//! PutRuntimeManagementConfig: holds a version of a function to a build of its runtime, or lets it follow the machine.

use std::sync::Arc;

use hearth_types::{RequestContext, Version};
use serde::Deserialize;

use super::get_runtime_management_config::{Output, version};
use crate::error::LambdaError;
use crate::functions::Change;
use crate::lambda::Lambda;
use crate::name::Target;
use crate::record::{Deployment, FunctionRecord, VersionRecord};
use crate::runtime_management::UpdateRuntimeOn;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    qualifier: Option<String>,
    update_runtime_on: UpdateRuntimeOn,
    runtime_version_arn: Option<String>,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    let target = Target::parse(&ctx, &input.function_name, input.qualifier.as_deref())?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:PutRuntimeManagementConfig", &target.qualified_arn(), &[])?;
    let set = |deployment: &Deployment| {
        if deployment.image.is_some() {
            return Err(LambdaError::invalid(
                "A function from a container image brings its runtime: there is nothing to manage.",
            ));
        }
        let current = lambda.runtime_version(&deployment.settings, false);
        deployment.runtime.set(&ctx, input.update_runtime_on, input.runtime_version_arn.as_deref(), current)
    };
    lambda
        .change(&ctx, &target, |function| {
            let mut record = FunctionRecord::clone(&function.record);
            let (change, config) = match version(function, &target)? {
                Version::Latest => {
                    let config = set(&record.latest)?;
                    if let Some(serving) = &mut record.serving {
                        serving.runtime = config.clone();
                    }
                    record.latest.runtime = config.clone();
                    (Change::record(record), config)
                }
                Version::Published(number) => {
                    let published = function.published.get(&number).ok_or_else(|| target.not_found())?;
                    let mut published = VersionRecord::clone(&published.record);
                    let config = set(&published.deployment)?;
                    published.deployment.runtime = config.clone();
                    (Change::with_versions(record, vec![published]), config)
                }
            };
            Ok((Some(change), Output::new(&ctx, &target, &config)))
        })
        .await
}
