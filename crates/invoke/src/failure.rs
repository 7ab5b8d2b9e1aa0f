//! From the cause of a failure to the payload the caller gets. Pure.
//!
//! The status is 200 and `X-Amz-Function-Error` is `Unhandled` in every case recorded from the real service.

use bytes::Bytes;
use hearth_sandbox::{ExitCause, ExtensionFailure, FunctionError, InitFailure};
use hearth_types::{Millis, RequestId};
use serde::Serialize;

use crate::report::Status;

/// Value of `X-Amz-Function-Error`.
pub(crate) const FUNCTION_ERROR: &str = "Unhandled";

/// Why an invocation that reached its environment has no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The runtime posted it to `/error`.
    Reported(FunctionError),
    /// The runtime could not be made ready, also not by the repeated init inside the invocation.
    Init(InitFailure),
    TimedOut {
        timeout: Millis,
    },
    Exited(ExitCause),
    /// An extension ended the environment.
    Extension(ExtensionFailure),
    ResponseTooLarge {
        bytes_max: u64,
    },
    ResponseTruncated,
    /// The machine had no memory left for it, though the function kept to its setting. The caller is throttled.
    Evicted,
}

impl Failure {
    /// Whether the machine's memory was the reason, not the function's.
    pub(crate) fn is_for_want_of_memory(&self) -> bool {
        let machine = ExitCause::OutOfHostMemory;
        *self == Self::Evicted || *self == Self::Exited(machine) || *self == Self::Init(InitFailure::Exited(machine))
    }
}

/// What a failure looks like from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) payload: Bytes,
    pub(crate) status: Status,
}

/// Field order as recorded: most platform errors name the type first.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TypeFirst<'a> {
    error_type: &'a str,
    error_message: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageFirst<'a> {
    error_message: &'a str,
    error_type: &'a str,
}

pub(crate) fn describe(failure: &Failure, request_id: &RequestId) -> Described {
    let platform = |error_type: &str, reported_type: &str, detail: &str| Described {
        payload: json(&TypeFirst { error_type, error_message: &format!("RequestId: {request_id} Error: {detail}") }),
        status: Status::Error { error_type: reported_type.to_owned() },
    };
    match failure {
        Failure::Reported(error) => Described {
            payload: error.body.clone(),
            status: Status::FunctionError { error_type: known_type(error.error_type.as_deref(), "Function.Unknown") },
        },
        Failure::Init(failure @ InitFailure::Reported(error)) => {
            Described { payload: error.body.clone(), status: init_status(failure) }
        }
        Failure::Init(InitFailure::Extension(failure)) | Failure::Extension(failure) => {
            platform(failure.error_type, failure.error_type, &failure.message)
        }
        Failure::Init(InitFailure::Launch { error_type, message }) => platform(error_type, error_type, message),
        Failure::Init(InitFailure::Exited(cause)) | Failure::Exited(cause) => {
            platform(EXIT_ERROR, reported_type(cause), &exit_text(cause))
        }
        Failure::TimedOut { timeout } => {
            let text = format!(
                "RequestId: {request_id} Error: Task timed out after {}.{:02} seconds",
                timeout.0 / 1000,
                timeout.0 % 1000 / 10
            );
            Described {
                payload: json(&TypeFirst { error_type: "Sandbox.Timedout", error_message: &text }),
                status: Status::Timeout,
            }
        }
        Failure::ResponseTooLarge { bytes_max } => {
            let error_type = "Function.ResponseSizeTooLarge";
            let error_message =
                &format!("Response payload size exceeded maximum allowed payload size ({bytes_max} bytes).");
            Described {
                payload: json(&MessageFirst { error_message, error_type }),
                status: Status::Error { error_type: error_type.to_owned() },
            }
        }
        Failure::ResponseTruncated => {
            let error_type = "Runtime.TruncatedResponse";
            platform(error_type, error_type, "Runtime closed the connection before the end of the response")
        }
        Failure::Evicted => platform(SANDBOX_ERROR, SANDBOX_ERROR, "The machine has no memory left"),
    }
}

/// How a failed init is reported in INIT_REPORT.
pub(crate) fn init_status(failure: &InitFailure) -> Status {
    let error_type = match failure {
        InitFailure::Reported(error) => known_type(error.error_type.as_deref(), "Runtime.Unknown"),
        InitFailure::Exited(cause) => reported_type(cause).to_owned(),
        InitFailure::Extension(failure) => failure.error_type.to_owned(),
        InitFailure::Launch { error_type, .. } => (*error_type).to_owned(),
    };
    Status::Error { error_type }
}

const EXIT_ERROR: &str = "Runtime.ExitError";
const SANDBOX_ERROR: &str = "Sandbox.Failure";

/// The payload of an OOM kill says `Runtime.ExitError`, the REPORT line (as recorded since 2025) the cause.
fn reported_type(cause: &ExitCause) -> &'static str {
    match cause {
        ExitCause::OutOfMemory => "Runtime.OutOfMemory",
        ExitCause::OutOfHostMemory => SANDBOX_ERROR,
        ExitCause::Exited(_) | ExitCause::Signaled(_) => EXIT_ERROR,
    }
}

fn exit_text(cause: &ExitCause) -> String {
    match cause {
        ExitCause::Exited(0) => "Runtime exited without providing a reason".to_owned(),
        cause => format!("Runtime exited with error: {}", cause.words()),
    }
}

/// A type is passed on when it has the form `(Runtime|Function).[A-Z][A-Za-z]+`, else it is unknown.
fn known_type(given: Option<&str>, unknown: &str) -> String {
    let known = given.filter(|name| {
        let rest = name.strip_prefix("Runtime.").or_else(|| name.strip_prefix("Function."));
        rest.is_some_and(|rest| {
            rest.len() >= 2
                && rest.starts_with(|first: char| first.is_ascii_uppercase())
                && rest.bytes().all(|byte| byte.is_ascii_alphabetic())
        })
    });
    known.unwrap_or(unknown).to_owned()
}

fn json(value: &impl Serialize) -> Bytes {
    // Two strings always serialise; an empty object would still be valid JSON.
    serde_json::to_vec(value).map_or_else(|_| Bytes::from_static(b"{}"), Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(failure: &Failure) -> String {
        String::from_utf8(describe(failure, &RequestId::from("<id>")).payload.to_vec()).expect("UTF-8")
    }

    #[test]
    fn payloads_are_those_of_the_reference() {
        let exited = |cause| Failure::Exited(cause);
        let table = [
            (
                Failure::TimedOut { timeout: Millis(1_000) },
                r#"{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: <id> Error: Task timed out after 1.00 seconds"}"#,
            ),
            (
                exited(ExitCause::Exited(0)),
                r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: <id> Error: Runtime exited without providing a reason"}"#,
            ),
            (
                exited(ExitCause::Exited(127)),
                r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: <id> Error: Runtime exited with error: exit status 127"}"#,
            ),
            (
                exited(ExitCause::OutOfMemory),
                r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: <id> Error: Runtime exited with error: signal: killed"}"#,
            ),
            (
                exited(ExitCause::Signaled(11)),
                r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: <id> Error: Runtime exited with error: signal: segmentation fault"}"#,
            ),
            (
                Failure::Init(InitFailure::Exited(ExitCause::Exited(1))),
                r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: <id> Error: Runtime exited with error: exit status 1"}"#,
            ),
            (
                Failure::ResponseTooLarge { bytes_max: 6_291_556 },
                r#"{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).","errorType":"Function.ResponseSizeTooLarge"}"#,
            ),
            (
                Failure::Init(InitFailure::Launch {
                    error_type: "Runtime.InvalidEntrypoint",
                    message: "fork/exec /var/task/bootstrap: no such file or directory".to_owned(),
                }),
                r#"{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"RequestId: <id> Error: fork/exec /var/task/bootstrap: no such file or directory"}"#,
            ),
        ];
        for (failure, want) in table {
            assert_eq!(payload(&failure), want);
        }
    }

    #[test]
    fn what_the_runtime_posted_goes_to_the_caller_untouched() {
        let body = r#"{ "errorMessage":"Unable to import module 'x': No module named 'x'","errorType":"Runtime.ImportModuleError","requestId":"","stackTrace":[]}"#;
        let error = FunctionError { body: body.into(), error_type: Some("Runtime.ImportModuleError".to_owned()) };
        assert_eq!(payload(&Failure::Init(InitFailure::Reported(error.clone()))), body);
        assert_eq!(payload(&Failure::Reported(error)), body);
    }

    #[test]
    fn the_report_names_the_type() {
        let status = |failure| describe(&failure, &RequestId::from("r")).status;
        let reported = |name: &str| FunctionError { body: Bytes::new(), error_type: Some(name.to_owned()) };
        let error = |name: &str| Status::Error { error_type: name.to_owned() };
        assert_eq!(status(Failure::TimedOut { timeout: Millis(3_000) }), Status::Timeout);
        assert_eq!(status(Failure::Exited(ExitCause::OutOfMemory)), error("Runtime.OutOfMemory"));
        assert_eq!(status(Failure::Exited(ExitCause::Exited(1))), error("Runtime.ExitError"));
        let init = |name: &str| status(Failure::Init(InitFailure::Reported(reported(name))));
        assert_eq!(init("Runtime.ImportModuleError"), error("Runtime.ImportModuleError"));
        assert_eq!(init("Runtime.3"), error("Runtime.Unknown"));
        assert_eq!(init("ValueError"), error("Runtime.Unknown"));
        assert_eq!(
            status(Failure::Reported(reported("Exception"))),
            Status::FunctionError { error_type: "Function.Unknown".to_owned() }
        );
    }
}
