//! GetFunction.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::name::Target;
use crate::shape::FunctionConfiguration;
use crate::view;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    qualifier: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    configuration: FunctionConfiguration,
    code: Code,
    /// Only if there are any.
    tags: Option<BTreeMap<String, String>>,
    /// Only if the function has one.
    concurrency: Option<Concurrency>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Concurrency {
    reserved_concurrent_executions: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Code {
    repository_type: &'static str,
    location: String,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    let target = Target::parse(&ctx, &input.function_name, input.qualifier.as_deref())?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:GetFunction", &target.qualified_arn(), &[])?;
    let function = lambda.function(&ctx, &target)?;
    let (configuration, code) = view::version(&ctx, &function, &target)?;
    let now_ms = lambda.clock.now_ms();
    let location = lambda.locations.url(&ctx, &target.name, &configuration.version, code.digest, now_ms);
    let tags = Some(function.record.tags.clone()).filter(|tags| !tags.is_empty());
    let reserved = function.record.reserved_concurrency;
    let concurrency = reserved.map(|reserved_concurrent_executions| Concurrency { reserved_concurrent_executions });
    Ok(Output { configuration, code: Code { repository_type: "S3", location }, tags, concurrency })
}
