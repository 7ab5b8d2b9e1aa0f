//! ListTags.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::tags::{Holder, Tagged};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    resource: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    tags: BTreeMap<String, String>,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    let tagged = Tagged::parse(ctx, &input.resource)?;
    let ctx = tagged.ctx.clone();
    lambda.authorize(&ctx, "lambda:ListTags", &tagged.arn, &[])?;
    let tags = match tagged.holder()? {
        Holder::Function(target) => lambda.function(&ctx, &target)?.record.tags.clone(),
        Holder::Mapping(uuid) => {
            let mapping = lambda.mappings.get(&ctx.scope(), &uuid).ok_or_else(|| tagged.no_mapping())?;
            mapping.tags.clone()
        }
    };
    Ok(Output { tags })
}
