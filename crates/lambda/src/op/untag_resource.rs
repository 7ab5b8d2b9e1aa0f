//! UntagResource: takes tags from a function or mapping.

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
    tag_keys: Vec<String>,
}

/// Keys that are not there are no error, on the real service either.
pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Nothing, LambdaError> {
    let tagged = Tagged::parse(ctx, &input.resource)?;
    let ctx = tagged.ctx.clone();
    let keys = tags::key_condition(input.tag_keys.clone());
    lambda.authorize(&ctx, "lambda:UntagResource", &tagged.arn, &[keys])?;
    let target = match tagged.holder()? {
        Holder::Function(target) => target,
        Holder::Mapping(uuid) => {
            let decide = |all: &ByUuid| {
                let mut record = MappingRecord::clone(all.get(&uuid).ok_or_else(|| tagged.no_mapping())?);
                record.tags.retain(|key, _| !input.tag_keys.contains(key));
                Ok(record)
            };
            lambda.mappings.change(&ctx.scope(), decide).await?;
            return Ok(Nothing {});
        }
    };
    lambda
        .change(&ctx, &target, |function| {
            let mut record = (*function.record).clone();
            record.tags.retain(|key, _| !input.tag_keys.contains(key));
            record.revision_id = lambda.new_revision_id();
            Ok((Some(Change::record(record)), Nothing {}))
        })
        .await
}
