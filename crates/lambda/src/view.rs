//! Which version of a function a request means, and what of it is shown.

use hearth_types::{Qualifier, RequestContext, Version};

use crate::catalog::Function;
use crate::error::LambdaError;
use crate::name::Target;
use crate::record::Deployment;
use crate::shape::FunctionConfiguration;

/// The version `target` names and what it runs; the ARN shown is as qualified as the request was.
///
/// # Errors
/// There is no such version or alias.
pub(crate) fn version<'a>(
    ctx: &RequestContext,
    function: &'a Function,
    target: &Target,
) -> Result<(FunctionConfiguration, &'a Deployment), LambdaError> {
    let record = &function.record;
    let version = match target.qualifier() {
        None => return Ok((FunctionConfiguration::latest(ctx, record), &record.latest)),
        Some(Qualifier::Version(version)) => version,
        Some(Qualifier::Alias(alias)) => record.aliases.get(&alias).ok_or_else(|| target.not_found())?.version,
    };
    let (configuration, deployment) = match version {
        Version::Latest => (FunctionConfiguration::latest(ctx, record), &record.latest),
        Version::Published(number) => {
            let version = &function.published.get(&number).ok_or_else(|| target.not_found())?.record;
            (FunctionConfiguration::published(ctx, &record.name, version), &version.deployment)
        }
    };
    Ok((configuration.under(&target.qualified_arn()), deployment))
}

/// A version as lists of versions name it: `$LATEST` is 0. Every ARN is qualified.
pub(crate) fn numbered(ctx: &RequestContext, function: &Function, number: u64) -> FunctionConfiguration {
    match function.published.get(&number) {
        Some(version) => FunctionConfiguration::published(ctx, &function.record.name, &version.record),
        None => FunctionConfiguration::latest(ctx, &function.record),
    }
    .qualified()
}
