//! ListAliases: in the order of their names; those of one version on request.

use std::ops::Bound;
use std::sync::Arc;

use hearth_types::{RequestContext, Version};
use serde::{Deserialize, Serialize};

use crate::alias::{AliasConfiguration, AliasRecord};
use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::name::Target;
use crate::page::{Position, cut, page_size};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    function_version: Option<String>,
    marker: Option<String>,
    max_items: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    aliases: Vec<AliasConfiguration>,
    next_marker: Option<String>,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    let target = Target::parse_unqualified(&ctx, &input.function_name)?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:ListAliases", &target.arn, &[])?;
    let function = lambda.function(&ctx, &target)?;
    let from = Position::from_marker(input.marker.as_deref())?.name;
    let size = page_size(input.max_items);
    let is_asked_for = |alias: &AliasRecord| match &input.function_version {
        Some(version) => Version::parse(version).is_some_and(|version| alias.leads_to(version)),
        None => true,
    };
    let aliases = function.record.aliases.range::<str, _>((Bound::Included(from.as_str()), Bound::Unbounded));
    let aliases = aliases.filter(|(_, alias)| is_asked_for(alias)).take(size + 1).collect();
    let (aliases, next_marker) =
        cut(aliases, size, |(name, _): &(&String, &AliasRecord)| Position { name: (*name).clone(), number: 0 });
    let aliases =
        aliases.into_iter().map(|(name, alias)| AliasConfiguration::new(&ctx, &target.name, name, alias)).collect();
    Ok(Output { aliases, next_marker })
}
