//! ListEventSourceMappings: there is none yet, of whatever source and function.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use super::get_event_source_mapping::mapping_arn;
use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::name::Target;
use crate::page::Position;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: Option<String>,
    marker: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    event_source_mappings: [(); 0],
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    // It has no resource: only a policy for every mapping covers it.
    lambda.authorize(&ctx, "lambda:ListEventSourceMappings", &mapping_arn(&ctx, "*"), &[])?;
    if let Some(name) = &input.function_name {
        Target::parse(&ctx, name, None)?;
    }
    Position::from_marker(input.marker.as_deref())?;
    Ok(Output { event_source_mappings: [] })
}
