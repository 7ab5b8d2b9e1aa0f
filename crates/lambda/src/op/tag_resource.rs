//! TagResource: gives a function more tags, or other values.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Nothing;
use crate::error::LambdaError;
use crate::functions::Change;
use crate::lambda::Lambda;
use crate::tags::{self, Tagged};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    resource: String,
    tags: BTreeMap<String, String>,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Nothing, LambdaError> {
    let tagged = Tagged::parse(ctx, &input.resource)?;
    let ctx = tagged.ctx.clone();
    lambda.authorize(&ctx, "lambda:TagResource", &tagged.arn, &tags::conditions(&input.tags))?;
    let target = tagged.function()?;
    if input.tags.is_empty() {
        // Recorded.
        return Err(LambdaError::invalid("An error occurred and the request cannot be processed."));
    }
    tags::check_given(&input.tags)?;
    lambda
        .change(&ctx, &target, |function| {
            let mut record = (*function.record).clone();
            record.tags.extend(input.tags.clone());
            tags::check_count(&record.tags)?;
            record.revision_id = lambda.new_revision_id();
            Ok((Some(Change::record(record)), Nothing {}))
        })
        .await
}
