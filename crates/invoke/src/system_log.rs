//! The platform's lines as the events of the Telemetry API, which the JSON log format shows, one per line, and the level
//! of each. Pure; [`hearth_runtime_api::event`] serialises them.
//!
//! Source: "Lambda Telemetry API Event schema reference" and "Log-level filtering" in the Lambda developer guide.

use std::time::Duration;

use hearth_ports::SystemLogLevel;
use hearth_runtime_api::TelemetryEvent;
use hearth_runtime_api::event::{
    self, DurationMetrics, InitReport, InitRuntimeDone, InitStart, InitializationType, Instance, Phase, Record,
    ReportMetrics, RuntimeDone, RuntimeDoneMetrics, Start,
};

use crate::report::{Elapsed, InitPhase, Line, Report, Status};

pub(crate) fn event(line: &Line<'_>, time_ms: i64) -> TelemetryEvent {
    let record = match line {
        Line::InitStart {
            initialization_type,
            runtime_version,
            runtime_version_arn,
            function_name,
            version,
            instance_id,
            memory,
        } => {
            let owned = |text: &str| Some(text.to_owned());
            Record::InitStart(InitStart {
                initialization_type: *initialization_type,
                phase: Phase::Init,
                instance: Instance {
                    runtime_version: runtime_version.map(str::to_owned),
                    runtime_version_arn: runtime_version_arn.map(str::to_owned),
                    function_name: owned(function_name),
                    function_version: Some(version.to_string()),
                    instance_id: owned(instance_id),
                    instance_max_memory_bytes: Some(memory.bytes()),
                },
            })
        }
        Line::InitRuntimeDone { initialization_type, phase, status } => {
            let (status, error_type) = outcome(status);
            let (initialization_type, phase) = (*initialization_type, (*phase).into());
            Record::InitRuntimeDone(InitRuntimeDone { initialization_type, phase, status, error_type })
        }
        Line::InitReport { initialization_type, duration, phase, status } => {
            let (status, error_type) = outcome(status);
            let metrics = DurationMetrics { duration: (*duration).into() };
            let (initialization_type, phase) = (*initialization_type, (*phase).into());
            Record::InitReport(InitReport { initialization_type, phase, status, error_type, metrics })
        }
        Line::Start { request_id, version } => Record::Start(Start {
            request_id: request_id.as_str().to_owned(),
            version: version.to_string(),
            tracing: None,
            tenant_id: None,
        }),
        Line::End { request_id, duration, response_bytes, status } => {
            let (status, error_type) = outcome(status);
            let produced_bytes = Some(*response_bytes as u64);
            Record::RuntimeDone(RuntimeDone {
                request_id: request_id.as_str().to_owned(),
                status,
                error_type,
                metrics: Some(RuntimeDoneMetrics { duration: (*duration).into(), produced_bytes }),
                spans: Vec::new(),
                tracing: None,
            })
        }
        Line::Report(report) => Record::Report(report_record(report)),
    };
    TelemetryEvent { time_ms, record }
}

fn report_record(report: &Report<'_>) -> event::Report {
    let (status, error_type) = outcome(report.status);
    event::Report {
        request_id: report.request_id.as_str().to_owned(),
        status,
        error_type,
        metrics: ReportMetrics {
            duration: report.duration.into(),
            billed_duration_ms: report.billed_ms,
            memory_size_mib: report.memory.0.into(),
            max_memory_used_mib: report.memory_used.0.into(),
            init_duration: report.init.map(Duration::from),
            restore_duration: None,
        },
        spans: Vec::new(),
        tracing: None,
    }
}

fn outcome(status: &Status) -> (event::Status, Option<String>) {
    match status {
        Status::Success => (event::Status::Success, None),
        Status::Timeout => (event::Status::Timeout, None),
        Status::FunctionError { error_type } | Status::Error { error_type } => {
            (event::Status::Error, Some(error_type.clone()))
        }
    }
}

impl From<InitPhase> for Phase {
    fn from(phase: InitPhase) -> Self {
        match phase {
            InitPhase::Init => Self::Init,
            InitPhase::Invoke => Self::Invoke,
        }
    }
}

impl From<Elapsed> for Duration {
    fn from(elapsed: Elapsed) -> Self {
        Self::from_micros(elapsed.micros())
    }
}

/// The system log level of an event; `None` for those that are no platform lines.
pub(crate) fn level(record: &Record) -> Option<SystemLogLevel> {
    use SystemLogLevel::{Debug, Info, Warn};
    let unless_failed = |status: event::Status, level| if status == event::Status::Success { level } else { Warn };
    Some(match record {
        Record::InitStart(start) if start.instance.runtime_version.is_none() => Debug,
        Record::InitStart(_) | Record::RestoreStart(_) | Record::Start(_) => Info,
        Record::InitRuntimeDone(done) => unless_failed(done.status, Debug),
        Record::RestoreRuntimeDone(done) => unless_failed(done.status, Debug),
        Record::RuntimeDone(done) => unless_failed(done.status, Debug),
        Record::InitReport(report) => {
            let is_on_demand = report.initialization_type == InitializationType::OnDemand;
            unless_failed(report.status, if is_on_demand { Debug } else { Info })
        }
        Record::RestoreReport(report) => unless_failed(report.status, Info),
        Record::Report(report) => unless_failed(report.status, Info),
        Record::PlatformExtension(_) | Record::TelemetrySubscription(_) | Record::LogsSubscription(_) => Info,
        Record::LogsDropped(_) => Warn,
        Record::Function(_) | Record::Extension(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use hearth_types::{Mebibytes, RequestId, Version};
    use serde_json::{Value, json};

    use super::*;

    const NOW_MS: i64 = 1_665_533_090_000;

    fn parsed(line: &Line<'_>) -> Value {
        serde_json::from_slice(&event(line, NOW_MS).to_json()).expect("is JSON")
    }

    fn failed() -> Status {
        Status::Error { error_type: "Runtime.OutOfMemory".to_owned() }
    }

    fn init_start() -> Line<'static> {
        Line::InitStart {
            initialization_type: InitializationType::OnDemand,
            runtime_version: Some("python:3.11.v1"),
            runtime_version_arn: Some("arn:aws:lambda:us-east-1::runtime:0a"),
            function_name: "f",
            version: Version::Latest,
            instance_id: "2022/10/12[$LATEST]0a",
            memory: Mebibytes(128),
        }
    }

    #[test]
    fn an_init_says_what_starts_where() {
        let want = json!({
            "time": "2022-10-12T00:04:50.000Z", "type": "platform.initStart", "record": {
                "initializationType": "on-demand", "phase": "init", "runtimeVersion": "python:3.11.v1",
                "runtimeVersionArn": "arn:aws:lambda:us-east-1::runtime:0a", "functionName": "f",
                "functionVersion": "$LATEST", "instanceId": "2022/10/12[$LATEST]0a", "instanceMaxMemory": 134_217_728,
            },
        });
        assert_eq!(parsed(&init_start()), want);
        let initialization_type = InitializationType::OnDemand;
        let done = Line::InitRuntimeDone { initialization_type, phase: InitPhase::Init, status: &Status::Success };
        let want = json!({ "initializationType": "on-demand", "phase": "init", "status": "success" });
        assert_eq!(parsed(&done)["record"], want);
        let duration = Elapsed::from(Duration::from_micros(1_250));
        let report = Line::InitReport { initialization_type, duration, phase: InitPhase::Invoke, status: &failed() };
        let want = json!({
            "initializationType": "on-demand", "phase": "invoke", "status": "error", "errorType": "Runtime.OutOfMemory",
            "metrics": { "durationMs": 1.25 },
        });
        assert_eq!(parsed(&report)["record"], want);
    }

    #[test]
    fn a_report_carries_its_metrics_and_status() {
        let report = Report {
            request_id: &RequestId::from("c2"),
            duration: Elapsed::from(Duration::from_micros(800_100)),
            init: Some(Elapsed::from(Duration::from_millis(5))),
            billed_ms: 806,
            memory: Mebibytes(128),
            memory_used: Mebibytes(128),
            status: &failed(),
        };
        let want = json!({
            "time": "2022-10-12T00:04:50.000Z", "type": "platform.report", "record": {
                "requestId": "c2", "status": "error", "errorType": "Runtime.OutOfMemory",
                "metrics": { "durationMs": 800.1, "billedDurationMs": 806, "memorySizeMB": 128, "maxMemoryUsedMB": 128,
                             "initDurationMs": 5.0 },
            },
        });
        assert_eq!(parsed(&Line::Report(report)), want);
    }

    #[test]
    fn start_and_end_name_their_request() {
        let request_id = &RequestId::from("b1");
        let start = Line::Start { request_id, version: Version::Published(3) };
        assert_eq!(parsed(&start)["record"], json!({ "requestId": "b1", "version": "3" }));
        let duration = Elapsed::from(Duration::from_secs(3));
        let end = Line::End { request_id, duration, response_bytes: 0, status: &Status::Timeout };
        let want = json!({
            "time": "2022-10-12T00:04:50.000Z", "type": "platform.runtimeDone",
            "record": { "requestId": "b1", "status": "timeout", "metrics": { "durationMs": 3000.0, "producedBytes": 0 } },
        });
        assert_eq!(parsed(&end), want);
    }

    /// Source: the reference's table of the documented levels.
    #[test]
    fn every_event_has_its_documented_level() {
        use SystemLogLevel::{Debug, Info, Warn};
        let request_id = &RequestId::from("b1");
        let duration = Elapsed::default();
        let (success, failed) = (&Status::Success, &failed());
        let function_error = &Status::FunctionError { error_type: "Function.Unknown".to_owned() };
        let phase = InitPhase::Init;
        let report = |status| {
            let memory = Mebibytes(128);
            Line::Report(Report { request_id, duration, init: None, billed_ms: 1, memory, memory_used: memory, status })
        };
        let end = |status| Line::End { request_id, duration, response_bytes: 0, status };
        let initialization_type = InitializationType::OnDemand;
        let lines = [
            (init_start(), Info),
            (Line::InitRuntimeDone { initialization_type, phase, status: success }, Debug),
            (Line::InitRuntimeDone { initialization_type, phase, status: failed }, Warn),
            (Line::InitReport { initialization_type, duration, phase, status: success }, Debug),
            (Line::InitReport { initialization_type, duration, phase, status: &Status::Timeout }, Warn),
            (Line::Start { request_id, version: Version::Latest }, Info),
            (end(success), Debug),
            (end(function_error), Warn),
            (end(&Status::Timeout), Warn),
            (report(success), Info),
            (report(failed), Warn),
            (report(&Status::Timeout), Warn),
        ];
        for (line, want) in lines {
            assert_eq!(level(&event(&line, NOW_MS).record), Some(want), "{line:?}");
        }
        let unknown = InitStart { initialization_type, phase: Phase::Init, instance: Instance::default() };
        let provisioned = InitReport {
            initialization_type: InitializationType::ProvisionedConcurrency,
            phase: Phase::Init,
            status: event::Status::Success,
            error_type: None,
            metrics: DurationMetrics { duration: Duration::ZERO },
        };
        let subscription = event::Subscription { name: "x".to_owned(), state: "Subscribed", types: vec!["platform"] };
        let extension =
            event::PlatformExtension { name: "x".to_owned(), state: "Ready", events: vec!["INVOKE"], error_type: None };
        let dropped = event::LogsDropped { reason: "slow".to_owned(), dropped_records: 1, dropped_bytes: 2 };
        let records = [
            (Record::InitStart(unknown), Some(Debug)),
            (Record::InitReport(provisioned.clone()), Some(Info)),
            (Record::InitReport(InitReport { status: event::Status::Failure, ..provisioned }), Some(Warn)),
            (Record::RestoreStart(event::RestoreStart { instance: Instance::default() }), Some(Info)),
            (Record::PlatformExtension(extension), Some(Info)),
            (Record::TelemetrySubscription(subscription), Some(Info)),
            (Record::LogsDropped(dropped), Some(Warn)),
            (Record::Function(event::LogRecord::Text("x".to_owned())), None),
        ];
        for (record, want) in records {
            assert_eq!(level(&record), want, "{record:?}");
        }
    }
}
