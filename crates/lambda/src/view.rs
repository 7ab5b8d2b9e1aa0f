//! Which version of a function a request means, and what of it is shown.

use hearth_types::{Qualifier, RequestContext, Version};

use crate::catalog::Function;
use crate::error::LambdaError;
use crate::name::Target;
use crate::record::Code;
use crate::shape::FunctionConfiguration;

/// The version `target` names and its package; the ARN shown is as qualified as the request was.
///
/// # Errors
/// There is no such version or alias.
pub(crate) fn version(
    ctx: &RequestContext,
    function: &Function,
    target: &Target,
) -> Result<(FunctionConfiguration, Code), LambdaError> {
    let record = &function.record;
    match target.qualifier() {
        None => Ok((FunctionConfiguration::latest(ctx, record), record.latest.code)),
        Some(Qualifier::Version(Version::Latest)) => {
            Ok((FunctionConfiguration::latest(ctx, record).qualified(), record.latest.code))
        }
        Some(Qualifier::Version(Version::Published(number))) => {
            let version = &function.published.get(&number).ok_or_else(|| target.not_found())?.record;
            Ok((FunctionConfiguration::published(ctx, &record.name, version).qualified(), version.deployment.code))
        }
        // Aliases come with their operations.
        Some(Qualifier::Alias(_)) => Err(target.not_found()),
    }
}

/// A version as lists of versions name it: `$LATEST` is 0. Every ARN is qualified.
pub(crate) fn numbered(ctx: &RequestContext, function: &Function, number: u64) -> FunctionConfiguration {
    match function.published.get(&number) {
        Some(version) => FunctionConfiguration::published(ctx, &function.record.name, &version.record),
        None => FunctionConfiguration::latest(ctx, &function.record),
    }
    .qualified()
}
