//! DeleteEventSourceMapping: there is none yet.

use std::sync::Arc;

use hearth_types::RequestContext;

use super::Nothing;
use super::get_event_source_mapping::{Input, mapping_arn};
use crate::error::LambdaError;
use crate::lambda::Lambda;

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Nothing, LambdaError> {
    lambda.authorize(&ctx, "lambda:DeleteEventSourceMapping", &mapping_arn(&ctx, &input.uuid), &[])?;
    Err(LambdaError::ResourceNotFound)
}
