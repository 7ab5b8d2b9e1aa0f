//! ListVersionsByFunction.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::name::Target;
use crate::page::{Position, cut, page_size};
use crate::shape::FunctionConfiguration;
use crate::view;

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
    versions: Vec<FunctionConfiguration>,
    next_marker: Option<String>,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    let target = Target::parse_unqualified(&ctx, &input.function_name)?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:ListVersionsByFunction", &target.arn, &[])?;
    let function = lambda.function(&ctx, &target)?;
    let from = Position::from_marker(input.marker.as_deref())?.number;
    let size = page_size(input.max_items);
    let latest = (from == 0).then_some(0);
    let published = function.published.range(from..).map(|(number, _)| *number);
    let numbers: Vec<u64> = latest.into_iter().chain(published).take(size + 1).collect();
    let (numbers, next_marker) = cut(numbers, size, |number| Position { name: target.name.clone(), number: *number });
    let versions = numbers.into_iter().map(|number| view::numbered(&ctx, &function, number).listed()).collect();
    Ok(Output { versions, next_marker })
}
