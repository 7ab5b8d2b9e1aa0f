//! ListFunctions.

use std::sync::Arc;

use hearth_types::{Arn, RequestContext};
use serde::{Deserialize, Serialize};

use crate::catalog::Function;
use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::page::{Position, cut, page_size};
use crate::settings::Rest;
use crate::shape::FunctionConfiguration;
use crate::view;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    marker: Option<String>,
    max_items: Option<i64>,
    function_version: Option<FunctionVersion>,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Debug, Deserialize)]
enum FunctionVersion {
    #[serde(rename = "ALL")]
    All,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    functions: Vec<FunctionConfiguration>,
    next_marker: Option<String>,
}

pub(super) async fn handle(lambda: Arc<Lambda>, ctx: RequestContext, input: Input) -> Result<Output, LambdaError> {
    lambda.authorize(&ctx, "lambda:ListFunctions", &every_function(&ctx), &[])?;
    input.rest.refuse("")?;
    let from = Position::from_marker(input.marker.as_deref())?;
    let size = page_size(input.max_items);
    // One more than a page tells whether there is another one.
    let functions = lambda.functions.catalog().list(&ctx.scope(), &from.name, size + 1);
    let entries: Vec<Entry> = match input.function_version {
        None => functions.into_iter().map(|function| Entry { function, number: None }).collect(),
        Some(FunctionVersion::All) => functions
            .into_iter()
            .flat_map(versions)
            .filter(|entry| entry.position() >= (from.name.as_str(), from.number))
            .take(size + 1)
            .collect(),
    };
    let (entries, next_marker) = cut(entries, size, |entry| {
        let (name, number) = entry.position();
        Position { name: name.to_owned(), number }
    });
    let functions = entries.iter().map(|entry| entry.show(&ctx).listed()).collect();
    Ok(Output { functions, next_marker })
}

/// ListFunctions has no resource: only a policy for every resource covers it.
pub(super) fn every_function(ctx: &RequestContext) -> Arn {
    ctx.function_arn("*")
}

struct Entry {
    function: Arc<Function>,
    /// `None`: the function itself; `Some(0)`: its `$LATEST` among its versions.
    number: Option<u64>,
}

fn versions(function: Arc<Function>) -> Vec<Entry> {
    let numbers: Vec<u64> = std::iter::once(0).chain(function.published.keys().copied()).collect();
    numbers.into_iter().map(|number| Entry { function: function.clone(), number: Some(number) }).collect()
}

impl Entry {
    fn position(&self) -> (&str, u64) {
        (&self.function.record.name, self.number.unwrap_or(0))
    }

    fn show(&self, ctx: &RequestContext) -> FunctionConfiguration {
        match self.number {
            None => FunctionConfiguration::latest(ctx, &self.function.record),
            Some(number) => view::numbered(ctx, &self.function, number),
        }
    }
}
