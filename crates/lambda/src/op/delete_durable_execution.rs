//! DeleteDurableExecution: nobody can have started one.

use std::sync::Arc;

use hearth_types::RequestContext;

use super::Nothing;
use crate::durable::{self, Execution};
use crate::error::LambdaError;
use crate::lambda::Lambda;

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Execution) -> Result<Nothing, LambdaError> {
    lambda.authorize(&ctx, "lambda:DeleteDurableExecution", &durable::arn(&input)?, &[])?;
    Err(LambdaError::ResourceNotFound)
}
