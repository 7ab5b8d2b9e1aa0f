//! CreateFunction.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use hearth_ports::Architecture;
use hearth_types::{FunctionUid, RequestContext, SnapshotId};
use serde::Deserialize;

use crate::error::LambdaError;
use crate::functions::{Change, CommitError};
use crate::image::{self, Image};
use crate::lambda::Lambda;
use crate::lifecycle::Phase;
use crate::name::Target;
use crate::record::{Deployment, FunctionRecord};
use crate::runtime_management::RuntimeManagement;
use crate::settings::{self, Requested, Rest};
use crate::shape::FunctionConfiguration;
use crate::source::Source;
use crate::{layer, sending, tags, update};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    function_name: String,
    code: Code,
    architectures: Option<Vec<Architecture>>,
    package_type: Option<String>,
    publish: Option<bool>,
    tags: Option<BTreeMap<String, String>>,
    #[serde(flatten)]
    settings: Requested,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Code {
    zip_file: Option<Bytes>,
    s3_bucket: Option<String>,
    s3_key: Option<String>,
    s3_object_version: Option<String>,
    image_uri: Option<String>,
    #[serde(flatten)]
    rest: Rest,
}

pub(super) async fn handle(
    lambda: Arc<Lambda>,
    ctx: RequestContext,
    input: Input,
) -> Result<FunctionConfiguration, LambdaError> {
    let Input { function_name, code, architectures, package_type, publish, tags, settings: requested } = input;
    let target = Target::parse_unqualified(&ctx, &function_name)?;
    let ctx = target.context(ctx)?;
    let tags = tags.unwrap_or_default();
    let conditions = tags::conditions(&tags).into_iter().chain(layer::conditions(requested.layers.as_deref()));
    lambda.authorize(&ctx, "lambda:CreateFunction", &target.arn, &conditions.collect::<Vec<_>>())?;
    if let Some(role) = &requested.role {
        lambda.authorize_pass_role(&ctx, role)?;
    }
    let exists = || LambdaError::FunctionExists { name: target.name.clone() };
    if lambda.functions.get(&ctx.scope(), &target.name).is_some() {
        return Err(exists());
    }

    requested.refuse_unsupported()?;
    code.rest.refuse("Code.")?;
    let architecture = settings::architecture(architectures.as_deref()).unwrap_or_default();
    let source = Source {
        zip_file: code.zip_file,
        s3_bucket: code.s3_bucket,
        s3_key: code.s3_key,
        s3_object_version: code.s3_object_version,
    };
    let is_image = image::is_wanted(package_type.as_deref(), code.image_uri.is_some(), source.is_given(), &requested)?;
    let attached = lambda.attach(&ctx, requested.layers.as_deref().unwrap_or_default()).await?;
    let settings = match is_image {
        true => requested.create_from_image(&target.name, architecture, &*lambda.runnable)?,
        false => requested.create(&target.name, architecture, attached.layers.clone(), &*lambda.runnable)?,
    };
    tags::check_given(&tags)?;
    tags::check_count(&tags)?;
    // After everything about the request itself: who waits for a role to spread asks again and again.
    lambda.check_role(&ctx, &settings.role, &target.arn)?;
    if let Some(to) = &settings.dead_letters {
        sending::check(&lambda, &ctx, (&settings.role, &target.arn), to)?;
    }
    let create = async |code, image| {
        layer::check_size(code, &settings.layers)?;
        let runtime = RuntimeManagement::of_new(lambda.runtime_version(&settings, is_image));
        let deployment = Deployment { snapshot: SnapshotId::generate(&*lambda.random), code, image, settings, runtime };
        let record = FunctionRecord {
            uid: FunctionUid::generate(&*lambda.random),
            name: target.name.clone(),
            phase: Phase::Creating,
            revision_id: lambda.new_revision_id(),
            last_modified_ms: lambda.clock.now_ms(),
            latest: deployment,
            serving: None,
            versions_issued: 0,
            tags,
            policies: BTreeMap::new(),
            aliases: BTreeMap::new(),
            reserved_concurrency: None,
            allows_loops: false,
            event_invoke: BTreeMap::new(),
            provisioned: BTreeMap::new(),
            urls: BTreeMap::new(),
        };
        let (change, answer) = if publish == Some(true) {
            let (record, version) = update::publish_new(&lambda, record, None);
            // Recorded: the version's answer, under the unqualified ARN.
            let answer = FunctionConfiguration::published(&ctx, &target.name, &version);
            (Change::with_versions(record, vec![version]), answer)
        } else {
            let answer = FunctionConfiguration::latest(&ctx, &record);
            (Change::record(record), answer)
        };
        match lambda.commit(&ctx, &target.name, None, change).await {
            Ok(()) => Ok(answer),
            Err(CommitError::Conflict) => Err(exists()),
            Err(CommitError::Failed(error)) => Err(error),
        }
    };
    let zip = if is_image { None } else { source.zip(&lambda, &ctx).await? };
    match (code.image_uri.filter(|_| is_image), zip) {
        (Some(uri), _) => {
            let (code, image) = Image::deployed(uri.clone(), lambda.resolve_image(&uri, architecture).await?);
            create(code, Some(image)).await
        }
        (None, Some(zip)) => lambda.with_package(&ctx, zip, async |code| create(code, None).await).await,
        (None, None) => Err(LambdaError::invalid("Please provide a source for function code.")),
    }
}
