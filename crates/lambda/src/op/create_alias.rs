//! CreateAlias: a name for a version, or for two of them by shares.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use crate::alias::{self, AliasConfiguration, AliasRecord, RoutingConfig};
use crate::error::LambdaError;
use crate::functions::Change;
use crate::lambda::Lambda;
use crate::name::Target;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    name: String,
    function_version: String,
    description: Option<String>,
    #[serde(default)]
    routing_config: RoutingConfig,
}

pub(super) async fn handle(
    lambda: Arc<Lambda>,
    ctx: RequestContext,
    input: Input,
) -> Result<AliasConfiguration, LambdaError> {
    let Input { function_name, name, function_version, description, routing_config } = input;
    let target = Target::parse_unqualified(&ctx, &function_name)?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:CreateAlias", &target.arn, &[])?;
    // Recorded: a function that is not there is told by its version's name.
    lambda
        .change(&ctx, &target.qualified(&function_version), |function| {
            let version = alias::existing(&target, function, &function_version)?;
            let second = routing_config.second(&target, function)?;
            alias::check_routing(version, second)?;
            let mut record = (*function.record).clone();
            if record.aliases.contains_key(&name) {
                return Err(LambdaError::AliasExists { arn: target.arn.qualified(&name).to_string() });
            }
            let description = description.clone().unwrap_or_default();
            let alias = AliasRecord { version, second, description, revision_id: lambda.new_revision_id() };
            let answer = AliasConfiguration::new(&ctx, &target.name, &name, &alias);
            record.aliases.insert(name.clone(), alias);
            Ok((Some(Change::record(record)), answer))
        })
        .await
}
