//! One environment's log stream: makes events of output and records, keeps the tail, hands everything to the [`LogSink`].
//!
//! Order in the stream: INIT_START, output of the init, START, output, END, REPORT. During an invocation events are
//! collected and handed over together; a long one hands over what it has from time to time ([`FLUSH_INTERVAL`]).

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use hearth_ports::{Authorizer, FunctionVersion, LogEvent, LogFormat, LogSink, SystemLogLevel};
use hearth_runtime_api::TelemetryEvent;
use hearth_runtime_api::event::{self, Record};
use hearth_sandbox::{Environment, LOG_RECORD_BYTES_MAX, LogRecord, OutputSink};
use hearth_types::clock::format_utc;
use hearth_types::limits::LOG_TAIL_BYTES_MAX;
use hearth_types::{Clock, Random, RequestContext, RequestId, random};
use parking_lot::Mutex;
use serde_json::value::RawValue;

use crate::application_log::Filter;
use crate::log_permission::LogPermission;
use crate::report::{self, Line};
use crate::system_log;

/// A longer line becomes several events, as a longer record does.
pub(crate) const LINE_BYTES_MAX: usize = LOG_RECORD_BYTES_MAX;
/// More collected events than this are handed over in the middle of an invocation.
const PENDING_BYTES_MAX: usize = 64 << 10;
/// What an event counts beside its message: empty lines take memory too. Source: PutLogEvents counts as much.
const EVENT_OVERHEAD_BYTES: usize = 26;
/// How long lines of a running invocation stay invisible.
pub(crate) const FLUSH_INTERVAL: Duration = Duration::from_millis(500);

pub(crate) struct LogStream {
    sink: Arc<dyn LogSink>,
    clock: Arc<dyn Clock>,
    group: String,
    name: String,
    format: LogFormat,
    /// Of platform lines, in the JSON format.
    lowest: SystemLogLevel,
    permission: LogPermission,
    /// The environment whose log this is: extensions in it may listen.
    listeners: OnceLock<Weak<dyn Environment>>,
    state: Mutex<State>,
}

struct State {
    /// The function's role, as which Lambda writes the log; with the trace header of the newest invocation.
    context: RequestContext,
    filter: Filter,
    /// Of the newest event: events are in order, whatever their writers say of their time.
    newest_ms: i64,
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
        let group = version.log_group.clone();
        let permission = LogPermission::new(authorizer, &context, &group, &name);
        let (format, lowest) = (version.log_format, version.system_log_level);
        let state = Mutex::new(State::new(context, Filter::of(version)));
        Self { sink, clock, group, name, format, lowest, permission, listeners: OnceLock::new(), state }
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

    /// Opens an invocation; `tail` keeps its last bytes. Whoever gets its lines is told the trace.
    pub(crate) fn begin(&self, trace: Option<Arc<str>>, tail: bool) {
        let mut state = self.state.lock();
        state.context.trace = trace;
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
        let listener = self.listener();
        let event = (listener.is_some() || self.format == LogFormat::Json).then(|| system_log::event(line, now_ms));
        let message = match self.format {
            LogFormat::Text => report::text(line).map(Bytes::from),
            LogFormat::Json => event.as_ref().and_then(|event| self.json(event)),
        };
        self.add_platform(now_ms, message);
        if let (Some(listener), Some(event)) = (listener, event) {
            listener.publish(&event);
        }
    }

    /// Extensions in this environment hear the log from now on, and what came before: `first`.
    pub(crate) fn listened_to_in(&self, environment: &Arc<dyn Environment>, first: &Line<'_>) {
        // Once in the life of an environment.
        let _ = self.listeners.set(Arc::downgrade(environment));
        if let Some(listener) = self.listener() {
            listener.publish(&system_log::event(first, self.clock.now_ms()));
        }
    }

    /// The environment, if anybody in it wants to hear.
    fn listener(&self) -> Option<Arc<dyn Environment>> {
        self.listeners.get().and_then(Weak::upgrade).filter(|environment| environment.wants_telemetry())
    }

    /// Lets extensions hear an entry of the function's log.
    fn publish(&self, listener: &dyn Environment, time_ms: i64, entry: &[u8]) {
        let text = String::from_utf8_lossy(entry).into_owned();
        let json = (self.format == LogFormat::Json).then(|| RawValue::from_string(text.clone()).ok()).flatten();
        let record = Record::Function(json.map_or(event::LogRecord::Text(text), event::LogRecord::Json));
        listener.publish(&TelemetryEvent { time_ms, record });
    }

    /// `None` below the system log level.
    fn json(&self, event: &TelemetryEvent) -> Option<Bytes> {
        system_log::level(&event.record).is_some_and(|level| level >= self.lowest).then(|| event.to_json().into())
    }

    fn add_platform(&self, now_ms: i64, message: Option<Bytes>) {
        let mut state = self.state.lock();
        // What the function wrote without a line feed stands before the platform's next line.
        if !state.partial.is_empty() {
            state.end_line(now_ms);
        }
        if let Some(message) = message {
            state.add(now_ms, message);
        }
        if !state.in_invocation {
            self.hand_over(&mut state);
        }
    }

    /// Hands over what a long invocation has collected.
    pub(crate) fn flush(&self) {
        self.hand_over(&mut self.state.lock());
    }

    fn hand_over_if_due(&self, state: &mut State) {
        if !state.in_invocation || state.pending_bytes > PENDING_BYTES_MAX {
            self.hand_over(state);
        }
    }

    fn hand_over(&self, state: &mut State) {
        if !state.pending.is_empty() {
            state.pending_bytes = 0;
            let events = std::mem::take(&mut state.pending);
            let makes_group = || !self.sink.has_group(&state.context, &self.group);
            if self.permission.allows(&state.context, self.clock.now_ms(), makes_group) {
                self.sink.append(&state.context, &self.group, &self.name, events);
            }
        }
    }
}

impl OutputSink for LogStream {
    fn output(&self, bytes: &[u8]) {
        let now_ms = self.clock.now_ms();
        let listener = self.listener();
        let mut heard = Vec::new();
        let mut state = self.state.lock();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (line, ended) = match piece.strip_suffix(b"\n") {
                Some(line) => (line, true),
                None => (piece, false),
            };
            state.extend(now_ms, line);
            if ended {
                if listener.is_some() {
                    heard.push(state.partial.clone());
                }
                state.end_line(now_ms);
            }
        }
        self.hand_over_if_due(&mut state);
        drop(state);
        // Without the lock: whoever hears may have something to say.
        if let Some(listener) = listener {
            heard.iter().for_each(|line| self.publish(&*listener, now_ms, line));
        }
    }

    fn record(&self, record: LogRecord<'_>) {
        let now_ms = self.clock.now_ms();
        let listener = self.listener();
        let mut state = self.state.lock();
        if state.filter.keeps_record(&record) {
            let message = record.bytes.strip_suffix(b"\n").unwrap_or(record.bytes);
            state.add_by(record.timestamp_ms, now_ms, Bytes::copy_from_slice(message));
            self.hand_over_if_due(&mut state);
            drop(state);
            if let Some(listener) = listener {
                self.publish(&*listener, now_ms, message);
            }
        }
    }

    /// What happens around extensions; the text format has no lines for it.
    fn event(&self, event: &TelemetryEvent) {
        let message = if self.format == LogFormat::Json { self.json(event) } else { None };
        if message.is_some() {
            self.add_platform(self.clock.now_ms(), message);
        }
    }
}

impl State {
    fn new(context: RequestContext, filter: Filter) -> Self {
        Self {
            context,
            filter,
            newest_ms: i64::MIN,
            partial: Vec::new(),
            pending: Vec::new(),
            pending_bytes: 0,
            in_invocation: false,
            tail: None,
        }
    }

    /// Adds to the unfinished line; what makes it too long ends it.
    fn extend(&mut self, now_ms: i64, mut bytes: &[u8]) {
        while self.partial.len() + bytes.len() > LINE_BYTES_MAX {
            let (head, rest) = bytes.split_at(LINE_BYTES_MAX - self.partial.len());
            self.partial.extend_from_slice(head);
            self.end_line(now_ms);
            bytes = rest;
        }
        self.partial.extend_from_slice(bytes);
    }

    fn end_line(&mut self, now_ms: i64) {
        let line = std::mem::take(&mut self.partial);
        let (is_kept, said_ms) = self.filter.keeps_line(&line);
        if is_kept {
            self.add_by(said_ms.unwrap_or(now_ms), now_ms, line.into());
        }
    }

    /// Adds an event whose writer says when that was: neither in the future nor before the event in front of it.
    fn add_by(&mut self, said_ms: i64, now_ms: i64, message: Bytes) {
        self.add(said_ms.max(self.newest_ms).min(now_ms), message);
    }

    fn add(&mut self, timestamp_ms: i64, message: Bytes) {
        self.newest_ms = timestamp_ms;
        if let Some(tail) = &mut self.tail {
            tail.push(&message);
        }
        // In CloudWatch Logs a function's events end in a line feed. Source: Lambda developer guide, "View logs using the
        // AWS CLI".
        self.pending_bytes += message.len() + EVENT_OVERHEAD_BYTES;
        self.pending.push(LogEvent { timestamp_ms, message: with_line_feed(&message) });
    }
}

fn with_line_feed(message: &[u8]) -> Bytes {
    // A flood of empty lines would be a flood of allocations.
    if message.is_empty() {
        return Bytes::from_static(b"\n");
    }
    let mut line = Vec::with_capacity(message.len() + 1);
    line.extend_from_slice(message);
    line.push(b'\n');
    line.into()
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
mod tests;
