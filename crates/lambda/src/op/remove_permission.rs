//! RemovePermission: takes a statement out of the policy of a function, or of one of its versions.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Nothing;
use crate::error::LambdaError;
use crate::functions::Change;
use crate::lambda::Lambda;
use crate::name::Target;
use crate::permission;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    statement_id: String,
    qualifier: Option<String>,
    revision_id: Option<String>,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Nothing, LambdaError> {
    let Input { function_name, statement_id, qualifier, revision_id } = input;
    let target = Target::parse(&ctx, &function_name, qualifier.as_deref())?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:RemovePermission", &target.qualified_arn(), &[])?;
    let key = permission::key(&target)?;
    // Recorded: a function that is not there has a text of its own here.
    lambda.function(&ctx, &target).map_err(|_| LambdaError::NoPolicyFor { arn: target.qualified_arn().to_string() })?;
    lambda
        .change(&ctx, &target, |function| {
            let mut record = (*function.record).clone();
            let policy = record.policies.get_mut(&key).ok_or(LambdaError::NoPolicy)?;
            permission::check_revision(revision_id.as_deref(), policy)?;
            let before = policy.statements.len();
            policy.statements.retain(|statement| !statement.has_sid(&statement_id));
            if policy.statements.len() == before {
                return Err(LambdaError::NoStatement { sid: statement_id.clone() });
            }
            policy.revision_id = lambda.new_revision_id();
            if policy.statements.is_empty() {
                record.policies.remove(&key);
            }
            Ok((Some(Change::record(record)), ()))
        })
        .await?;
    Ok(Nothing {})
}
