//! UpdateFunctionConfiguration.

use std::sync::Arc;

use hearth_ports::Condition;
use hearth_types::{RequestContext, SnapshotId};
use serde::Deserialize;

use crate::error::LambdaError;
use crate::functions::Change;
use crate::lambda::{Lambda, check_revision};
use crate::name::Target;
use crate::record::Deployment;
use crate::settings::Requested;
use crate::shape::FunctionConfiguration;
use crate::{image, layer, mapping, sending, update};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    revision_id: Option<String>,
    #[serde(flatten)]
    settings: Requested,
}

pub(super) async fn handle(
    lambda: Arc<Lambda>,
    ctx: RequestContext,
    input: Input,
) -> Result<FunctionConfiguration, LambdaError> {
    let Input { function_name, revision_id, settings: requested } = input;
    let target = Target::parse_unqualified(&ctx, &function_name)?;
    let ctx = target.context(ctx)?;
    let conditions: Vec<Condition> = layer::conditions(requested.layers.as_deref()).into_iter().collect();
    lambda.authorize(&ctx, "lambda:UpdateFunctionConfiguration", &target.arn, &conditions)?;
    if let Some(role) = &requested.role {
        lambda.authorize_pass_role(&ctx, role)?;
    }
    requested.refuse_unsupported()?;
    if let Some(role) = &requested.role {
        lambda.check_role(&ctx, role, &target.arn)?;
    }
    let attached = match &requested.layers {
        Some(arns) => Some(lambda.attach(&ctx, arns).await?),
        None => None,
    };
    let layers = attached.as_ref().map(|attached| attached.layers.clone());
    if let Some(seconds) = requested.timeout
        && let Some(function) = lambda.functions.get(&ctx.scope(), &target.name)
    {
        mapping::check_timeout(&lambda, &ctx, &function, &target, u32::try_from(seconds).unwrap_or(0)).await?;
    }
    lambda
        .change_once(&ctx, &target, |function| {
            let current = &function.record;
            update::check_changeable(&target, current.phase)?;
            check_revision(revision_id.as_deref(), current)?;
            match current.latest.image {
                Some(_) => image::check_members(&requested)?,
                None => image::check_zip(&requested)?,
            }
            let settings = requested.apply(&current.latest.settings, layers, &*lambda.runnable)?;
            if let Some(to) = &settings.dead_letters {
                sending::check(&lambda, &ctx, (&settings.role, &target.arn), to)?;
            }
            layer::check_size(current.latest.code, &settings.layers)?;
            let snapshot = SnapshotId::generate(&*lambda.random);
            let runtime = update::runtime(&lambda, &current.latest, &settings)?;
            let deployment = Deployment { snapshot, settings, runtime, ..current.latest.clone() };
            let record = update::redeploy(&lambda, &target, current, deployment)?;
            let answer = FunctionConfiguration::latest(&ctx, &record);
            Ok((Change::record(record), answer))
        })
        .await
}
