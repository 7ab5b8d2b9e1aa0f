//! What the API shows of a function: exactly the members the real service sends, in one place.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hearth_ports::{Architecture, CodeDigest, LogFormat, LogLevel, RuntimeId, SystemLogLevel};
use hearth_store::Secret;
use hearth_types::clock::lambda_timestamp;
use hearth_types::{Arn, Mebibytes, RequestContext, Version};
use serde::Serialize;

use crate::image::Overrides;
use crate::layer::LayerRef;
use crate::lifecycle::{Phase, RUNTIME, Reason};
use crate::record::{Deployment, FunctionRecord, VersionRecord};

/// `FunctionConfiguration` of the API model.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FunctionConfiguration {
    architectures: [Architecture; 1],
    code_sha256: String,
    code_size: u64,
    dead_letter_config: Option<DeadLetterShown>,
    description: String,
    environment: Option<EnvironmentResponse>,
    ephemeral_storage: EphemeralStorage,
    function_arn: String,
    function_name: String,
    /// Not of images.
    handler: Option<String>,
    /// Only if something is overridden.
    image_config_response: Option<ImageConfigResponse>,
    last_modified: String,
    last_update_status: Option<&'static str>,
    last_update_status_reason: Option<String>,
    last_update_status_reason_code: Option<&'static str>,
    /// Only if there are any.
    layers: Option<Vec<LayerShown>>,
    logging_config: LoggingConfig,
    memory_size: Mebibytes,
    package_type: &'static str,
    revision_id: String,
    role: String,
    /// Not of images.
    runtime: Option<RuntimeId>,
    runtime_version_config: Option<RuntimeVersionConfig>,
    snap_start: SnapStart,
    state: Option<&'static str>,
    state_reason: Option<String>,
    state_reason_code: Option<&'static str>,
    timeout: u32,
    tracing_config: TracingConfig,
    pub(crate) version: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct DeadLetterShown {
    target_arn: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct EnvironmentResponse {
    variables: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ImageConfigResponse {
    image_config: Overrides,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct EphemeralStorage {
    size: Mebibytes,
}

/// `Layer` of the API model.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct LayerShown {
    arn: String,
    code_size: u64,
}

impl LayerShown {
    fn new(layer: &LayerRef) -> Self {
        Self { arn: layer.arn.clone(), code_size: layer.code.bytes }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct LoggingConfig {
    log_format: LogFormat,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_log_level: Option<LogLevel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_log_level: Option<SystemLogLevel>,
    log_group: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RuntimeVersionConfig {
    runtime_version_arn: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct SnapStart {
    apply_on: &'static str,
    optimization_status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct TracingConfig {
    mode: &'static str,
}

/// What a version is, apart from code and settings.
struct Face<'a> {
    version: Version,
    phase: Phase,
    revision_id: &'a str,
    last_modified_ms: i64,
    description: &'a str,
}

impl FunctionConfiguration {
    /// `$LATEST`, under the function's unqualified ARN.
    pub(crate) fn latest(ctx: &RequestContext, record: &FunctionRecord) -> Self {
        let face = Face {
            version: Version::Latest,
            phase: record.phase,
            revision_id: &record.revision_id,
            last_modified_ms: record.last_modified_ms,
            description: &record.latest.settings.description,
        };
        Self::new(ctx, &record.name, &face, &record.latest)
    }

    /// A published version, under the function's unqualified ARN.
    pub(crate) fn published(ctx: &RequestContext, name: &str, record: &VersionRecord) -> Self {
        let face = Face {
            version: Version::Published(record.number),
            phase: record.phase,
            revision_id: &record.revision_id,
            last_modified_ms: record.last_modified_ms,
            description: record.description.as_deref().unwrap_or(&record.deployment.settings.description),
        };
        Self::new(ctx, name, &face, &record.deployment)
    }

    fn new(ctx: &RequestContext, name: &str, face: &Face<'_>, deployment: &Deployment) -> Self {
        let Deployment { settings, code, .. } = deployment;
        let is_zip = deployment.image.is_none();
        let overrides = Some(settings.image_overrides.clone()).filter(|overrides| !overrides.is_empty());
        let (state_reason, update_reason) = (face.phase.state_reason(), face.phase.last_update_reason());
        let text = |Reason { text, .. }: Reason| text.replace(RUNTIME, &settings.runtime.0);
        let environment = settings.environment.as_ref();
        Self {
            architectures: [settings.architecture],
            code_sha256: deployment.code_sha256(),
            code_size: code.bytes,
            dead_letter_config: settings.dead_letters.clone().map(|target_arn| DeadLetterShown { target_arn }),
            description: face.description.to_owned(),
            environment: environment.map(|Secret(variables)| EnvironmentResponse { variables: variables.clone() }),
            ephemeral_storage: EphemeralStorage { size: settings.ephemeral_storage },
            function_arn: ctx.function_arn(name).to_string(),
            function_name: name.to_owned(),
            handler: is_zip.then(|| settings.handler.clone()),
            image_config_response: overrides.map(|image_config| ImageConfigResponse { image_config }),
            last_modified: lambda_timestamp(face.last_modified_ms),
            last_update_status: face.phase.last_update_status(),
            last_update_status_reason: update_reason.map(text),
            last_update_status_reason_code: update_reason.map(|Reason { code, .. }| code),
            layers: Some(settings.layers.iter().map(LayerShown::new).collect()).filter(|all: &Vec<_>| !all.is_empty()),
            logging_config: LoggingConfig {
                log_format: if settings.json_log.is_some() { LogFormat::Json } else { LogFormat::Text },
                application_log_level: settings.json_log.map(|levels| levels.application),
                system_log_level: settings.json_log.map(|levels| levels.system),
                log_group: settings.log_group.clone(),
            },
            memory_size: settings.memory,
            package_type: if is_zip { "Zip" } else { "Image" },
            revision_id: face.revision_id.to_owned(),
            role: settings.role.clone(),
            runtime: is_zip.then(|| settings.runtime.clone()),
            runtime_version_config: deployment
                .runtime
                .version()
                .map(|version| RuntimeVersionConfig { runtime_version_arn: version.arn(ctx.partition, &ctx.region) }),
            snap_start: SnapStart { apply_on: "None", optimization_status: "Off" },
            state: Some(face.phase.state()),
            state_reason: state_reason.map(text),
            state_reason_code: state_reason.map(|Reason { code, .. }| code),
            timeout: settings.timeout_seconds,
            tracing_config: TracingConfig { mode: "PassThrough" },
            version: face.version.to_string(),
        }
    }

    /// Under the ARN that ends with the version.
    pub(crate) fn qualified(mut self) -> Self {
        self.function_arn = format!("{}:{}", self.function_arn, self.version);
        self
    }

    /// Under the ARN it was asked for by.
    pub(crate) fn under(mut self, arn: &Arn) -> Self {
        self.function_arn = arn.to_string();
        self
    }

    /// As lists show it: without what changes by itself. Source: Lambda API reference, ListFunctions.
    pub(crate) fn listed(self) -> Self {
        Self {
            state: None,
            state_reason: None,
            state_reason_code: None,
            last_update_status: None,
            last_update_status_reason: None,
            last_update_status_reason_code: None,
            runtime_version_config: None,
            ..self
        }
    }
}

/// `CodeSha256`: the digest of the zip in base64.
pub(crate) fn code_sha256(digest: CodeDigest) -> String {
    STANDARD.encode(digest.0)
}
