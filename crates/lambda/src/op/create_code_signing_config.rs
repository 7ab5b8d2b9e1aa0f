//! CreateCodeSigningConfig: refused; signatures are not checked.

use std::sync::Arc;

use hearth_types::{Arn, RequestContext};

use super::Nothing;
use crate::error::LambdaError;
use crate::lambda::Lambda;

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, _: Nothing) -> Result<Nothing, LambdaError> {
    let every = Arn { resource: "code-signing-config:*".to_owned(), ..ctx.function_arn("") };
    lambda.authorize(&ctx, "lambda:CreateCodeSigningConfig", &every, &[])?;
    Err(LambdaError::Unsupported {
        member: "AllowedPublishers".to_owned(),
        instead: "signatures are not checked.".to_owned(),
    })
}
