//! GetDurableExecutionState: no function can have been given a token for one.

use std::sync::Arc;

use hearth_types::RequestContext;

use super::Nothing;
use crate::durable::{self, Execution};
use crate::error::LambdaError;
use crate::lambda::Lambda;

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Execution) -> Result<Nothing, LambdaError> {
    lambda.authorize(&ctx, "lambda:GetDurableExecutionState", &durable::arn(&input)?, &[])?;
    Err(durable::invalid_token())
}
