//! ListCodeSigningConfigs: nobody can have made one.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use super::list_functions::every_function;
use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::page::Position;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    marker: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    code_signing_configs: [(); 0],
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    lambda.authorize(&ctx, "lambda:ListCodeSigningConfigs", &every_function(&ctx), &[])?;
    Position::from_marker(input.marker.as_deref())?;
    Ok(Output { code_signing_configs: [] })
}
