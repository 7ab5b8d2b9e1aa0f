//! How events look on the wire.

use super::*;

/// 2022-10-12T00:00:15.064Z
const TIME_MS: i64 = 1_665_532_815_064;

fn json(record: Record) -> String {
    String::from_utf8(TelemetryEvent { time_ms: TIME_MS, record }.to_json()).expect("text")
}

fn trace() -> Option<TraceContext> {
    let value = "Root=1-62e900b2-710d76f009d6e7785905449a;Parent=0efbd19962d95b05;Sampled=1".to_owned();
    Some(TraceContext { span_id: Some("54565fb41ac79632".to_owned()), kind: TraceKind::AmznTraceId, value })
}

/// The examples of AWS's schema reference, their members in our order.
#[test]
fn events_look_as_the_schema_reference_shows_them() {
    let request_id = || "6f7f0961f83442118a7af6fe80b88d56".to_owned();
    let span = |name| Span { name, start_ms: TIME_MS, duration: Duration::from_millis(70) };
    let cases = [
        (
            Record::InitStart(InitStart {
                initialization_type: InitializationType::OnDemand,
                phase: Phase::Init,
                instance: Instance {
                    runtime_version: Some("nodejs-14.v3".to_owned()),
                    function_name: Some("myFunction".to_owned()),
                    instance_max_memory_bytes: Some(268_435_456),
                    ..Instance::default()
                },
            }),
            r#"{"time":"2022-10-12T00:00:15.064Z","type":"platform.initStart","record":{"initializationType":"on-demand","phase":"init","runtimeVersion":"nodejs-14.v3","functionName":"myFunction","instanceMaxMemory":268435456}}"#,
        ),
        (
            Record::InitRuntimeDone(InitRuntimeDone {
                initialization_type: InitializationType::ProvisionedConcurrency,
                phase: Phase::Init,
                status: Status::Failure,
                error_type: Some("Runtime.ExitError".to_owned()),
            }),
            r#"{"time":"2022-10-12T00:00:15.064Z","type":"platform.initRuntimeDone","record":{"initializationType":"provisioned-concurrency","phase":"init","status":"failure","errorType":"Runtime.ExitError"}}"#,
        ),
        (
            Record::InitReport(InitReport {
                initialization_type: InitializationType::SnapStart,
                phase: Phase::Invoke,
                status: Status::Success,
                error_type: None,
                metrics: DurationMetrics { duration: Duration::from_micros(125_330) },
            }),
            r#"{"time":"2022-10-12T00:00:15.064Z","type":"platform.initReport","record":{"initializationType":"snap-start","phase":"invoke","status":"success","metrics":{"durationMs":125.33}}}"#,
        ),
        (
            Record::RestoreStart(RestoreStart { instance: Instance::default() }),
            r#"{"time":"2022-10-12T00:00:15.064Z","type":"platform.restoreStart","record":{}}"#,
        ),
        (
            Record::RestoreRuntimeDone(RestoreRuntimeDone { status: Status::Success, error_type: None }),
            r#"{"time":"2022-10-12T00:00:15.064Z","type":"platform.restoreRuntimeDone","record":{"status":"success"}}"#,
        ),
        (
            Record::RestoreReport(RestoreReport {
                status: Status::Timeout,
                error_type: None,
                metrics: DurationMetrics { duration: Duration::from_millis(15) },
            }),
            r#"{"time":"2022-10-12T00:00:15.064Z","type":"platform.restoreReport","record":{"status":"timeout","metrics":{"durationMs":15.0}}}"#,
        ),
        (
            Record::Start(Start {
                request_id: request_id(),
                version: "$LATEST".to_owned(),
                tracing: trace(),
                tenant_id: None,
            }),
            r#"{"time":"2022-10-12T00:00:15.064Z","type":"platform.start","record":{"requestId":"6f7f0961f83442118a7af6fe80b88d56","version":"$LATEST","tracing":{"spanId":"54565fb41ac79632","type":"X-Amzn-Trace-Id","value":"Root=1-62e900b2-710d76f009d6e7785905449a;Parent=0efbd19962d95b05;Sampled=1"}}}"#,
        ),
        (
            Record::RuntimeDone(RuntimeDone {
                request_id: request_id(),
                status: Status::Success,
                error_type: None,
                metrics: Some(RuntimeDoneMetrics { duration: Duration::from_millis(140), produced_bytes: Some(16) }),
                spans: vec![
                    span(SpanName::ResponseLatency),
                    span(SpanName::ResponseDuration),
                    span(SpanName::RuntimeOverhead),
                ],
                tracing: None,
            }),
            r#"{"time":"2022-10-12T00:00:15.064Z","type":"platform.runtimeDone","record":{"requestId":"6f7f0961f83442118a7af6fe80b88d56","status":"success","metrics":{"durationMs":140.0,"producedBytes":16},"spans":[{"name":"responseLatency","start":"2022-10-12T00:00:15.064Z","durationMs":70.0},{"name":"responseDuration","start":"2022-10-12T00:00:15.064Z","durationMs":70.0},{"name":"runtimeOverhead","start":"2022-10-12T00:00:15.064Z","durationMs":70.0}]}}"#,
        ),
        (
            Record::Report(Report {
                request_id: request_id(),
                status: Status::Success,
                error_type: None,
                metrics: ReportMetrics {
                    duration: Duration::from_micros(220_120),
                    billed_duration_ms: 221,
                    memory_size_mib: 128,
                    max_memory_used_mib: 36,
                    init_duration: Some(Duration::from_micros(116_670)),
                    restore_duration: None,
                },
                spans: Vec::new(),
                tracing: None,
            }),
            r#"{"time":"2022-10-12T00:00:15.064Z","type":"platform.report","record":{"requestId":"6f7f0961f83442118a7af6fe80b88d56","status":"success","metrics":{"durationMs":220.12,"billedDurationMs":221,"memorySizeMB":128,"maxMemoryUsedMB":36,"initDurationMs":116.67}}}"#,
        ),
        (
            Record::PlatformExtension(PlatformExtension {
                name: "my-extension".to_owned(),
                state: "Ready",
                events: vec!["SHUTDOWN", "INVOKE"],
                error_type: None,
            }),
            r#"{"time":"2022-10-12T00:00:15.064Z","type":"platform.extension","record":{"name":"my-extension","state":"Ready","events":["SHUTDOWN","INVOKE"]}}"#,
        ),
        (
            Record::TelemetrySubscription(Subscription {
                name: "my-extension".to_owned(),
                state: "Subscribed",
                types: vec!["platform", "function"],
            }),
            r#"{"time":"2022-10-12T00:00:15.064Z","type":"platform.telemetrySubscription","record":{"name":"my-extension","state":"Subscribed","types":["platform","function"]}}"#,
        ),
        (
            Record::LogsDropped(LogsDropped { reason: "r".to_owned(), dropped_records: 123, dropped_bytes: 12_345 }),
            r#"{"time":"2022-10-12T00:00:15.064Z","type":"platform.logsDropped","record":{"reason":"r","droppedRecords":123,"droppedBytes":12345}}"#,
        ),
        (
            Record::Function(LogRecord::Text("[INFO] Hello \"world\"\n".to_owned())),
            r#"{"time":"2022-10-12T00:00:15.064Z","type":"function","record":"[INFO] Hello \"world\"\n"}"#,
        ),
        (
            Record::Extension(LogRecord::Json(RawValue::from_string(r#"{"level": "INFO"}"#.to_owned()).expect("JSON"))),
            r#"{"time":"2022-10-12T00:00:15.064Z","type":"extension","record":{"level": "INFO"}}"#,
        ),
    ];
    for (record, want) in cases {
        assert_eq!(json(record), want);
    }
}
