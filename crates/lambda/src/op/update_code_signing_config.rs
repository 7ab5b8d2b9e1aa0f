//! UpdateCodeSigningConfig: nobody can have made one.

use std::sync::Arc;

use hearth_types::RequestContext;

use super::Nothing;
use super::get_code_signing_config::Input;
use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::tags::Tagged;

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Nothing, LambdaError> {
    let tagged = Tagged::parse(ctx, &input.code_signing_config_arn)?;
    let ctx = tagged.ctx.clone();
    lambda.authorize(&ctx, "lambda:UpdateCodeSigningConfig", &tagged.arn, &[])?;
    Err(LambdaError::NoCodeSigningConfig { arn: tagged.arn.to_string() })
}
