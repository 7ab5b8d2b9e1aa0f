//! ListFunctionEventInvokeConfigs: of a function and its versions and aliases, in the order of their qualifiers.

use std::ops::Bound;
use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::error::LambdaError;
use crate::event_invoke::EventInvokeConfig;
use crate::lambda::Lambda;
use crate::name::Target;
use crate::page::{Position, cut, page_size};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    marker: Option<String>,
    max_items: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    function_event_invoke_configs: Vec<EventInvokeConfig>,
    next_marker: Option<String>,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    let target = Target::parse(&ctx, &input.function_name, None)?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:ListFunctionEventInvokeConfigs", &target.arn, &[])?;
    let function = lambda.function(&ctx, &target).map_err(|_| LambdaError::NoSuchFunction)?;
    let from = Position::from_marker(input.marker.as_deref())?.name;
    let size = page_size(input.max_items);
    let configs = function.record.event_invoke.range::<str, _>((Bound::Included(from.as_str()), Bound::Unbounded));
    let (configs, next_marker) = cut(configs.take(size + 1).collect(), size, |(qualifier, _): &(&String, _)| {
        Position { name: (*qualifier).clone(), number: 0 }
    });
    let shown = configs
        .into_iter()
        .map(|(qualifier, config)| EventInvokeConfig::new(&target.arn.qualified(qualifier), config))
        .collect();
    Ok(Output { function_event_invoke_configs: shown, next_marker })
}
