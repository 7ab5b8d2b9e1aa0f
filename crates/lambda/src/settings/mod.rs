//! What a function is set to: from request members to a checked [`Settings`].
//!
//! Every member of a request is either typed in [`Requested`] (and so enforced), or ends up among the members that
//! `refused.rs` lets pass only while they ask for nothing. No I/O here.

mod environment;
mod refused;
mod runtime;

use std::collections::BTreeMap;

use hearth_ports::{Architecture, IMAGE_RUNTIME, LogFormat, LogLevel, RuntimeId, SystemLogLevel};
use hearth_store::Secret;
use hearth_types::{Mebibytes, Millis, limits};
use serde::{Deserialize, Serialize};

pub(crate) use environment::Variables;
pub(crate) use refused::Rest;
pub use runtime::{Readiness, Runnable, is_offered};
pub(crate) use runtime::{is_runtime, offered_runtimes};

use crate::error::LambdaError;
use crate::image::Overrides;
use crate::layer::LayerRef;
use crate::sending::DeadLetterConfig;

const TIMEOUT_SECONDS_DEFAULT: u32 = (limits::TIMEOUT_DEFAULT.0 / 1000) as u32;
const TIMEOUT_SECONDS_MAX: u32 = (limits::TIMEOUT_MAX.0 / 1000) as u32;

/// Lambda's answer to a level without the format that has levels.
const LEVEL_OF_TEXT: &str = "LogLevel is not supported when LogFormat is set to \"Text\". Remove LogLevel from your \
                             request or change the LogFormat to \"Json\" and try again.";

/// The settings of one deployment, all checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) runtime: RuntimeId,
    pub(crate) architecture: Architecture,
    pub(crate) handler: String,
    pub(crate) role: String,
    pub(crate) description: String,
    pub(crate) timeout_seconds: u32,
    pub(crate) memory: Mebibytes,
    pub(crate) ephemeral_storage: Mebibytes,
    /// `None` when the client never sent one; shown only if sent.
    pub(crate) environment: Option<Secret<BTreeMap<String, String>>>,
    /// A queue or topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dead_letters: Option<String>,
    pub(crate) log_group: String,
    /// The JSON log format; `None` is the text format.
    #[serde(default)]
    pub(crate) json_log: Option<LogLevels>,
    /// In the order in which they lie over each other, the last one on top.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) layers: Vec<LayerRef>,
    /// Of a function from an image.
    #[serde(default, skip_serializing_if = "Overrides::is_empty")]
    pub(crate) image_overrides: Overrides,
}

/// What the JSON log format leaves out: records below these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogLevels {
    pub(crate) application: LogLevel,
    pub(crate) system: SystemLogLevel,
}

impl Settings {
    pub(crate) fn timeout(&self) -> Millis {
        Millis::from_secs(self.timeout_seconds.into())
    }
}

/// The members that CreateFunction and UpdateFunctionConfiguration share. Unset means "as it is".
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Requested {
    pub(crate) runtime: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) handler: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) timeout: Option<i64>,
    pub(crate) memory_size: Option<i64>,
    pub(crate) ephemeral_storage: Option<EphemeralStorage>,
    pub(crate) environment: Option<Environment>,
    pub(crate) logging_config: Option<LoggingConfig>,
    pub(crate) dead_letter_config: Option<DeadLetterConfig>,
    /// ARNs of layer versions; an empty list takes all away.
    pub(crate) layers: Option<Vec<String>>,
    /// Replaced as a whole.
    pub(crate) image_config: Option<Overrides>,
    /// Everything else that was sent.
    #[serde(flatten)]
    pub(crate) rest: Rest,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EphemeralStorage {
    size: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Environment {
    variables: Option<Variables>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct LoggingConfig {
    log_format: Option<LogFormat>,
    application_log_level: Option<LogLevel>,
    system_log_level: Option<SystemLogLevel>,
    log_group: Option<String>,
    #[serde(flatten)]
    rest: Rest,
}

impl LoggingConfig {
    fn apply(self, settings: &mut Settings) -> Result<(), LambdaError> {
        let is_json = self.log_format.map_or(settings.json_log.is_some(), |format| format == LogFormat::Json);
        if !is_json && (self.application_log_level.is_some() || self.system_log_level.is_some()) {
            return Err(LambdaError::invalid(LEVEL_OF_TEXT));
        }
        let LogLevels { application, system } = settings.json_log.unwrap_or_default();
        settings.json_log = is_json.then(|| LogLevels {
            application: self.application_log_level.unwrap_or(application),
            system: self.system_log_level.unwrap_or(system),
        });
        if let Some(group) = self.log_group {
            settings.log_group = group;
        }
        Ok(())
    }
}

impl Requested {
    /// Refuses what Hearth cannot honour. Cheap: goes before anything is unpacked or stored.
    ///
    /// # Errors
    /// [`LambdaError::Unsupported`] and what AWS says of the member.
    pub(crate) fn refuse_unsupported(&self) -> Result<(), LambdaError> {
        if let Some(logging) = &self.logging_config {
            logging.rest.refuse("LoggingConfig.")?;
        }
        self.rest.refuse("")
    }

    /// The settings of a new function.
    ///
    /// # Errors
    /// A mandatory member is missing or one is out of its range.
    pub(crate) fn create(
        self,
        name: &str,
        architecture: Architecture,
        layers: Vec<LayerRef>,
        runnable: &Runnable,
    ) -> Result<Settings, LambdaError> {
        let (Some(runtime), Some(handler)) = (self.runtime.as_deref(), self.handler.clone()) else {
            return Err(LambdaError::invalid(
                "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
            ));
        };
        let runtime = runtime::choose(runtime, architecture, runnable)?;
        self.create_with(name, runtime, handler, architecture, layers, runnable)
    }

    /// The settings of a new function from an image.
    ///
    /// # Errors
    /// A member is out of its range, or this server does not run images for the architecture.
    pub(crate) fn create_from_image(
        self,
        name: &str,
        architecture: Architecture,
        runnable: &Runnable,
    ) -> Result<Settings, LambdaError> {
        let runtime = runtime::of_images(architecture, runnable)?;
        self.create_with(name, runtime, String::new(), architecture, Vec::new(), runnable)
    }

    fn create_with(
        self,
        name: &str,
        runtime: RuntimeId,
        handler: String,
        architecture: Architecture,
        layers: Vec<LayerRef>,
        runnable: &Runnable,
    ) -> Result<Settings, LambdaError> {
        let defaults = Settings {
            runtime,
            architecture,
            handler,
            // Required by the model.
            role: self.role.clone().unwrap_or_default(),
            description: String::new(),
            timeout_seconds: TIMEOUT_SECONDS_DEFAULT,
            memory: limits::MEMORY_DEFAULT,
            ephemeral_storage: limits::EPHEMERAL_STORAGE_DEFAULT,
            environment: None,
            dead_letters: None,
            log_group: format!("/aws/lambda/{name}"),
            json_log: None,
            layers: Vec::new(),
            image_overrides: Overrides::default(),
        };
        Self { runtime: None, ..self }.apply(&defaults, Some(layers), runnable)
    }

    /// `current` with the requested changes. `layers` are what [`Requested::layers`] names, if it names any.
    ///
    /// # Errors
    /// A member is out of its range.
    pub(crate) fn apply(
        self,
        current: &Settings,
        layers: Option<Vec<LayerRef>>,
        runnable: &Runnable,
    ) -> Result<Settings, LambdaError> {
        let mut settings = current.clone();
        if let Some(layers) = layers {
            settings.layers = layers;
        }
        if let Some(name) = self.runtime {
            settings.runtime = runtime::choose(&name, settings.architecture, runnable)?;
        }
        if let Some(handler) = self.handler {
            settings.handler = handler;
        }
        if let Some(role) = self.role {
            settings.role = role;
        }
        if let Some(description) = self.description {
            settings.description = description;
        }
        if let Some(seconds) = self.timeout {
            settings.timeout_seconds = at_most("Timeout", seconds, TIMEOUT_SECONDS_MAX)?;
        }
        if let Some(size) = self.memory_size {
            settings.memory = Mebibytes(at_most("MemorySize", size, limits::MEMORY_MAX.0)?);
        }
        if let Some(EphemeralStorage { size }) = self.ephemeral_storage {
            settings.ephemeral_storage = Mebibytes(at_most("EphemeralStorage", size, limits::EPHEMERAL_STORAGE_MAX.0)?);
        }
        if let Some(Environment { variables }) = self.environment {
            settings.environment = Some(Secret(variables.unwrap_or_default().check()?));
        }
        if let Some(overrides) = self.image_config {
            settings.image_overrides = overrides.check()?;
        }
        if let Some(dead_letters) = self.dead_letter_config {
            settings.dead_letters = dead_letters.target()?;
        }
        if let Some(logging) = self.logging_config {
            logging.apply(&mut settings)?;
        }
        Ok(settings)
    }
}

/// The classic limits. The API model allows more, for hardware Hearth does not offer; lower bounds are the model's.
fn at_most(member: &str, value: i64, max: u32) -> Result<u32, LambdaError> {
    u32::try_from(value).ok().filter(|value| *value <= max).ok_or_else(|| {
        LambdaError::invalid(format!(
            "'{member}' value failed to satisfy constraint: Member must have value less than or equal to {max}"
        ))
    })
}

/// The one architecture of a request; the model allows one at most.
pub(crate) fn architecture(requested: Option<&[Architecture]>) -> Option<Architecture> {
    requested.and_then(|list| list.first().copied())
}

/// `settings` on another architecture.
///
/// # Errors
/// This server cannot run the runtime on it.
pub(crate) fn on_architecture(
    settings: &Settings,
    architecture: Architecture,
    runnable: &Runnable,
) -> Result<Settings, LambdaError> {
    let runtime = match &*settings.runtime.0 {
        IMAGE_RUNTIME => runtime::of_images(architecture, runnable)?,
        name => runtime::choose(name, architecture, runnable)?,
    };
    Ok(Settings { runtime, architecture, ..settings.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any(_: &RuntimeId, _: Architecture) -> Result<Readiness, String> {
        Ok(Readiness::Ready)
    }

    fn minimal() -> Requested {
        Requested {
            runtime: Some("python3.11".to_owned()),
            handler: Some("a.b".to_owned()),
            role: Some("arn:aws:iam::123456789012:role/r".to_owned()),
            ..Requested::default()
        }
    }

    #[test]
    fn defaults_are_those_of_the_reference() {
        let settings = minimal().create("f", Architecture::X86_64, Vec::new(), &any).expect("valid");
        assert_eq!(settings.timeout_seconds, 3);
        assert_eq!(settings.memory, Mebibytes(128));
        assert_eq!(settings.ephemeral_storage, Mebibytes(512));
        assert_eq!(settings.log_group, "/aws/lambda/f");
        assert!(settings.environment.is_none());
    }

    #[test]
    fn the_classic_limits_hold_whatever_the_model_allows() {
        type Set = fn(&mut Requested, i64);
        let cases: [(&str, i64, Set); 3] = [
            ("Timeout", 900, |r, value| r.timeout = Some(value)),
            ("MemorySize", 10_240, |r, value| r.memory_size = Some(value)),
            ("EphemeralStorage", 10_240, |r, value| r.ephemeral_storage = Some(EphemeralStorage { size: value })),
        ];
        for (member, max, set) in cases {
            let mut requested = minimal();
            set(&mut requested, max);
            requested.create("f", Architecture::X86_64, Vec::new(), &any).expect(member);
            let mut requested = minimal();
            set(&mut requested, max + 1);
            assert_eq!(
                requested.create("f", Architecture::X86_64, Vec::new(), &any).expect_err(member).to_string(),
                format!(
                    "'{member}' value failed to satisfy constraint: Member must have value less than or equal to {max}"
                )
            );
        }
    }

    #[test]
    fn an_update_changes_what_it_names_and_nothing_else() {
        let before = minimal().create("f", Architecture::X86_64, Vec::new(), &any).expect("valid");
        let after = Requested { timeout: Some(9), ..Requested::default() }.apply(&before, None, &any).expect("valid");
        assert_eq!(after, Settings { timeout_seconds: 9, ..before });
    }

    fn logging(
        format: Option<LogFormat>,
        application: Option<LogLevel>,
        system: Option<SystemLogLevel>,
    ) -> Option<LoggingConfig> {
        let (log_format, application_log_level, system_log_level) = (format, application, system);
        Some(LoggingConfig { log_format, application_log_level, system_log_level, ..LoggingConfig::default() })
    }

    #[test]
    fn the_json_log_format_has_levels_and_the_text_format_has_none() {
        use LogFormat::{Json, Text};
        let mut settings = minimal().create("f", Architecture::X86_64, Vec::new(), &any).expect("valid");
        let levels = |application, system| Some(LogLevels { application, system });
        let steps = [
            (logging(None, None, None), None),
            (logging(Some(Json), None, None), levels(LogLevel::Info, SystemLogLevel::Info)),
            (logging(None, Some(LogLevel::Error), None), levels(LogLevel::Error, SystemLogLevel::Info)),
            (logging(Some(Json), None, Some(SystemLogLevel::Warn)), levels(LogLevel::Error, SystemLogLevel::Warn)),
            (logging(None, None, None), levels(LogLevel::Error, SystemLogLevel::Warn)),
            (logging(Some(Text), None, None), None),
            (logging(Some(Json), None, None), levels(LogLevel::Info, SystemLogLevel::Info)),
        ];
        for (at, (logging_config, want)) in steps.into_iter().enumerate() {
            let requested = Requested { logging_config, ..Requested::default() };
            settings = requested.apply(&settings, None, &any).expect("valid");
            assert_eq!(settings.json_log, want, "step {at}");
        }
        settings.json_log = None;
        for format in [None, Some(Text)] {
            for (application, system) in [(Some(LogLevel::Info), None), (None, Some(SystemLogLevel::Debug))] {
                let logging_config = logging(format, application, system);
                let refused = Requested { logging_config, ..Requested::default() }.apply(&settings, None, &any);
                assert_eq!(refused.expect_err("no levels in text").to_string(), LEVEL_OF_TEXT);
            }
        }
    }

    #[test]
    fn runtime_and_handler_are_mandatory_for_a_zip() {
        for requested in [Requested { runtime: None, ..minimal() }, Requested { handler: None, ..minimal() }] {
            assert_eq!(
                requested.create("f", Architecture::X86_64, Vec::new(), &any).expect_err("incomplete").to_string(),
                "Runtime and Handler are mandatory parameters for functions created with deployment packages."
            );
        }
    }
}
