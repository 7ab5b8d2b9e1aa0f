//! TagResource: gives a function or mapping more tags, or other values.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Nothing;
use crate::error::LambdaError;
use crate::functions::Change;
use crate::lambda::Lambda;
use crate::mapping::{ByUuid, MappingRecord};
use crate::tags::{self, Holder, Tagged};

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
    let holder = tagged.holder()?;
    if input.tags.is_empty() {
        // Recorded.
        return Err(LambdaError::invalid("An error occurred and the request cannot be processed."));
    }
    tags::check_given(&input.tags)?;
    let target = match holder {
        Holder::Function(target) => target,
        Holder::Mapping(uuid) => {
            let decide = |all: &ByUuid| {
                let mut record = MappingRecord::clone(all.get(&uuid).ok_or_else(|| tagged.no_mapping())?);
                record.tags.extend(input.tags.clone());
                tags::check_count(&record.tags)?;
                Ok(record)
            };
            lambda.mappings.change(&ctx.scope(), decide).await?;
            return Ok(Nothing {});
        }
    };
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
