//! GetEventSourceMapping: there is none yet.

use std::sync::Arc;

use hearth_types::{Arn, RequestContext};
use serde::Deserialize;

use super::Nothing;
use crate::error::LambdaError;
use crate::lambda::Lambda;

#[derive(Debug, Deserialize)]
pub(super) struct Input {
    #[serde(rename = "UUID")]
    pub(super) uuid: String,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Nothing, LambdaError> {
    lambda.authorize(&ctx, "lambda:GetEventSourceMapping", &mapping_arn(&ctx, &input.uuid), &[])?;
    Err(LambdaError::ResourceNotFound)
}

pub(super) fn mapping_arn(ctx: &RequestContext, uuid: &str) -> Arn {
    Arn { resource: format!("event-source-mapping:{uuid}"), ..ctx.function_arn("") }
}
