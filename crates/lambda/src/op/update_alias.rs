//! UpdateAlias: leads a name elsewhere, changes its shares or its description.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use crate::alias::{self, AliasConfiguration, RoutingConfig};
use crate::error::LambdaError;
use crate::functions::Change;
use crate::lambda::Lambda;
use crate::name::Target;
use crate::provisioned;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    name: String,
    function_version: Option<String>,
    description: Option<String>,
    /// An empty one ends the shares.
    routing_config: Option<RoutingConfig>,
    revision_id: Option<String>,
}

pub(super) async fn handle(
    lambda: Arc<Lambda>,
    ctx: RequestContext,
    input: Input,
) -> Result<AliasConfiguration, LambdaError> {
    let Input { function_name, name, function_version, description, routing_config, revision_id } = input;
    let target = Target::parse_unqualified(&ctx, &function_name)?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:UpdateAlias", &target.arn, &[])?;
    lambda
        .change(&ctx, &target, |function| {
            let mut record = (*function.record).clone();
            let alias = record.aliases.get_mut(&name);
            let alias =
                alias.ok_or_else(|| LambdaError::AliasNotFound { arn: target.arn.qualified(&name).to_string() })?;
            if revision_id.as_ref().is_some_and(|given| *given != alias.revision_id) {
                return Err(LambdaError::RevisionMismatch);
            }
            if let Some(version) = &function_version {
                alias.version = alias::existing(&target, function, version)?;
            }
            if let Some(routing) = &routing_config {
                alias.second = routing.second(&target, function)?;
            }
            alias::check_routing(alias.version, alias.second)?;
            provisioned::check_alias(&function.record, &name, alias)?;
            if let Some(description) = &description {
                alias.description.clone_from(description);
            }
            alias.revision_id = lambda.new_revision_id();
            let answer = AliasConfiguration::new(&ctx, &target.name, &name, alias);
            Ok((Some(Change::record(record)), answer))
        })
        .await
}
