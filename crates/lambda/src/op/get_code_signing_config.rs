//! GetCodeSigningConfig: nobody can have made one.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Nothing;
use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::tags::Tagged;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    pub(super) code_signing_config_arn: String,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Nothing, LambdaError> {
    let tagged = Tagged::parse(ctx, &input.code_signing_config_arn)?;
    let ctx = tagged.ctx.clone();
    lambda.authorize(&ctx, "lambda:GetCodeSigningConfig", &tagged.arn, &[])?;
    Err(LambdaError::NoCodeSigningConfig { arn: tagged.arn.to_string() })
}
