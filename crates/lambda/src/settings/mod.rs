//! What a function is set to: from request members to a checked [`Settings`].
//!
//! Every member of a request is either typed in [`Requested`] (and so enforced), or ends up among the members that
//! `refused.rs` lets pass only while they ask for nothing. No I/O here.

mod environment;
mod refused;
mod runtime;

use std::collections::BTreeMap;

use hearth_ports::{Architecture, LogFormat, RuntimeId};
use hearth_store::Secret;
use hearth_types::{Mebibytes, Millis, limits};
use serde::{Deserialize, Serialize};

pub(crate) use environment::Variables;
pub(crate) use refused::Rest;
pub use runtime::Runnable;

use crate::error::LambdaError;

const TIMEOUT_SECONDS_DEFAULT: u32 = (limits::TIMEOUT_DEFAULT.0 / 1000) as u32;
const TIMEOUT_SECONDS_MAX: u32 = (limits::TIMEOUT_MAX.0 / 1000) as u32;

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
    pub(crate) log_group: String,
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
    log_group: Option<String>,
    #[serde(flatten)]
    rest: Rest,
}

impl Requested {
    /// Refuses what Hearth cannot honour. Cheap: goes before anything is unpacked or stored.
    ///
    /// # Errors
    /// [`LambdaError::Unsupported`] and what AWS says of the member.
    pub(crate) fn refuse_unsupported(&self) -> Result<(), LambdaError> {
        if let Some(logging) = &self.logging_config {
            if logging.log_format == Some(LogFormat::Json) {
                return Err(LambdaError::Unsupported {
                    member: "LoggingConfig.LogFormat JSON".to_owned(),
                    instead: "use Text.".to_owned(),
                });
            }
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
        runnable: &Runnable,
    ) -> Result<Settings, LambdaError> {
        let (Some(runtime), Some(handler)) = (self.runtime.as_deref(), self.handler.clone()) else {
            return Err(LambdaError::invalid(
                "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
            ));
        };
        let defaults = Settings {
            runtime: runtime::choose(runtime, architecture, runnable)?,
            architecture,
            handler,
            // Required by the model.
            role: self.role.clone().unwrap_or_default(),
            description: String::new(),
            timeout_seconds: TIMEOUT_SECONDS_DEFAULT,
            memory: limits::MEMORY_DEFAULT,
            ephemeral_storage: limits::EPHEMERAL_STORAGE_DEFAULT,
            environment: None,
            log_group: format!("/aws/lambda/{name}"),
        };
        Self { runtime: None, ..self }.apply(&defaults, runnable)
    }

    /// `current` with the requested changes.
    ///
    /// # Errors
    /// A member is out of its range.
    pub(crate) fn apply(self, current: &Settings, runnable: &Runnable) -> Result<Settings, LambdaError> {
        let mut settings = current.clone();
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
        if let Some(group) = self.logging_config.and_then(|logging| logging.log_group) {
            settings.log_group = group;
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
    let runtime = runtime::choose(&settings.runtime.0, architecture, runnable)?;
    Ok(Settings { runtime, architecture, ..settings.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any(_: &RuntimeId, _: Architecture) -> Result<(), String> {
        Ok(())
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
        let settings = minimal().create("f", Architecture::X86_64, &any).expect("valid");
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
            requested.create("f", Architecture::X86_64, &any).expect(member);
            let mut requested = minimal();
            set(&mut requested, max + 1);
            assert_eq!(
                requested.create("f", Architecture::X86_64, &any).expect_err(member).to_string(),
                format!(
                    "'{member}' value failed to satisfy constraint: Member must have value less than or equal to {max}"
                )
            );
        }
    }

    #[test]
    fn an_update_changes_what_it_names_and_nothing_else() {
        let before = minimal().create("f", Architecture::X86_64, &any).expect("valid");
        let after = Requested { timeout: Some(9), ..Requested::default() }.apply(&before, &any).expect("valid");
        assert_eq!(after, Settings { timeout_seconds: 9, ..before });
    }

    #[test]
    fn runtime_and_handler_are_mandatory_for_a_zip() {
        for requested in [Requested { runtime: None, ..minimal() }, Requested { handler: None, ..minimal() }] {
            assert_eq!(
                requested.create("f", Architecture::X86_64, &any).expect_err("incomplete").to_string(),
                "Runtime and Handler are mandatory parameters for functions created with deployment packages."
            );
        }
    }
}
