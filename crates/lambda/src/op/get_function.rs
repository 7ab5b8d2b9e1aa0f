//! GetFunction.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::error::LambdaError;
use crate::image::Image;
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
    /// Of a zip package.
    location: Option<String>,
    /// Of an image, as it was given and by digest.
    image_uri: Option<String>,
    resolved_image_uri: Option<String>,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    let target = Target::parse(&ctx, &input.function_name, input.qualifier.as_deref())?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:GetFunction", &target.qualified_arn(), &[])?;
    let function = lambda.function(&ctx, &target)?;
    let (configuration, deployment) = view::version(&ctx, &function, &target)?;
    let code = match &deployment.image {
        Some(Image { uri, pinned_uri, .. }) => Code {
            repository_type: "ECR",
            location: None,
            image_uri: Some(uri.clone()),
            resolved_image_uri: Some(pinned_uri.clone()),
        },
        None => {
            let (now_ms, digest) = (lambda.clock.now_ms(), deployment.code.digest);
            let location = lambda.locations.url(&ctx, &target.name, &configuration.version, digest, now_ms);
            Code { repository_type: "S3", location: Some(location), image_uri: None, resolved_image_uri: None }
        }
    };
    let tags = Some(function.record.tags.clone()).filter(|tags| !tags.is_empty());
    let reserved = function.record.reserved_concurrency;
    let concurrency = reserved.map(|reserved_concurrent_executions| Concurrency { reserved_concurrent_executions });
    Ok(Output { configuration, code, tags, concurrency })
}
