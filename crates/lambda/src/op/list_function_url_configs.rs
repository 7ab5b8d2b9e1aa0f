//! ListFunctionUrlConfigs: the function's own URL first, then those of its aliases in the order of their names.

use std::ops::Bound;
use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::name::Target;
use crate::page::{Position, cut, page_size};
use crate::url::config::{FunctionUrlConfig, UrlRecord};

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
    function_url_configs: Vec<FunctionUrlConfig>,
    next_marker: Option<String>,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    let target = Target::parse_unqualified(&ctx, &input.function_name)?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:ListFunctionUrlConfigs", &target.arn, &[])?;
    let function = lambda.function(&ctx, &target).map_err(|_| LambdaError::FunctionDoesNotExist)?;
    let from = Position::from_marker(input.marker.as_deref())?.name;
    let size = page_size(input.max_items);
    let urls = function.record.urls.range::<str, _>((Bound::Included(from.as_str()), Bound::Unbounded));
    let (urls, next_marker) = cut(urls.take(size + 1).collect(), size, |(name, _): &(&String, &UrlRecord)| Position {
        name: (*name).clone(),
        number: 0,
    });
    let shown = |(name, url): (&String, &UrlRecord)| {
        let target = if name.is_empty() { target.clone() } else { target.qualified(name) };
        FunctionUrlConfig::new(&ctx, &lambda.urls, &target, url)
    };
    Ok(Output { function_url_configs: urls.into_iter().map(shown).collect(), next_marker })
}
