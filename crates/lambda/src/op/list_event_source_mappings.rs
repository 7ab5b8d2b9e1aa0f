//! ListEventSourceMappings: all, or those of a source, of a function, of both.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::mapping::{MappingConfiguration, MappingRecord, mapping_arn};
use crate::name::Target;
use crate::page::{Position, cut, page_size};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    event_source_arn: Option<String>,
    function_name: Option<String>,
    marker: Option<String>,
    max_items: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    event_source_mappings: Vec<MappingConfiguration>,
    next_marker: Option<String>,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    // It has no resource: only a policy for every mapping covers it.
    lambda.authorize(&ctx, "lambda:ListEventSourceMappings", &mapping_arn(&ctx, "*"), &[])?;
    let target = input.function_name.as_deref().map(|name| Target::parse(&ctx, name, None)).transpose()?;
    let from = Position::from_marker(input.marker.as_deref())?.name;
    let size = page_size(input.max_items);
    let source = input.event_source_arn.as_deref().filter(|arn| !arn.is_empty());
    let is_wanted = |record: &MappingRecord| {
        source.is_none_or(|source| record.queue == source)
            && target.as_ref().is_none_or(|target| {
                record.function_name == target.name
                    && record.qualifier == target.qualifier
                    && target.arn.account == ctx.account.as_str()
            })
    };
    let records = lambda.mappings.list(&ctx.scope(), &from, size + 1, is_wanted);
    let (records, next_marker) = cut(records, size, |record| Position { name: record.uuid.clone(), number: 0 });
    let event_source_mappings = records.iter().map(|record| lambda.mappings.show(&ctx, record)).collect();
    Ok(Output { event_source_mappings, next_marker })
}
