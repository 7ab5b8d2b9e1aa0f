//! DeleteFunction: a function with everything of it, or one published version.

use std::sync::Arc;

use hearth_types::{Qualifier, RequestContext, Version};
use serde::Deserialize;

use super::Nothing;
use crate::error::LambdaError;
use crate::functions::Change;
use crate::lambda::Lambda;
use crate::name::Target;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    qualifier: Option<String>,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Nothing, LambdaError> {
    let target = Target::parse(&ctx, &input.function_name, input.qualifier.as_deref())?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:DeleteFunction", &target.qualified_arn(), &[])?;
    let (uid, gone) = match target.qualifier() {
        None => {
            lambda
                .change(&ctx, &target, |function| {
                    let published = function.published.keys().copied().map(Version::Published);
                    let gone: Vec<Version> = std::iter::once(Version::Latest).chain(published).collect();
                    Ok((Some(Change::Delete), (function.uid().clone(), gone)))
                })
                .await?
        }
        Some(Qualifier::Version(Version::Published(number))) => {
            lambda
                .change(&ctx, &target, |function| {
                    let uid = function.uid().clone();
                    // Deleting a version that is not there is no error, on the real service either.
                    if !function.published.contains_key(&number) {
                        return Ok((None, (uid, Vec::new())));
                    }
                    let mut record = (*function.record).clone();
                    let aliases = record.aliases.iter().filter(|(_, alias)| alias.leads_to(Version::Published(number)));
                    let aliases: Vec<String> = aliases.map(|(name, _)| name.clone()).collect();
                    if !aliases.is_empty() {
                        return Err(LambdaError::VersionHasAliases { aliases });
                    }
                    record.policies.remove(&number.to_string());
                    record.event_invoke.remove(&number.to_string());
                    record.provisioned.remove(&number.to_string());
                    let change = Change::without_version(record, number);
                    Ok((Some(change), (uid, vec![Version::Published(number)])))
                })
                .await?
        }
        Some(Qualifier::Version(Version::Latest)) => {
            lambda.function(&ctx, &target)?;
            return Err(LambdaError::invalid("$LATEST version cannot be deleted without deleting the function."));
        }
        // Not recorded; the text users report.
        Some(Qualifier::Alias(_)) => {
            return Err(LambdaError::invalid("Deletion of aliases is not currently supported."));
        }
    };
    for version in gone {
        lambda.keeper.retire(&ctx, &uid, version, None).await;
    }
    lambda.agenda.collect_packages();
    Ok(Nothing {})
}
