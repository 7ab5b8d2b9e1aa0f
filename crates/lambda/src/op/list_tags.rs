//! ListTags.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::tags::Tagged;

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
    let target = tagged.function()?;
    let function = lambda.function(&ctx, &target)?;
    Ok(Output { tags: function.record.tags.clone() })
}
