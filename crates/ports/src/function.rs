//! What the data plane needs to know of a function: one immutable snapshot per version.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use hearth_types::{
    AccountId, Arn, FunctionUid, Mebibytes, Millis, Partition, Qualifier, Region, RequestContext, SnapshotId, Version,
    limits,
};
use serde::{Deserialize, Serialize};

use crate::authorize::Guard;
use crate::code::CodeDigest;
use crate::image::ImageLaunch;
use crate::runtime_version::RuntimeVersion;

/// A runtime identifier such as `python3.11`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RuntimeId(pub Arc<str>);

impl fmt::Debug for RuntimeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What functions from container images have in the place of a runtime identifier; none of Lambda's.
pub const IMAGE_RUNTIME: &str = "image";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Architecture {
    #[default]
    #[serde(rename = "x86_64")]
    X86_64,
    #[serde(rename = "arm64")]
    Arm64,
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        })
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LogFormat {
    #[default]
    Text,
    #[serde(rename = "JSON")]
    Json,
}

/// Levels of a function's own log records, the least important first. Source: Lambda API, `ApplicationLogLevel`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum LogLevel {
    Trace,
    Debug,
    #[default]
    Info,
    Warn,
    Error,
    Fatal,
}

impl LogLevel {
    pub const ALL: [Self; 6] = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }
}

/// Levels of the platform's own log lines, the least important first. Source: Lambda API, `SystemLogLevel`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SystemLogLevel {
    Debug,
    #[default]
    Info,
    Warn,
}

impl SystemLogLevel {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
        }
    }
}

/// Code and configuration of one version at one moment. Replaced as a whole, never changed.
/// `Debug` leaves the environment out: it holds secrets.
#[derive(Clone)]
pub struct FunctionVersion {
    pub uid: FunctionUid,
    pub snapshot: SnapshotId,
    pub partition: Partition,
    pub account: AccountId,
    pub region: Region,
    pub name: String,
    /// Without qualifier.
    pub arn: Arn,
    pub version: Version,
    pub runtime: RuntimeId,
    /// The build of the runtime that it is held to; `None`: whichever there is.
    pub runtime_version: Option<RuntimeVersion>,
    pub handler: String,
    /// Of a function from a container image; `code` is the image then.
    pub image: Option<Arc<ImageLaunch>>,
    pub role_arn: String,
    pub architecture: Architecture,
    pub memory: Mebibytes,
    pub timeout: Millis,
    pub ephemeral_storage: Mebibytes,
    pub environment: BTreeMap<String, String>,
    pub code: CodeDigest,
    pub layers: Vec<CodeDigest>,
    /// A queue or topic that gets events which could not be dealt with.
    pub dead_letters: Option<Arn>,
    pub log_group: String,
    pub log_format: LogFormat,
    /// Function records below it are left out of a JSON log.
    pub application_log_level: LogLevel,
    /// Platform lines below it are left out of a JSON log.
    pub system_log_level: SystemLogLevel,
}

impl fmt::Debug for FunctionVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} ({})", self.arn, self.version, self.snapshot)
    }
}

/// A name resolved to what must run.
#[derive(Clone, Debug)]
pub struct Resolved {
    pub version: Arc<FunctionVersion>,
    /// Of an alias with weights: the version that gets a part of the invocations instead.
    pub second: Option<Weighted>,
    pub concurrency: Concurrency,
    /// The qualifier, when environments are kept ready for it.
    pub provisioned: Option<Arc<str>>,
    /// Whether a chain of requests that comes back to the function again and again is let go on.
    pub allows_loops: bool,
    /// The ARN the function sees as `invoked_function_arn`: as qualified as the caller's name was.
    pub invoked_arn: String,
    /// Of the function, or of the version or alias it was called by.
    pub guard: Arc<Guard>,
}

/// How many invocations may run at once: of a function, and of those of its account and region that share what is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Concurrency {
    /// The function's own reservation; 0 lets nothing run. `None`: it shares what nobody reserved.
    pub reserved: Option<u32>,
    /// The function's provisioned environments. They are a part of its reservation, and take no permit.
    pub provisioned: u32,
    /// All reservations in the account and region together, and what functions without one have provisioned.
    pub reserved_total: u32,
}

/// A version and its part of an alias's invocations.
#[derive(Clone, Debug)]
pub struct Weighted {
    pub version: Arc<FunctionVersion>,
    /// 0.0 to 1.0.
    pub weight: f64,
}

/// How asynchronous invocations are dealt with, as set for a function, version or alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventTerms {
    /// After the first attempt, 0 to 2.
    pub retries_max: u32,
    /// From acceptance to the last attempt.
    pub age_max: Millis,
    /// Functions of the same account and region that are told of the end of each event.
    pub on_success: Option<Arn>,
    pub on_failure: Option<Arn>,
}

impl Default for EventTerms {
    fn default() -> Self {
        Self {
            retries_max: limits::EVENT_RETRIES_MAX,
            age_max: limits::EVENT_AGE_MAX,
            on_success: None,
            on_failure: None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// `arn` carries the qualifier, `$LATEST` when none was given.
    #[error("Function not found: {arn}")]
    NotFound { arn: String },
    #[error(
        "The operation cannot be performed at this time. The function is currently in the following state: {state}"
    )]
    NotReady { state: &'static str },
}

/// Answers from memory: the hot path never touches the store.
pub trait FunctionCatalog: Send + Sync + 'static {
    /// # Errors
    /// [`ResolveError`] when there is no such function, version or alias, or it cannot run yet.
    fn resolve(
        &self,
        ctx: &RequestContext,
        name: &str,
        qualifier: Option<&Qualifier>,
    ) -> Result<Resolved, ResolveError>;

    /// The defaults where nothing was set, and for what is not there.
    fn event_terms(&self, ctx: &RequestContext, name: &str, qualifier: Option<&Qualifier>) -> EventTerms;
}
