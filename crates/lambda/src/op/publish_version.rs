//! PublishVersion.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use crate::error::LambdaError;
use crate::functions::Change;
use crate::lambda::{Lambda, check_revision};
use crate::name::Target;
use crate::settings::Rest;
use crate::shape::FunctionConfiguration;
use crate::update;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    code_sha256: Option<String>,
    description: Option<String>,
    revision_id: Option<String>,
    #[serde(flatten)]
    rest: Rest,
}

pub(super) async fn handle(
    lambda: Arc<Lambda>,
    ctx: RequestContext,
    input: Input,
) -> Result<FunctionConfiguration, LambdaError> {
    let target = Target::parse_unqualified(&ctx, &input.function_name)?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:PublishVersion", &target.arn, &[])?;
    input.rest.refuse("")?;
    lambda
        .change(&ctx, &target, |function| {
            let record = &function.record;
            update::check_ready(&target, record.phase)?;
            check_revision(input.revision_id.as_deref(), record)?;
            check_code(input.code_sha256.as_deref(), &record.latest.code_sha256())?;
            let description = input.description.clone().filter(|text| !text.is_empty());
            let (record, version, is_new) = update::publish(&lambda, function, (**record).clone(), description);
            let answer = FunctionConfiguration::published(&ctx, &target.name, &version).qualified();
            let change = Change::with_versions(record, vec![version]);
            Ok((is_new.then_some(change), answer))
        })
        .await
}

fn check_code(given: Option<&str>, current: &str) -> Result<(), LambdaError> {
    match given {
        Some(given) if given != current => Err(LambdaError::invalid(format!(
            "CodeSHA256 ({given}) is different from current CodeSHA256 in $LATEST ({current}). Please try again with the CodeSHA256 in $LATEST."
        ))),
        _ => Ok(()),
    }
}
