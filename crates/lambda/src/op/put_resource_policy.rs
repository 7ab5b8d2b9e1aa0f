//! PutResourcePolicy: replaces the whole policy of a function, or of one of its versions or aliases.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::get_resource_policy::Output;
use crate::error::LambdaError;
use crate::functions::Change;
use crate::lambda::Lambda;
use crate::name::Target;
use crate::permission::{self, PolicyRecord};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    resource_arn: String,
    /// JSON text; its length is the model's.
    policy: String,
    revision_id: Option<String>,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    let target = Target::parse_resource(&ctx, &input.resource_arn)?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:PutResourcePolicy", &target.qualified_arn(), &[])?;
    let key = permission::key(&target)?;
    lambda
        .change(&ctx, &target, |function| {
            permission::check_qualifier(&target, function)?;
            let mut record = (*function.record).clone();
            let former = record.policies.entry(key.clone()).or_default();
            permission::check_revision(input.revision_id.as_deref(), former)?;
            *former = PolicyRecord::of_document(&input.policy, lambda.new_revision_id())?;
            let answer = Output::new(former);
            Ok((Some(Change::record(record)), answer))
        })
        .await
}
