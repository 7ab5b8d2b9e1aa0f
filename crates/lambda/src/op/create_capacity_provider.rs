//! CreateCapacityProvider: refused; functions run on this server.

use std::sync::Arc;

use hearth_types::RequestContext;

use super::Nothing;
use super::get_capacity_provider::{Input, capacity_provider_arn};
use crate::error::LambdaError;
use crate::lambda::Lambda;

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Nothing, LambdaError> {
    let arn = capacity_provider_arn(&ctx, &input.capacity_provider_name);
    lambda.authorize(&ctx, "lambda:CreateCapacityProvider", &arn, &[])?;
    Err(LambdaError::Unsupported {
        member: "CapacityProviderName".to_owned(),
        instead: "functions run on this server.".to_owned(),
    })
}
