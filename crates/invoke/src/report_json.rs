//! The platform's lines in the JSON log format: the events of the Telemetry API, one per line. Pure.
//!
//! At the default system log level INFO a successful `runtimeDone` (DEBUG) is left out. Source: "Lambda Telemetry API
//! Event schema reference" and "Configuring JSON and plain text log formats" in the Lambda developer guide.

use hearth_types::clock::iso8601_ms;
use serde_json::{Map, Value, json};

use crate::report::{Line, Report, Status};

const INITIALIZATION_TYPE: &str = "on-demand";

/// The line as JSON text; `None` for what the JSON format does not have.
pub(crate) fn json(line: &Line<'_>, now_ms: i64) -> Option<String> {
    let (kind, record) = match line {
        Line::InitStart { runtime_version, runtime_version_arn, function_name, version } => (
            "platform.initStart",
            json!({
                "initializationType": INITIALIZATION_TYPE, "phase": "init", "functionName": function_name,
                "functionVersion": version.to_string(), "runtimeVersion": runtime_version,
                "runtimeVersionArn": runtime_version_arn,
            }),
        ),
        Line::InitReport { duration, phase, status } => (
            "platform.initReport",
            with_status(
                status,
                json!({
                    "initializationType": INITIALIZATION_TYPE, "phase": phase.as_str(),
                    "metrics": { "durationMs": duration.millis() },
                }),
            ),
        ),
        Line::Start { request_id, version } => {
            ("platform.start", json!({ "requestId": request_id.as_str(), "version": version.to_string() }))
        }
        Line::End { status: Status::Success, .. } => return None,
        Line::End { request_id, duration, response_bytes, status } => (
            "platform.runtimeDone",
            with_status(
                status,
                json!({
                    "requestId": request_id.as_str(),
                    "metrics": { "durationMs": duration.millis(), "producedBytes": response_bytes },
                }),
            ),
        ),
        Line::Report(report) => ("platform.report", with_status(report.status, report_record(report))),
    };
    Some(json!({ "time": iso8601_ms(now_ms), "type": kind, "record": record }).to_string())
}

fn report_record(report: &Report<'_>) -> Value {
    let mut metrics = Map::from_iter([
        ("durationMs".to_owned(), json!(report.duration.millis())),
        ("billedDurationMs".to_owned(), json!(report.billed_ms)),
        ("memorySizeMB".to_owned(), json!(report.memory.0)),
        ("maxMemoryUsedMB".to_owned(), json!(report.memory_used.0)),
    ]);
    if let Some(init) = report.init {
        metrics.insert("initDurationMs".to_owned(), json!(init.millis()));
    }
    json!({ "requestId": report.request_id.as_str(), "metrics": metrics })
}

fn with_status(status: &Status, mut record: Value) -> Value {
    let (name, error_type) = match status {
        Status::Success => ("success", None),
        Status::Timeout => ("timeout", None),
        Status::FunctionError { error_type } | Status::Error { error_type } => ("error", Some(error_type)),
    };
    record["status"] = name.into();
    if let Some(error_type) = error_type {
        record["errorType"] = error_type.as_str().into();
    }
    record
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hearth_types::{Mebibytes, RequestId, Version};

    use super::*;
    use crate::report::Elapsed;

    const NOW_MS: i64 = 1_665_533_090_000;

    fn parsed(line: &Line<'_>) -> Value {
        serde_json::from_str(&json(line, NOW_MS).expect("has a JSON form")).expect("is JSON")
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
            status: &Status::Error { error_type: "Runtime.OutOfMemory".to_owned() },
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
    fn the_end_of_a_success_is_below_the_default_level() {
        let request_id = &RequestId::from("b1");
        let duration = Elapsed::from(Duration::from_secs(3));
        let end = |status| Line::End { request_id, duration, response_bytes: 0, status };
        assert_eq!(json(&end(&Status::Success), NOW_MS), None);
        let want = json!({
            "time": "2022-10-12T00:04:50.000Z", "type": "platform.runtimeDone",
            "record": { "requestId": "b1", "status": "timeout", "metrics": { "durationMs": 3000.0, "producedBytes": 0 } },
        });
        assert_eq!(parsed(&end(&Status::Timeout)), want);
    }

    #[test]
    fn a_start_names_request_and_version() {
        let start = Line::Start { request_id: &RequestId::from("b1"), version: Version::Published(3) };
        assert_eq!(parsed(&start)["record"], json!({ "requestId": "b1", "version": "3" }));
    }
}
