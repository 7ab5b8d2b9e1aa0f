//! UpdateFunctionCode.

use std::sync::Arc;

use bytes::Bytes;
use hearth_ports::Architecture;
use hearth_types::{RequestContext, SnapshotId};
use serde::Deserialize;

use crate::error::LambdaError;
use crate::functions::Change;
use crate::image::Image;
use crate::lambda::{Lambda, check_revision};
use crate::layer;
use crate::name::Target;
use crate::record::{Code, Deployment, FunctionRecord};
use crate::settings::{self, Rest};
use crate::shape::FunctionConfiguration;
use crate::source::Source;
use crate::update;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    zip_file: Option<Bytes>,
    s3_bucket: Option<String>,
    s3_key: Option<String>,
    s3_object_version: Option<String>,
    image_uri: Option<String>,
    architectures: Option<Vec<Architecture>>,
    publish: Option<bool>,
    dry_run: Option<bool>,
    revision_id: Option<String>,
    #[serde(flatten)]
    rest: Rest,
}

pub(super) async fn handle(
    lambda: Arc<Lambda>,
    ctx: RequestContext,
    input: Input,
) -> Result<FunctionConfiguration, LambdaError> {
    let target = Target::parse_unqualified(&ctx, &input.function_name)?;
    let ctx = target.context(ctx)?;
    lambda.authorize(&ctx, "lambda:UpdateFunctionCode", &target.arn, &[])?;
    let function = lambda.function(&ctx, &target)?;
    update::check_changeable(&target, function.record.phase)?;
    check_revision(input.revision_id.as_deref(), &function.record)?;
    // Recorded, but for the last.
    let is_zip = function.record.latest.image.is_none();
    match (is_zip, &input.image_uri, &input.zip_file) {
        (true, Some(_), _) => Err("Please don't provide ImageUri when updating a function with packageType Zip."),
        (false, None, _) => Err("Please provide ImageUri when updating a function with packageType Image."),
        (false, _, Some(_)) => Err("Please don't provide ZipFile when updating a function with packageType Image."),
        _ => Ok(()),
    }
    .map_err(LambdaError::invalid)?;
    input.rest.refuse("")?;
    let architecture = settings::architecture(input.architectures.as_deref());
    let deploy = |record: &FunctionRecord, (code, image): (Code, Option<Image>)| {
        let current = &record.latest.settings;
        let settings = match architecture {
            Some(architecture) => settings::on_architecture(current, architecture, &*lambda.runnable)?,
            None => current.clone(),
        };
        layer::check_size(code, &settings.layers)?;
        let runtime = update::runtime(&lambda, &record.latest, &settings)?;
        let snapshot = SnapshotId::generate(&*lambda.random);
        Ok::<_, LambdaError>(Deployment { snapshot, code, image, settings, runtime })
    };
    let latest = &function.record.latest;
    let Deployment { settings, .. } = deploy(&function.record, (latest.code, latest.image.clone()))?;

    let take = async |source: (Code, Option<Image>)| {
        if input.dry_run == Some(true) {
            let record = FunctionRecord { latest: deploy(&function.record, source)?, ..(*function.record).clone() };
            lambda.agenda.collect_packages();
            return Ok(FunctionConfiguration::latest(&ctx, &record));
        }
        lambda
            .change_once(&ctx, &target, |function| {
                check_revision(input.revision_id.as_deref(), &function.record)?;
                let deployment = deploy(&function.record, source)?;
                let record = update::redeploy(&lambda, &target, &function.record, deployment)?;
                if input.publish != Some(true) {
                    let answer = FunctionConfiguration::latest(&ctx, &record);
                    return Ok((Change::record(record), answer));
                }
                let (record, version, is_new) = update::publish(&lambda, function, record, None);
                let answer = FunctionConfiguration::published(&ctx, &target.name, &version).qualified();
                let versions = if is_new { vec![version] } else { Vec::new() };
                Ok((Change::with_versions(record, versions), answer))
            })
            .await
    };
    if let Some(uri) = input.image_uri {
        let resolved = lambda.resolve_image(&uri, settings.architecture).await?;
        let (code, image) = Image::deployed(uri, resolved);
        return take((code, Some(image))).await;
    }
    let source = Source {
        zip_file: input.zip_file,
        s3_bucket: input.s3_bucket,
        s3_key: input.s3_key,
        s3_object_version: input.s3_object_version,
    };
    let zip = source.zip(&lambda, &ctx).await?;
    let zip = zip.ok_or_else(|| LambdaError::invalid("Please provide a source for function code."))?;
    lambda.with_package(&ctx, zip, async |code| take((code, None)).await).await
}
