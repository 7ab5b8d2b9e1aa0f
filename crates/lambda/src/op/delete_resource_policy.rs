//! DeleteResourcePolicy: nobody is let in by the function, or by one of its versions or aliases, any more.

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
    resource_arn: String,
    revision_id: Option<String>,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Nothing, LambdaError> {
    let target = Target::parse_resource(&ctx, &input.resource_arn)?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:DeleteResourcePolicy", &target.qualified_arn(), &[])?;
    let key = permission::key(&target)?;
    lambda
        .change(&ctx, &target, |function| {
            let mut record = (*function.record).clone();
            let policy = record.policies.remove(&key).ok_or(LambdaError::NoPolicy)?;
            permission::check_revision(input.revision_id.as_deref(), &policy)?;
            Ok((Some(Change::record(record)), Nothing {}))
        })
        .await
}
