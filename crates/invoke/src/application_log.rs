//! Which of a function's own records its log keeps, and what a JSON line on stdout says of itself. Pure.
//!
//! Only the JSON format filters. Lines that are no JSON objects have no level and always pass. Source: Lambda developer
//! guide, "Log-level filtering".

use hearth_ports::{FunctionVersion, LogFormat, LogLevel};
use hearth_sandbox::LogRecord;
use hearth_types::clock::parse_rfc3339_ms;
use serde::Deserialize;
use serde_json::Value;

/// Names of levels in any case; the last two are what Python calls them.
const NAMES: &[(&str, LogLevel)] = &[
    ("TRACE", LogLevel::Trace),
    ("DEBUG", LogLevel::Debug),
    ("INFO", LogLevel::Info),
    ("WARN", LogLevel::Warn),
    ("ERROR", LogLevel::Error),
    ("FATAL", LogLevel::Fatal),
    ("WARNING", LogLevel::Warn),
    ("CRITICAL", LogLevel::Fatal),
];

/// The lowest level that is kept; `None` keeps everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filter(Option<LogLevel>);

/// What a JSON line says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    level: LogLevel,
    /// Milliseconds since the Unix epoch.
    pub(crate) timestamp_ms: Option<i64>,
}

/// The members that matter. Any value will do, so that a strange one does not make the object none.
#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    level: Value,
    #[serde(default)]
    timestamp: Value,
}

impl Filter {
    pub(crate) fn of(version: &FunctionVersion) -> Self {
        Self((version.log_format == LogFormat::Json).then_some(version.application_log_level))
    }

    fn keeps(self, level: LogLevel) -> bool {
        self.0.is_none_or(|lowest| level >= lowest)
    }

    /// Of a record that a runtime wrote as such.
    pub(crate) fn keeps_record(self, record: &LogRecord<'_>) -> bool {
        let said = || if record.is_json { level_member(record.bytes) } else { LogLevel::default() };
        self.0.is_none() || self.keeps(record.level.unwrap_or_else(said))
    }

    /// Of a line on stdout or stderr: whether it is kept, and by what time.
    pub(crate) fn keeps_line(self, line: &[u8]) -> (bool, Option<i64>) {
        match self.0.and_then(|_| said(line)) {
            Some(said) => (self.keeps(said.level), said.timestamp_ms),
            None => (true, None),
        }
    }
}

fn object(text: &[u8]) -> Option<Object> {
    let is_object = text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    if is_object { serde_json::from_slice(text).ok() } else { None }
}

/// INFO where there is none that is valid.
fn level_of(object: &Object) -> LogLevel {
    let name = object.level.as_str().unwrap_or_default();
    let known = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    known.map_or_else(LogLevel::default, |(_, level)| *level)
}

fn level_member(text: &[u8]) -> LogLevel {
    object(text).as_ref().map_or_else(LogLevel::default, level_of)
}

/// `None` for what is no JSON object. Without a valid timestamp the level counts as INFO, whatever it says.
fn said(line: &[u8]) -> Option<Said> {
    let object = object(line)?;
    let timestamp_ms = object.timestamp.as_str().and_then(parse_rfc3339_ms);
    let level = if timestamp_ms.is_some() { level_of(&object) } else { LogLevel::default() };
    Some(Said { level, timestamp_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Filter; 6] = {
        let [a, b, c, d, e, f] = LogLevel::ALL;
        [Filter(Some(a)), Filter(Some(b)), Filter(Some(c)), Filter(Some(d)), Filter(Some(e)), Filter(Some(f))]
    };

    /// From which application level on it is left out.
    fn kept(keeps: impl Fn(Filter) -> bool) -> Option<LogLevel> {
        ALL.into_iter().take_while(|filter| keeps(*filter)).filter_map(|filter| filter.0).last()
    }

    fn line(text: &str) -> Option<LogLevel> {
        assert!(Filter(None).keeps_line(text.as_bytes()).0, "the text format keeps everything");
        kept(|filter| filter.keeps_line(text.as_bytes()).0)
    }

    #[test]
    fn a_json_line_is_kept_up_to_the_level_it_names() {
        let named = |level: &str| line(&format!(r#"{{"timestamp":"2024-11-02T16:51:31.587199Z","level":{level}}}"#));
        let table = [
            (r#""TRACE""#, LogLevel::Trace),
            (r#""debug""#, LogLevel::Debug),
            (r#""Info""#, LogLevel::Info),
            (r#""WARN""#, LogLevel::Warn),
            (r#""WARNING""#, LogLevel::Warn),
            (r#""error""#, LogLevel::Error),
            (r#""FATAL""#, LogLevel::Fatal),
            (r#""CRITICAL""#, LogLevel::Fatal),
            (r#""loud""#, LogLevel::Info),
            ("7", LogLevel::Info),
            ("null", LogLevel::Info),
        ];
        for (name, highest) in table {
            assert_eq!(named(name), Some(highest), "{name}");
        }
    }

    #[test]
    fn a_json_line_without_level_or_valid_timestamp_counts_as_info() {
        let lines = [
            r#"{"message":"x"}"#,
            r#"{"timestamp":"2024-11-02T16:51:31Z"}"#,
            r#"{"level":"ERROR"}"#,
            r#"{"level":"DEBUG"}"#,
            r#"{"level":"ERROR","timestamp":"yesterday"}"#,
            r#"{"level":"ERROR","timestamp":1730566291}"#,
        ];
        for text in lines {
            assert_eq!(line(text), Some(LogLevel::Info), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_object_always_passes() {
        for text in ["", "plain", r#""level""#, r#"["level"]"#, r#"{"level":"DEBUG""#, "{}{}", "\u{1f600}"] {
            assert_eq!(line(text), Some(LogLevel::Fatal), "{text}");
        }
    }

    #[test]
    fn a_json_line_may_say_when_it_was_written() {
        let at = |text: &str| Filter(Some(LogLevel::Info)).keeps_line(text.as_bytes()).1;
        assert_eq!(at(r#"{"level":"INFO","timestamp":"2022-10-12T02:04:50.007+02:00"}"#), Some(1_665_533_090_007));
        assert_eq!(at(r#"{"level":"INFO"}"#), None);
    }

    #[test]
    fn a_record_is_kept_up_to_its_level_and_as_info_without_one() {
        let record = |level, is_json, text: &'static str| {
            let record = LogRecord { level, is_json, timestamp_ms: 0, bytes: text.as_bytes() };
            assert!(Filter(None).keeps_record(&record));
            kept(|filter| filter.keeps_record(&record))
        };
        for level in LogLevel::ALL {
            assert_eq!(record(Some(level), false, "x"), Some(level));
            assert_eq!(record(Some(level), true, r#"{"level":"INFO"}"#), Some(level), "the frame's level counts");
        }
        assert_eq!(record(None, false, r#"{"level":"ERROR"}"#), Some(LogLevel::Info));
        assert_eq!(record(None, true, r#"{"level":"ERROR"}"#), Some(LogLevel::Error));
        assert_eq!(record(None, true, r#"{"level":"loud"}"#), Some(LogLevel::Info));
        assert_eq!(record(None, true, "not JSON at all"), Some(LogLevel::Info));
    }
}
