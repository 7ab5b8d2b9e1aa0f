//! What happens in an execution environment, as the Telemetry API and the JSON system log say it. Pure: types and the
//! one serializer, `{"time","type","record"}`.
//!
//! Source: "Lambda Telemetry API Event schema reference", Lambda developer guide.
//!
//! What never lives here: who wants an event, and how it gets there.

use std::time::Duration;

use hearth_types::clock::iso8601_ms;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct TelemetryEvent {
    /// Milliseconds since the Unix epoch.
    pub time_ms: i64,
    pub record: Record,
}

impl TelemetryEvent {
    /// The event as JSON text without a line end.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Fails for maps with keys that are not text only; there is none.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// What happened. Each variant names its `type`, see [`type_name`](Self::type_name).
#[derive(Clone, Debug)]
pub enum Record {
    InitStart(InitStart),
    InitRuntimeDone(InitRuntimeDone),
    InitReport(InitReport),
    RestoreStart(RestoreStart),
    RestoreRuntimeDone(RestoreRuntimeDone),
    RestoreReport(RestoreReport),
    Start(Start),
    RuntimeDone(RuntimeDone),
    Report(Report),
    /// The platform speaks about an extension.
    PlatformExtension(PlatformExtension),
    TelemetrySubscription(Subscription),
    /// The same for the Logs API, which only its own subscribers get.
    LogsSubscription(Subscription),
    LogsDropped(LogsDropped),
    /// The function's own log.
    Function(LogRecord),
    /// An extension's own log.
    Extension(LogRecord),
}

/// The streams a subscriber chooses from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    Platform,
    Function,
    Extension,
}

impl Category {
    /// The name in subscriptions.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Function => "function",
            Self::Extension => "extension",
        }
    }
}

impl Record {
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::InitStart(_) => "platform.initStart",
            Self::InitRuntimeDone(_) => "platform.initRuntimeDone",
            Self::InitReport(_) => "platform.initReport",
            Self::RestoreStart(_) => "platform.restoreStart",
            Self::RestoreRuntimeDone(_) => "platform.restoreRuntimeDone",
            Self::RestoreReport(_) => "platform.restoreReport",
            Self::Start(_) => "platform.start",
            Self::RuntimeDone(_) => "platform.runtimeDone",
            Self::Report(_) => "platform.report",
            Self::PlatformExtension(_) => "platform.extension",
            Self::TelemetrySubscription(_) => "platform.telemetrySubscription",
            Self::LogsSubscription(_) => "platform.logsSubscription",
            Self::LogsDropped(_) => "platform.logsDropped",
            Self::Function(_) => "function",
            Self::Extension(_) => "extension",
        }
    }

    #[must_use]
    pub const fn category(&self) -> Category {
        match self {
            Self::Function(_) => Category::Function,
            Self::Extension(_) => Category::Extension,
            _ => Category::Platform,
        }
    }
}

impl Serialize for TelemetryEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut event = serializer.serialize_struct("TelemetryEvent", 3)?;
        event.serialize_field("time", &iso8601_ms(self.time_ms))?;
        event.serialize_field("type", self.record.type_name())?;
        match &self.record {
            Record::InitStart(record) => event.serialize_field("record", record),
            Record::InitRuntimeDone(record) => event.serialize_field("record", record),
            Record::InitReport(record) => event.serialize_field("record", record),
            Record::RestoreStart(record) => event.serialize_field("record", record),
            Record::RestoreRuntimeDone(record) => event.serialize_field("record", record),
            Record::RestoreReport(record) => event.serialize_field("record", record),
            Record::Start(record) => event.serialize_field("record", record),
            Record::RuntimeDone(record) => event.serialize_field("record", record),
            Record::Report(record) => event.serialize_field("record", record),
            Record::PlatformExtension(record) => event.serialize_field("record", record),
            Record::TelemetrySubscription(record) | Record::LogsSubscription(record) => {
                event.serialize_field("record", record)
            }
            Record::LogsDropped(record) => event.serialize_field("record", record),
            Record::Function(record) | Record::Extension(record) => event.serialize_field("record", record),
        }?;
        event.end()
    }
}

/// Why the environment was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitializationType {
    OnDemand,
    ProvisionedConcurrency,
    SnapStart,
    LambdaManagedInstances,
}

impl InitializationType {
    /// As `AWS_LAMBDA_INITIALIZATION_TYPE` says it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OnDemand => "on-demand",
            Self::ProvisionedConcurrency => "provisioned-concurrency",
            Self::SnapStart => "snap-start",
            Self::LambdaManagedInstances => "lambda-managed-instances",
        }
    }
}

/// Where init runs: by itself, or inside the first invocation after it had failed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    Init,
    Invoke,
}

/// How something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Success,
    /// The function reported an error.
    Error,
    /// The runtime or an extension crashed.
    Failure,
    Timeout,
}

/// `platform.initStart`
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InitStart {
    pub initialization_type: InitializationType,
    pub phase: Phase,
    #[serde(flatten)]
    pub instance: Instance,
}

/// What runs where; absent fields are left out.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_version_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_version: Option<String>,
    /// The log stream's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    #[serde(rename = "instanceMaxMemory", skip_serializing_if = "Option::is_none")]
    pub instance_max_memory_bytes: Option<u64>,
}

/// `platform.initRuntimeDone`
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InitRuntimeDone {
    pub initialization_type: InitializationType,
    pub phase: Phase,
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_type: Option<String>,
}

/// `platform.initReport`
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InitReport {
    pub initialization_type: InitializationType,
    pub phase: Phase,
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_type: Option<String>,
    pub metrics: DurationMetrics,
}

/// Metrics that are a duration and nothing else.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct DurationMetrics {
    #[serde(rename = "durationMs", serialize_with = "milliseconds")]
    pub duration: Duration,
}

/// `platform.restoreStart`
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct RestoreStart {
    pub instance: Instance,
}

/// `platform.restoreRuntimeDone`
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreRuntimeDone {
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_type: Option<String>,
}

/// `platform.restoreReport`
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreReport {
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_type: Option<String>,
    pub metrics: DurationMetrics,
}

/// `platform.start`
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Start {
    pub request_id: String,
    pub version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracing: Option<TraceContext>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
}

/// `platform.runtimeDone`
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeDone {
    pub request_id: String,
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<RuntimeDoneMetrics>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracing: Option<TraceContext>,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeDoneMetrics {
    #[serde(rename = "durationMs", serialize_with = "milliseconds")]
    pub duration: Duration,
    /// Size of the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub produced_bytes: Option<u64>,
}

/// A part of an invocation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Span {
    pub name: SpanName,
    /// Milliseconds since the Unix epoch.
    #[serde(rename = "start", serialize_with = "instant")]
    pub start_ms: i64,
    #[serde(rename = "durationMs", serialize_with = "milliseconds")]
    pub duration: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SpanName {
    /// From the event to the first byte of the response.
    ResponseLatency,
    /// From the first to the last byte of the response.
    ResponseDuration,
    /// From the last byte of the response to the call for the next event.
    RuntimeOverhead,
}

/// `platform.report`
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub request_id: String,
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_type: Option<String>,
    pub metrics: ReportMetrics,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracing: Option<TraceContext>,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportMetrics {
    #[serde(rename = "durationMs", serialize_with = "milliseconds")]
    pub duration: Duration,
    pub billed_duration_ms: u64,
    #[serde(rename = "memorySizeMB")]
    pub memory_size_mib: u64,
    #[serde(rename = "maxMemoryUsedMB")]
    pub max_memory_used_mib: u64,
    /// Of a cold start.
    #[serde(rename = "initDurationMs", serialize_with = "maybe_milliseconds", skip_serializing_if = "Option::is_none")]
    pub init_duration: Option<Duration>,
    #[serde(
        rename = "restoreDurationMs",
        serialize_with = "maybe_milliseconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub restore_duration: Option<Duration>,
}

/// The trace an invocation belongs to.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceContext {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span_id: Option<String>,
    #[serde(rename = "type")]
    pub kind: TraceKind,
    pub value: String,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub enum TraceKind {
    #[serde(rename = "X-Amzn-Trace-Id")]
    AmznTraceId,
}

/// `platform.extension`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlatformExtension {
    pub name: String,
    pub state: &'static str,
    pub events: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_type: Option<String>,
}

/// `platform.telemetrySubscription` and `platform.logsSubscription`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Subscription {
    /// Of the extension.
    pub name: String,
    pub state: &'static str,
    pub types: Vec<&'static str>,
}

/// `platform.logsDropped`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogsDropped {
    pub reason: String,
    pub dropped_records: u64,
    pub dropped_bytes: u64,
}

/// One record of a function's or an extension's own log.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum LogRecord {
    Text(String),
    /// With the JSON log format: the object as it was written.
    Json(Box<RawValue>),
}

/// Milliseconds with three decimals, as Lambda's own reports have.
#[expect(clippy::cast_precision_loss, reason = "a duration of 285 years would lose its microseconds")]
fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_micros() as f64 / 1_000.0)
}

fn maybe_milliseconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    milliseconds(&duration.unwrap_or_default(), serializer)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn instant<S: Serializer>(time_ms: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&iso8601_ms(*time_ms))
}

#[cfg(test)]
mod tests;
