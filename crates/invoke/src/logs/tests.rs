//! What a log stream makes of what is written to it.

use hearth_ports::LogLevel;
use hearth_types::{ManualClock, SeededRandom, Version};

use super::*;
use crate::testing::world::START_MS as NOW_MS;
use crate::testing::{Gatekeeper, Sink, function};

fn stream(version: &FunctionVersion) -> (LogStream, Arc<Sink>) {
    let sink = Arc::new(Sink::default());
    let context = LogStream::context_of(version, RequestId::from("env"));
    let clock = Arc::new(ManualClock::at(NOW_MS));
    (
        LogStream::new(
            version,
            Arc::clone(&sink) as _,
            Arc::<Gatekeeper>::default(),
            clock,
            &SeededRandom::new(3),
            context,
        ),
        sink,
    )
}

fn record(level: Option<LogLevel>, text: &str) -> LogRecord<'_> {
    LogRecord { level, is_json: false, timestamp_ms: NOW_MS, bytes: text.as_bytes() }
}

fn start(log: &LogStream, id: &str) {
    log.platform(&Line::Start { request_id: &RequestId::from(id), version: Version::Latest });
}

#[test]
fn the_stream_is_named_by_date_version_and_a_random_id() {
    let (log, _) = stream(&function("f"));
    let id = log.name().strip_prefix("2026/01/12/[$LATEST]").expect("recorded form");
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let mut shared = function("f");
    shared.log_group = "team".to_owned();
    assert!(stream(&shared).0.name().starts_with("2026/01/12/f[$LATEST]"));
}

#[test]
fn output_becomes_one_event_per_line_in_order() {
    let (log, sink) = stream(&function("f"));
    log.begin(None, false);
    start(&log, "a");
    for piece in ["one\ntw", "o\n", "\nno line feed"] {
        log.output(piece.as_bytes());
    }
    log.platform(&Line::End {
        request_id: &RequestId::from("a"),
        duration: crate::report::Elapsed::default(),
        response_bytes: 0,
        status: &crate::report::Status::Success,
    });
    assert_eq!(sink.lines(), [""; 0], "handed over together");
    assert_eq!(log.end(), None);
    assert_eq!(
        sink.lines(),
        ["START RequestId: a Version: $LATEST", "one", "two", "", "no line feed", "END RequestId: a"]
    );
}

#[test]
fn output_outside_an_invocation_is_handed_over_at_once() {
    let (log, sink) = stream(&function("f"));
    log.output(b"init\n");
    assert_eq!(sink.lines(), ["init"]);
}

#[test]
fn a_long_invocation_shows_what_it_has_when_flushed_or_when_it_is_much() {
    let (log, sink) = stream(&function("f"));
    log.begin(None, false);
    start(&log, "a");
    log.flush();
    assert_eq!(sink.lines().len(), 1);
    log.output(&[b"x".repeat(PENDING_BYTES_MAX - EVENT_OVERHEAD_BYTES), b"\n".to_vec()].concat());
    assert_eq!(sink.lines().len(), 1, "at the limit");
    log.output(b"y\n");
    assert_eq!(sink.lines().len(), 3);
}

#[test]
fn a_record_is_one_event_whatever_line_feeds_it_has() {
    let (log, sink) = stream(&function("f"));
    log.begin(None, true);
    log.output(b"unfinished");
    log.record(record(None, "[ERROR] x\nTraceback\n  File\n"));
    log.output(b" line\n");
    assert_eq!(log.end(), Some(Bytes::from_static(b"[ERROR] x\nTraceback\n  File\nunfinished line\n")));
    assert_eq!(sink.lines(), ["[ERROR] x\nTraceback\n  File", "unfinished line"]);
}

#[test]
fn many_records_are_handed_over_in_the_middle_of_an_invocation() {
    let (log, sink) = stream(&function("f"));
    log.begin(None, false);
    log.record(record(None, &"x".repeat(PENDING_BYTES_MAX - EVENT_OVERHEAD_BYTES)));
    assert_eq!(sink.lines().len(), 0, "at the limit");
    log.record(record(None, "y"));
    assert_eq!(sink.lines().len(), 2);
}

#[test]
fn a_record_keeps_its_time_unless_that_would_break_the_order() {
    let (log, sink) = stream(&function("f"));
    for said_ms in [NOW_MS - 70, NOW_MS - 20, NOW_MS - 50, i64::MAX, 0] {
        log.record(LogRecord { timestamp_ms: said_ms, ..record(None, "x") });
    }
    let want = [NOW_MS - 70, NOW_MS - 20, NOW_MS - 20, NOW_MS, NOW_MS];
    assert_eq!(sink.times_ms(), want);
}

#[test]
fn the_json_format_keeps_records_and_lines_from_the_application_log_level_on() {
    const DEBUG: &str = r#"{"timestamp":"2026-01-12T15:37:11Z","level":"DEBUG","message":"line"}"#;
    const ERROR: &str = r#"{"timestamp":"2026-01-12T15:37:11Z","level":"ERROR","message":"line"}"#;
    for lowest in LogLevel::ALL {
        for format in [LogFormat::Json, LogFormat::Text] {
            let version = FunctionVersion { log_format: format, application_log_level: lowest, ..function("f") };
            let (log, sink) = stream(&version);
            for level in LogLevel::ALL {
                log.record(record(Some(level), level.as_str()));
            }
            log.output(format!("plain\n{DEBUG}\n{ERROR}\n").as_bytes());
            let keeps = |level: LogLevel| format == LogFormat::Text || level >= lowest;
            let mut want: Vec<&str> =
                LogLevel::ALL.into_iter().filter(|level| keeps(*level)).map(LogLevel::as_str).collect();
            want.push("plain");
            want.extend(keeps(LogLevel::Debug).then_some(DEBUG));
            want.extend(keeps(LogLevel::Error).then_some(ERROR));
            assert_eq!(sink.lines(), want, "{format:?} {lowest:?}");
        }
    }
}

#[test]
fn the_json_format_shows_platform_lines_from_the_system_log_level_on() {
    let request_id = &RequestId::from("a");
    let duration = crate::report::Elapsed::default();
    let end = |status| Line::End { request_id, duration, response_bytes: 0, status };
    let failed = crate::report::Status::Timeout;
    let table = [
        (SystemLogLevel::Debug, &["start", "runtimeDone", "runtimeDone"][..]),
        (SystemLogLevel::Info, &["start", "runtimeDone"]),
        (SystemLogLevel::Warn, &["runtimeDone"]),
    ];
    for (lowest, want) in table {
        let version = FunctionVersion { log_format: LogFormat::Json, system_log_level: lowest, ..function("f") };
        let (log, sink) = stream(&version);
        start(&log, "a");
        log.platform(&end(&crate::report::Status::Success));
        log.platform(&end(&failed));
        let kinds = sink.lines().into_iter().map(|line| {
            let event: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            event["type"].as_str().expect("type").trim_start_matches("platform.").to_owned()
        });
        assert_eq!(kinds.collect::<Vec<_>>(), want, "{lowest:?}");
    }
}

#[test]
fn events_of_extensions_are_lines_of_the_json_format() {
    let extension = hearth_runtime_api::event::PlatformExtension {
        name: "watcher".to_owned(),
        state: "Ready",
        events: vec!["INVOKE"],
        error_type: None,
    };
    let record = hearth_runtime_api::event::Record::PlatformExtension(extension);
    let event = TelemetryEvent { time_ms: NOW_MS, record };
    let shown = |format, system_log_level| {
        let (log, sink) = stream(&FunctionVersion { log_format: format, system_log_level, ..function("f") });
        log.event(&event);
        sink.lines()
    };
    let json = String::from_utf8(event.to_json()).expect("text");
    assert_eq!(shown(LogFormat::Json, SystemLogLevel::Info), [json]);
    assert_eq!(shown(LogFormat::Json, SystemLogLevel::Warn), [""; 0]);
    assert_eq!(shown(LogFormat::Text, SystemLogLevel::Debug), [""; 0]);
}

#[test]
fn empty_lines_are_not_collected_without_end() {
    let (log, sink) = stream(&function("f"));
    log.begin(None, false);
    log.output(&b"\n".repeat(PENDING_BYTES_MAX));
    assert_eq!(sink.lines().len(), PENDING_BYTES_MAX);
}

#[test]
fn a_line_without_end_is_cut_into_bounded_events() {
    let (log, sink) = stream(&function("f"));
    log.output(&b"x".repeat(2 * LINE_BYTES_MAX + 5));
    log.output(b"\n");
    assert_eq!(sink.lines().iter().map(String::len).collect::<Vec<_>>(), [LINE_BYTES_MAX, LINE_BYTES_MAX, 5]);
}

#[test]
fn the_tail_is_the_last_four_kilobytes_with_line_feeds() {
    let (log, _) = stream(&function("f"));
    log.begin(None, true);
    start(&log, "a");
    log.output(b"hello\n");
    assert_eq!(log.end(), Some(Bytes::from_static(b"START RequestId: a Version: $LATEST\nhello\n")));
    log.begin(None, true);
    start(&log, "b");
    log.output(&[b"x".repeat(10_000), b"\nlast\n".to_vec()].concat());
    let tail = log.end().expect("asked for");
    assert_eq!(tail.len(), LOG_TAIL_BYTES_MAX);
    assert!(tail.ends_with(b"x\nlast\n"));
    log.begin(None, false);
    assert_eq!(log.end(), None);
}

#[test]
fn the_tail_starts_with_a_whole_character() {
    let (log, _) = stream(&function("f"));
    for ascii in 0..4 {
        log.begin(None, true);
        log.output(&["x".repeat(ascii), "\u{1f600}".repeat(2_000), "\n".to_owned()].concat().into_bytes());
        let tail = log.end().expect("asked for");
        assert!(tail.len() > LOG_TAIL_BYTES_MAX - UTF8_BYTES_MAX, "{}", tail.len());
        assert!(std::str::from_utf8(&tail).is_ok());
    }
}
