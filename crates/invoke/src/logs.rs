//! One environment's log stream: splits output into events, keeps the tail, hands everything to the [`LogSink`].
//!
//! Order in the stream: INIT_START, output of the init, START, output, END, REPORT. During an invocation events are
//! collected and handed over together; a long one hands over what it has from time to time ([`FLUSH_INTERVAL`]).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hearth_ports::{Authorizer, FunctionVersion, LogEvent, LogFormat, LogSink};
use hearth_sandbox::OutputSink;
use hearth_types::clock::format_utc;
use hearth_types::limits::LOG_TAIL_BYTES_MAX;
use hearth_types::{Clock, Random, RequestContext, RequestId, random};
use parking_lot::Mutex;

use crate::log_permission::LogPermission;
use crate::report::{self, Line};
use crate::report_json;

/// A longer line becomes several events. CloudWatch Logs takes events of up to 1 MB, Lambda sends up to 256 KB.
pub(crate) const LINE_BYTES_MAX: usize = 256 << 10;
/// More collected events than this are handed over in the middle of an invocation.
const PENDING_BYTES_MAX: usize = 64 << 10;
/// What an event counts beside its message: empty lines take memory too. Source: PutLogEvents counts as much.
const EVENT_OVERHEAD_BYTES: usize = 26;
/// How long lines of a running invocation stay invisible.
pub(crate) const FLUSH_INTERVAL: Duration = Duration::from_millis(500);

pub(crate) struct LogStream {
    sink: Arc<dyn LogSink>,
    clock: Arc<dyn Clock>,
    /// The function's role, as which Lambda writes the log.
    context: RequestContext,
    group: String,
    name: String,
    format: LogFormat,
    permission: LogPermission,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The line that has no end yet.
    partial: Vec<u8>,
    pending: Vec<LogEvent>,
    pending_bytes: usize,
    /// Between `begin` and `end`.
    in_invocation: bool,
    tail: Option<Tail>,
}

/// Last bytes of an invocation's log, line feeds included.
#[derive(Default)]
struct Tail(VecDeque<u8>);

impl LogStream {
    /// Who writes function logs and runs queued events.
    pub(crate) const PRINCIPAL: &'static str = "lambda.amazonaws.com";

    pub(crate) fn new(
        version: &FunctionVersion,
        sink: Arc<dyn LogSink>,
        authorizer: Arc<dyn Authorizer>,
        clock: Arc<dyn Clock>,
        random: &dyn Random,
        context: RequestContext,
    ) -> Self {
        let date = format_utc(clock.now_ms(), "%Y/%m/%d");
        let id = random::hex(random, 16);
        let own_group = version.log_group == format!("/aws/lambda/{}", version.name);
        // In a group that several functions share, the stream names the function.
        let function = if own_group { "" } else { version.name.as_str() };
        let name = format!("{date}/{function}[{}]{id}", version.version);
        let (group, format) = (version.log_group.clone(), version.log_format);
        let permission = LogPermission::new(authorizer, &context, &group, &name);
        Self { sink, clock, context, group, name, format, permission, state: Mutex::default() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A context for work on behalf of the function's account.
    pub(crate) fn context_of(version: &FunctionVersion, id: RequestId) -> RequestContext {
        let scope = hearth_types::Scope {
            partition: version.partition,
            account: version.account,
            region: Some(version.region.clone()),
        };
        RequestContext::service(&scope, Self::PRINCIPAL, id)
    }

    /// Opens an invocation; `tail` keeps its last bytes.
    pub(crate) fn begin(&self, tail: bool) {
        let mut state = self.state.lock();
        state.in_invocation = true;
        state.tail = tail.then(Tail::default);
    }

    /// Closes the invocation and hands over its events. The tail is complete, whether or not they are stored yet.
    pub(crate) fn end(&self) -> Option<Bytes> {
        let mut state = self.state.lock();
        state.in_invocation = false;
        self.hand_over(&mut state);
        state.tail.take().map(Tail::into_bytes)
    }

    /// Adds a line of the platform.
    pub(crate) fn platform(&self, line: &Line<'_>) {
        let now_ms = self.clock.now_ms();
        let text = match self.format {
            LogFormat::Text => Some(report::text(line)),
            LogFormat::Json => report_json::json(line, now_ms),
        };
        let mut state = self.state.lock();
        // What the function wrote without a line feed stands before the platform's next line.
        let partial = std::mem::take(&mut state.partial);
        if !partial.is_empty() {
            state.add(now_ms, partial.into());
        }
        if let Some(text) = text {
            state.add(now_ms, text.into());
        }
        if !state.in_invocation {
            self.hand_over(&mut state);
        }
    }

    /// Hands over what a long invocation has collected.
    pub(crate) fn flush(&self) {
        self.hand_over(&mut self.state.lock());
    }

    fn hand_over(&self, state: &mut State) {
        if !state.pending.is_empty() {
            state.pending_bytes = 0;
            let events = std::mem::take(&mut state.pending);
            let makes_group = || !self.sink.has_group(&self.context, &self.group);
            if self.permission.allows(&self.context, self.clock.now_ms(), makes_group) {
                self.sink.append(&self.context, &self.group, &self.name, events);
            }
        }
    }
}

impl OutputSink for LogStream {
    fn output(&self, bytes: &[u8]) {
        let now_ms = self.clock.now_ms();
        let mut state = self.state.lock();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (line, ended) = match piece.strip_suffix(b"\n") {
                Some(line) => (line, true),
                None => (piece, false),
            };
            state.extend(now_ms, line);
            if ended {
                let line = std::mem::take(&mut state.partial);
                state.add(now_ms, line.into());
            }
        }
        if !state.in_invocation || state.pending_bytes > PENDING_BYTES_MAX {
            self.hand_over(&mut state);
        }
    }
}

impl State {
    /// Adds to the unfinished line; what makes it too long ends it.
    fn extend(&mut self, now_ms: i64, mut bytes: &[u8]) {
        while self.partial.len() + bytes.len() > LINE_BYTES_MAX {
            let (head, rest) = bytes.split_at(LINE_BYTES_MAX - self.partial.len());
            self.partial.extend_from_slice(head);
            let line = std::mem::take(&mut self.partial);
            self.add(now_ms, line.into());
            bytes = rest;
        }
        self.partial.extend_from_slice(bytes);
    }

    fn add(&mut self, timestamp_ms: i64, message: Bytes) {
        if let Some(tail) = &mut self.tail {
            tail.push(&message);
        }
        self.pending_bytes += message.len() + EVENT_OVERHEAD_BYTES;
        self.pending.push(LogEvent { timestamp_ms, message });
    }
}

impl Tail {
    fn push(&mut self, line: &[u8]) {
        let kept = &line[line.len().saturating_sub(LOG_TAIL_BYTES_MAX - 1)..];
        self.0.extend(kept);
        self.0.push_back(b'\n');
        let excess = self.0.len().saturating_sub(LOG_TAIL_BYTES_MAX);
        self.0.drain(..excess);
        // Nor half a character: clients decode the tail as text.
        let rest = self.0.iter().take(UTF8_BYTES_MAX - 1).take_while(|byte| is_continuation(**byte)).count();
        self.0.drain(..rest);
    }

    fn into_bytes(self) -> Bytes {
        Vec::from(self.0).into()
    }
}

/// Bytes of one character. Source: RFC 3629.
const UTF8_BYTES_MAX: usize = 4;

/// A byte that stands in a character but never first.
const fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

#[cfg(test)]
mod tests {
    use hearth_types::{ManualClock, SeededRandom, Version};

    use super::*;
    use crate::testing::{Gatekeeper, Sink, function};

    fn stream(version: &FunctionVersion) -> (LogStream, Arc<Sink>) {
        let sink = Arc::new(Sink::default());
        let context = LogStream::context_of(version, RequestId::from("env"));
        let clock = Arc::new(ManualClock::at(1_768_232_232_000));
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
        log.begin(false);
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
        log.begin(false);
        start(&log, "a");
        log.flush();
        assert_eq!(sink.lines().len(), 1);
        log.output(&[b"x".repeat(PENDING_BYTES_MAX - EVENT_OVERHEAD_BYTES), b"\n".to_vec()].concat());
        assert_eq!(sink.lines().len(), 1, "at the limit");
        log.output(b"y\n");
        assert_eq!(sink.lines().len(), 3);
    }

    #[test]
    fn empty_lines_are_not_collected_without_end() {
        let (log, sink) = stream(&function("f"));
        log.begin(false);
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
        log.begin(true);
        start(&log, "a");
        log.output(b"hello\n");
        assert_eq!(log.end(), Some(Bytes::from_static(b"START RequestId: a Version: $LATEST\nhello\n")));
        log.begin(true);
        start(&log, "b");
        log.output(&[b"x".repeat(10_000), b"\nlast\n".to_vec()].concat());
        let tail = log.end().expect("asked for");
        assert_eq!(tail.len(), LOG_TAIL_BYTES_MAX);
        assert!(tail.ends_with(b"x\nlast\n"));
        log.begin(false);
        assert_eq!(log.end(), None);
    }

    #[test]
    fn the_tail_starts_with_a_whole_character() {
        let (log, _) = stream(&function("f"));
        for ascii in 0..4 {
            log.begin(true);
            log.output(&["x".repeat(ascii), "\u{1f600}".repeat(2_000), "\n".to_owned()].concat().into_bytes());
            let tail = log.end().expect("asked for");
            assert!(tail.len() > LOG_TAIL_BYTES_MAX - UTF8_BYTES_MAX, "{}", tail.len());
            assert!(std::str::from_utf8(&tail).is_ok());
        }
    }
}
