//! The same events in the words of the Logs API, which the Telemetry API replaced. Pure.
//!
//! Source: "Lambda Logs API", Lambda developer guide, section "Log messages".

use hearth_types::clock::iso8601_ms;
use serde::Serialize;

use crate::telemetry::event::{Record, Report, ReportMetrics, Status, TelemetryEvent};

/// Versions of the Logs API's schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogsSchema {
    /// `2020-08-15`
    First,
    /// `2021-03-18`, which adds `platform.runtimeDone`.
    WithRuntimeDone,
}

/// Calls `deliver` with each message that says `event` under `schema`: none, one or several.
pub(crate) fn messages(event: &TelemetryEvent, schema: LogsSchema, mut deliver: impl FnMut(Vec<u8>)) {
    let time_ms = event.time_ms;
    match &event.record {
        Record::Start(start) => {
            deliver(message(time_ms, "platform.start", &Request { request_id: &start.request_id }));
        }
        Record::RuntimeDone(done) if schema == LogsSchema::WithRuntimeDone => {
            // The status of a reported error is younger than this schema.
            let status = if done.status == Status::Error { Status::Failure } else { done.status };
            let record = RuntimeDone { request_id: &done.request_id, status };
            deliver(message(time_ms, "platform.runtimeDone", &record));
        }
        Record::Report(report) => {
            if let Some(fault) = fault(time_ms, report) {
                deliver(message(time_ms, "platform.fault", &fault));
            }
            deliver(message(time_ms, "platform.end", &Request { request_id: &report.request_id }));
            let record = LegacyReport { request_id: &report.request_id, metrics: &report.metrics };
            deliver(message(time_ms, "platform.report", &record));
        }
        // These say the same in both APIs.
        Record::PlatformExtension(_)
        | Record::LogsSubscription(_)
        | Record::LogsDropped(_)
        | Record::Function(_)
        | Record::Extension(_) => deliver(event.to_json()),
        // Not in this API.
        Record::InitStart(_)
        | Record::InitRuntimeDone(_)
        | Record::InitReport(_)
        | Record::RestoreStart(_)
        | Record::RestoreRuntimeDone(_)
        | Record::RestoreReport(_)
        | Record::RuntimeDone(_)
        | Record::TelemetrySubscription(_) => {}
    }
}

#[derive(Serialize)]
struct Message<'a, R> {
    time: String,
    #[serde(rename = "type")]
    kind: &'a str,
    record: &'a R,
}

fn message<R: Serialize>(time_ms: i64, kind: &str, record: &R) -> Vec<u8> {
    let message = Message { time: iso8601_ms(time_ms), kind, record };
    // Fails for maps with keys that are not text only; there is none.
    serde_json::to_vec(&message).unwrap_or_default()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    request_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RuntimeDone<'a> {
    request_id: &'a str,
    status: Status,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LegacyReport<'a> {
    request_id: &'a str,
    metrics: &'a ReportMetrics,
}

/// The sentence that says how an invocation went wrong; an error the function reported itself is none.
fn fault(time_ms: i64, report: &Report) -> Option<String> {
    let id = &report.request_id;
    match report.status {
        Status::Success | Status::Error => None,
        Status::Failure => Some(format!("RequestId: {id} Process exited before completing request")),
        Status::Timeout => {
            let seconds = report.metrics.duration.as_secs_f64();
            Some(format!("{} {id} Task timed out after {seconds:.2} seconds", iso8601_ms(time_ms)))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::telemetry::event::{LogRecord, RuntimeDone as Done, Start, Subscription};

    /// 2020-08-20T12:31:32.123Z
    const TIME_MS: i64 = 1_597_926_692_123;
    const ID: &str = "6f7f0961f83442118a7af6fe80b88d56";

    fn said(record: Record, schema: LogsSchema) -> Vec<String> {
        let mut said = Vec::new();
        messages(&TelemetryEvent { time_ms: TIME_MS, record }, schema, |message| {
            said.push(String::from_utf8(message).expect("text"));
        });
        said
    }

    fn report(status: Status) -> Record {
        Record::Report(Report {
            request_id: ID.to_owned(),
            status,
            error_type: None,
            metrics: ReportMetrics {
                duration: Duration::from_micros(101_510),
                billed_duration_ms: 300,
                memory_size_mib: 512,
                max_memory_used_mib: 33,
                init_duration: Some(Duration::from_micros(116_670)),
                restore_duration: None,
            },
            spans: Vec::new(),
            tracing: None,
        })
    }

    #[test]
    fn messages_look_as_the_developer_guide_shows_them() {
        let start = Start { request_id: ID.to_owned(), version: "1".to_owned(), tracing: None, tenant_id: None };
        assert_eq!(
            said(Record::Start(start), LogsSchema::First),
            [format!(
                r#"{{"time":"2020-08-20T12:31:32.123Z","type":"platform.start","record":{{"requestId":"{ID}"}}}}"#
            )]
        );
        assert_eq!(
            said(report(Status::Success), LogsSchema::First),
            [
                format!(
                    r#"{{"time":"2020-08-20T12:31:32.123Z","type":"platform.end","record":{{"requestId":"{ID}"}}}}"#
                ),
                format!(
                    r#"{{"time":"2020-08-20T12:31:32.123Z","type":"platform.report","record":{{"requestId":"{ID}","metrics":{{"durationMs":101.51,"billedDurationMs":300,"memorySizeMB":512,"maxMemoryUsedMB":33,"initDurationMs":116.67}}}}}}"#
                )
            ]
        );
        let subscription =
            Subscription { name: "Foo.bar".to_owned(), state: "Subscribed", types: vec!["function", "platform"] };
        assert_eq!(
            said(Record::LogsSubscription(subscription), LogsSchema::First),
            [
                r#"{"time":"2020-08-20T12:31:32.123Z","type":"platform.logsSubscription","record":{"name":"Foo.bar","state":"Subscribed","types":["function","platform"]}}"#
            ]
        );
        assert_eq!(
            said(Record::Function(LogRecord::Text("Hello World".to_owned())), LogsSchema::First),
            [r#"{"time":"2020-08-20T12:31:32.123Z","type":"function","record":"Hello World"}"#]
        );
    }

    #[test]
    fn a_crash_and_a_time_out_are_faults() {
        let crash = said(report(Status::Failure), LogsSchema::First);
        assert_eq!(crash.len(), 3);
        assert_eq!(
            crash[0],
            format!(
                r#"{{"time":"2020-08-20T12:31:32.123Z","type":"platform.fault","record":"RequestId: {ID} Process exited before completing request"}}"#
            )
        );
        assert!(said(report(Status::Timeout), LogsSchema::First)[0].contains("Task timed out after 0.10 seconds"));
    }

    #[test]
    fn runtime_done_needs_the_second_schema() {
        let done = |status| {
            Record::RuntimeDone(Done {
                request_id: ID.to_owned(),
                status,
                error_type: None,
                metrics: None,
                spans: Vec::new(),
                tracing: None,
            })
        };
        assert!(said(done(Status::Success), LogsSchema::First).is_empty());
        for (status, want) in [(Status::Success, "success"), (Status::Error, "failure"), (Status::Timeout, "timeout")] {
            assert_eq!(
                said(done(status), LogsSchema::WithRuntimeDone),
                [format!(
                    r#"{{"time":"2020-08-20T12:31:32.123Z","type":"platform.runtimeDone","record":{{"requestId":"{ID}","status":"{want}"}}}}"#
                )]
            );
        }
    }
}
