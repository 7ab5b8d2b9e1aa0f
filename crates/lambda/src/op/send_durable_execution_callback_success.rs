//! SendDurableExecutionCallbackSuccess: nobody can wait for one.

use std::sync::Arc;

use hearth_types::RequestContext;

use super::Nothing;
use crate::durable;
use crate::error::LambdaError;
use crate::lambda::Lambda;

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, _: Nothing) -> Result<Nothing, LambdaError> {
    lambda.authorize(&ctx, "lambda:SendDurableExecutionCallbackSuccess", &durable::every_execution(&ctx), &[])?;
    Err(LambdaError::ResourceNotFound)
}
