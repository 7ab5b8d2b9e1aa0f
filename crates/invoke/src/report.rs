//! The lines the platform itself writes into a function's log, to the letter. Pure.
//!
//! Forms recorded from the real service: tabs between fields, a tab at the end of a successful REPORT, none behind a
//! status. Since August 2025 the billed duration includes the init phase.

use std::fmt;
use std::time::Duration;

use hearth_runtime_api::event::InitializationType;
use hearth_types::{Mebibytes, RequestId, Version};

/// A measured time in hundredths of a millisecond, the precision of the log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Elapsed(u64);

impl Elapsed {
    pub(crate) const fn micros(self) -> u64 {
        self.0 * 10
    }

    /// Whole milliseconds, rounded up, at least one: what is billed for this time and the init before it.
    pub(crate) fn billed_ms(self, init: Option<Self>) -> u64 {
        (self.0 + init.map_or(0, |init| init.0)).div_ceil(100).max(1)
    }
}

impl From<Duration> for Elapsed {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_micros() / 10).unwrap_or(u64::MAX / 2))
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// How a phase ended, as the log tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Success,
    /// Reported by the function's own code through `/error`: the text log shows no status then.
    FunctionError {
        error_type: String,
    },
    /// The platform or the runtime failed.
    Error {
        error_type: String,
    },
    Timeout,
}

/// In which phase an init ran: `invoke` is the init that a failed one is repeated with ("suppressed init").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InitPhase {
    Init,
    Invoke,
}

impl InitPhase {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Invoke => "invoke",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Report<'a> {
    pub(crate) request_id: &'a RequestId,
    pub(crate) duration: Elapsed,
    /// Of the environment's first invocation only.
    pub(crate) init: Option<Elapsed>,
    pub(crate) billed_ms: u64,
    pub(crate) memory: Mebibytes,
    pub(crate) memory_used: Mebibytes,
    pub(crate) status: &'a Status,
}

/// One line of the platform.
#[derive(Clone, Debug)]
pub(crate) enum Line<'a> {
    InitStart {
        initialization_type: InitializationType,
        /// None of an image.
        runtime_version: Option<&'a str>,
        runtime_version_arn: Option<&'a str>,
        function_name: &'a str,
        version: Version,
        /// The log stream.
        instance_id: &'a str,
        memory: Mebibytes,
    },
    /// The text format has no line for it.
    InitRuntimeDone {
        initialization_type: InitializationType,
        phase: InitPhase,
        status: &'a Status,
    },
    /// The text format has a line for an init that failed, or that ran ahead of invocations: it stands in no REPORT then.
    InitReport {
        initialization_type: InitializationType,
        duration: Elapsed,
        phase: InitPhase,
        status: &'a Status,
    },
    Start {
        request_id: &'a RequestId,
        version: Version,
    },
    End {
        request_id: &'a RequestId,
        duration: Elapsed,
        response_bytes: usize,
        status: &'a Status,
    },
    Report(Report<'a>),
}

/// The line in the text format, without the line feed; `None` for what that format does not tell.
pub(crate) fn text(line: &Line<'_>) -> Option<String> {
    Some(match line {
        Line::InitStart { runtime_version: None, .. } | Line::InitStart { runtime_version_arn: None, .. } => {
            return None;
        }
        Line::InitStart {
            runtime_version: Some(runtime_version),
            runtime_version_arn: Some(runtime_version_arn),
            ..
        } => {
            format!("INIT_START Runtime Version: {runtime_version}\tRuntime Version ARN: {runtime_version_arn}")
        }
        Line::InitRuntimeDone { .. }
        | Line::InitReport { initialization_type: InitializationType::OnDemand, status: Status::Success, .. } => {
            return None;
        }
        Line::InitReport { duration, phase, status, .. } => {
            format!("INIT_REPORT Init Duration: {duration} ms\tPhase: {}\t{}", phase.as_str(), StatusText(status))
        }
        Line::Start { request_id, version } => format!("START RequestId: {request_id} Version: {version}"),
        Line::End { request_id, .. } => format!("END RequestId: {request_id}"),
        Line::Report(report) => report_text(report),
    })
}

fn report_text(report: &Report<'_>) -> String {
    use fmt::Write as _;
    let Report { request_id, duration, init, billed_ms, memory, memory_used, status } = report;
    let mut line = String::with_capacity(192);
    // Writing to a String cannot fail.
    let _ = write!(
        line,
        "REPORT RequestId: {request_id}\tDuration: {duration} ms\tBilled Duration: {billed_ms} ms\t\
         Memory Size: {memory} MB\tMax Memory Used: {memory_used} MB\t"
    );
    if let Some(init) = init {
        let _ = write!(line, "Init Duration: {init} ms\t");
    }
    let _ = write!(line, "{}", StatusText(status));
    line
}

struct StatusText<'a>(&'a Status);

impl fmt::Display for StatusText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Status::Success | Status::FunctionError { .. } => Ok(()),
            Status::Timeout => f.write_str("Status: timeout"),
            Status::Error { error_type } => write!(f, "Status: error\tError Type: {error_type}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(line: &Line<'_>) -> String {
        text(line).expect("has a text form")
    }

    fn elapsed(hundredths: u64) -> Elapsed {
        Elapsed::from(Duration::from_micros(hundredths * 10))
    }

    fn report(duration: u64, init: Option<u64>, memory_used: u32, status: &Status) -> String {
        let (duration, init) = (elapsed(duration), init.map(elapsed));
        line(&Line::Report(Report {
            request_id: &RequestId::from("13222b1e"),
            duration,
            init,
            billed_ms: duration.billed_ms(init),
            memory: Mebibytes(128),
            memory_used: Mebibytes(memory_used),
            status,
        }))
    }

    #[test]
    fn start_end_and_init_start_are_as_recorded() {
        let request_id = &RequestId::from("13222b1e");
        assert_eq!(
            line(&Line::Start { request_id, version: Version::Latest }),
            "START RequestId: 13222b1e Version: $LATEST"
        );
        assert_eq!(
            line(&Line::Start { request_id, version: Version::Published(7) }),
            "START RequestId: 13222b1e Version: 7"
        );
        let end = Line::End { request_id, duration: elapsed(1), response_bytes: 0, status: &Status::Timeout };
        assert_eq!(line(&end), "END RequestId: 13222b1e");
        assert_eq!(
            line(&Line::InitStart {
                initialization_type: InitializationType::OnDemand,
                runtime_version: Some("python:3.10.v11"),
                runtime_version_arn: Some("arn:aws:lambda:us-east-1::runtime:0a"),
                function_name: "f",
                version: Version::Latest,
                instance_id: "2026/01/12[$LATEST]0a",
                memory: Mebibytes(128),
            }),
            "INIT_START Runtime Version: python:3.10.v11\tRuntime Version ARN: arn:aws:lambda:us-east-1::runtime:0a"
        );
    }

    #[test]
    fn a_successful_report_ends_with_a_tab() {
        assert_eq!(
            report(301, None, 36, &Status::Success),
            "REPORT RequestId: 13222b1e\tDuration: 3.01 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\t"
        );
        assert_eq!(
            report(237, Some(42_398), 95, &Status::Success),
            "REPORT RequestId: 13222b1e\tDuration: 2.37 ms\tBilled Duration: 427 ms\tMemory Size: 128 MB\t\
             Max Memory Used: 95 MB\tInit Duration: 423.98 ms\t"
        );
    }

    #[test]
    fn an_error_of_the_functions_own_code_shows_no_status() {
        let status = Status::FunctionError { error_type: "Function.Unknown".to_owned() };
        assert!(report(301, None, 36, &status).ends_with("Max Memory Used: 36 MB\t"));
    }

    #[test]
    fn a_failed_report_ends_with_its_status() {
        assert_eq!(
            report(300_000, None, 64, &Status::Timeout),
            "REPORT RequestId: 13222b1e\tDuration: 3000.00 ms\tBilled Duration: 3000 ms\tMemory Size: 128 MB\t\
             Max Memory Used: 64 MB\tStatus: timeout"
        );
        let status = Status::Error { error_type: "Runtime.ExitError".to_owned() };
        assert_eq!(
            report(124_831, Some(29_305), 94, &status),
            "REPORT RequestId: 13222b1e\tDuration: 1248.31 ms\tBilled Duration: 1542 ms\tMemory Size: 128 MB\t\
             Max Memory Used: 94 MB\tInit Duration: 293.05 ms\tStatus: error\tError Type: Runtime.ExitError"
        );
    }

    #[test]
    fn a_failed_init_is_reported_with_its_phase() {
        let initialization_type = InitializationType::OnDemand;
        let timeout = Line::InitReport {
            initialization_type,
            duration: elapsed(123_604),
            phase: InitPhase::Init,
            status: &Status::Timeout,
        };
        assert_eq!(line(&timeout), "INIT_REPORT Init Duration: 1236.04 ms\tPhase: init\tStatus: timeout");
        let status = Status::Error { error_type: "Runtime.ExitError".to_owned() };
        let crash =
            Line::InitReport { initialization_type, duration: elapsed(487), phase: InitPhase::Invoke, status: &status };
        assert_eq!(
            line(&crash),
            "INIT_REPORT Init Duration: 4.87 ms\tPhase: invoke\tStatus: error\tError Type: Runtime.ExitError"
        );
    }

    #[test]
    fn of_an_init_that_succeeds_the_text_tells_when_it_ran_ahead_of_invocations() {
        let initialization_type = InitializationType::OnDemand;
        let (phase, status) = (InitPhase::Init, &Status::Success);
        assert_eq!(text(&Line::InitReport { initialization_type, duration: elapsed(1), phase, status }), None);
        assert_eq!(text(&Line::InitRuntimeDone { initialization_type, phase, status: &Status::Timeout }), None);
        let initialization_type = InitializationType::ProvisionedConcurrency;
        assert_eq!(
            line(&Line::InitReport { initialization_type, duration: elapsed(12_345), phase, status }),
            "INIT_REPORT Init Duration: 123.45 ms\tPhase: init\t"
        );
    }

    #[test]
    fn billing_rounds_the_sum_up_to_whole_milliseconds() {
        // AWS's example since August 2025: duration 133.61 ms and init 80.00 ms are billed as 214 ms.
        assert_eq!(elapsed(13_361).billed_ms(Some(elapsed(8_000))), 214);
        assert_eq!(elapsed(60_000_000).billed_ms(Some(elapsed(47_675))), 600_477);
        assert_eq!(elapsed(300).billed_ms(None), 3);
        assert_eq!(elapsed(301).billed_ms(None), 4);
        assert_eq!(elapsed(0).billed_ms(None), 1);
    }
}
