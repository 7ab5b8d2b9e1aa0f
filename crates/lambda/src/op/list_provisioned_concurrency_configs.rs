//! ListProvisionedConcurrencyConfigs: of all versions and aliases of a function, in the order of their names.

use std::ops::Bound;
use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::name::Target;
use crate::page::{Position, cut, page_size};
use crate::provisioned::ProvisionedShown;

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
    provisioned_concurrency_configs: Vec<Item>,
    next_marker: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    function_arn: String,
    #[serde(flatten)]
    shown: ProvisionedShown,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    let target = Target::parse_unqualified(&ctx, &input.function_name)?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:ListProvisionedConcurrencyConfigs", &target.arn, &[])?;
    let function = lambda.function(&ctx, &target)?;
    let from = Position::from_marker(input.marker.as_deref())?.name;
    let size = page_size(input.max_items);
    let configs = function.record.provisioned.range::<str, _>((Bound::Included(from.as_str()), Bound::Unbounded));
    let (configs, next_marker) = cut(configs.take(size + 1).collect(), size, |(qualifier, _): &(&String, _)| {
        Position { name: (*qualifier).clone(), number: 0 }
    });
    let items = configs.into_iter().map(|(qualifier, config)| Item {
        function_arn: target.arn.qualified(qualifier).to_string(),
        shown: ProvisionedShown::new(*config, lambda.keeper.provisioned(function.uid(), qualifier)),
    });
    Ok(Output { provisioned_concurrency_configs: items.collect(), next_marker })
}
