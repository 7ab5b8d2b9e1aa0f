//! Which call a request is, and what its answer body means. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::http::body::Trailers;
use crate::http::head::{Head, Method};
use crate::telemetry::subscription::Api;
use crate::{FunctionError, RuntimeAnswer};

/// Sources: "Using the Lambda runtime API for custom runtimes", "Using the Lambda Extensions API to create extensions",
/// "Lambda Telemetry API reference", "Lambda Logs API" and "Using the Lambda metadata endpoint", Lambda developer guide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Next,
    Response {
        id: String,
    },
    Error {
        id: String,
    },
    InitError,
    Ping,
    Extension(ExtensionCall),
    Metadata,
    /// Hearth's own: what a prepared runtime process is for.
    Assignment,
    WrongMethod,
    Unknown,
}

/// A call of the Extensions API, or of one of those that need its identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExtensionCall {
    Register,
    Next,
    InitError,
    ExitError,
    Subscribe(Api),
}

impl Call {
    pub(crate) fn of(method: Method, path: &str) -> Self {
        let (call, expected) = match path.strip_prefix("/2018-06-01/") {
            Some("runtime/invocation/next") => (Self::Next, Method::Get),
            Some("runtime/init/error") => (Self::InitError, Method::Post),
            Some("ping") => (Self::Ping, Method::Get),
            // For whoever does not know better there is no such path.
            Some("hearth/assignment") if method == Method::Get => return Self::Assignment,
            Some(rest) => match rest.strip_prefix("runtime/invocation/").and_then(|rest| rest.split_once('/')) {
                Some((id, "response")) => (Self::Response { id: id.to_owned() }, Method::Post),
                Some((id, "error")) => (Self::Error { id: id.to_owned() }, Method::Post),
                _ => return Self::Unknown,
            },
            None => match path {
                "/2020-01-01/extension/register" => (Self::Extension(ExtensionCall::Register), Method::Post),
                "/2020-01-01/extension/event/next" => (Self::Extension(ExtensionCall::Next), Method::Get),
                "/2020-01-01/extension/init/error" => (Self::Extension(ExtensionCall::InitError), Method::Post),
                "/2020-01-01/extension/exit/error" => (Self::Extension(ExtensionCall::ExitError), Method::Post),
                // The reference writes the path with a slash at its end, and its example without.
                "/2022-07-01/telemetry" | "/2022-07-01/telemetry/" => {
                    (Self::Extension(ExtensionCall::Subscribe(Api::Telemetry)), Method::Put)
                }
                "/2020-08-15/logs" | "/2020-08-15/logs/" => {
                    (Self::Extension(ExtensionCall::Subscribe(Api::Logs)), Method::Put)
                }
                "/2026-01-15/metadata/execution-environment" => (Self::Metadata, Method::Get),
                _ => return Self::Unknown,
            },
        };
        if method == expected { call } else { Self::WrongMethod }
    }
}

/// The body of a registration.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Registration {
    events: Option<Vec<String>>,
    configuration_keys: Option<Vec<String>>,
}

/// What an extension that registers wants to be told.
///
/// # Errors
/// The text for `errorMessage`.
pub(crate) fn registration(body: &[u8]) -> Result<Vec<String>, String> {
    let registration: Registration = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if registration.configuration_keys.is_some_and(|keys| !keys.is_empty()) {
        return Err("configurationKeys are deprecated; use environment variables instead".to_owned());
    }
    Ok(registration.events.unwrap_or_default())
}

/// Whether the extension wants the account id: `Lambda-Extension-Accept-Feature: accountId`.
pub(crate) fn wants_account_id(head: &Head) -> bool {
    let features = head.extension.accept_feature.as_deref().unwrap_or_default();
    features.split(',').any(|feature| feature.trim() == "accountId")
}

/// How the body of a `/response` is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseMode {
    Buffered,
    Streaming,
    /// A value of `Lambda-Runtime-Function-Response-Mode` that does not exist.
    Invalid,
}

impl ResponseMode {
    pub(crate) fn of(head: &Head) -> Self {
        match head.response_mode.as_deref() {
            None | Some("") => Self::Buffered,
            Some("streaming") => Self::Streaming,
            Some(_) => Self::Invalid,
        }
    }
}

/// What a whole `/response` body answers.
pub(crate) fn response(mode: ResponseMode, body: Bytes, trailers: Trailers) -> RuntimeAnswer {
    match mode {
        ResponseMode::Invalid => RuntimeAnswer::Error(FunctionError {
            body: Bytes::from_static(
                br#"{"errorType":"Runtime.InvalidResponseModeHeader","errorMessage":"Invalid function response mode"}"#,
            ),
            error_type: Some("Runtime.InvalidResponseModeHeader".to_owned()),
        }),
        ResponseMode::Streaming => match trailers_error(trailers) {
            Some(error) => RuntimeAnswer::Error(error),
            None => RuntimeAnswer::Response { body },
        },
        ResponseMode::Buffered => RuntimeAnswer::Response { body },
    }
}

/// What a `/response` body answers that was passed on as it came, `bytes` of it.
pub(crate) fn streamed(bytes: usize, trailers: Trailers) -> RuntimeAnswer {
    trailers_error(trailers).map_or(RuntimeAnswer::Streamed { bytes }, RuntimeAnswer::Error)
}

/// The function failed after it had begun to stream.
fn trailers_error(trailers: Trailers) -> Option<FunctionError> {
    if trailers == Trailers::default() {
        return None;
    }
    let body = trailers.error_body.unwrap_or_default();
    let body = STANDARD.decode(&body).map_or_else(|_| Bytes::from(body), Bytes::from);
    Some(FunctionError { body, error_type: trailers.error_type.as_deref().map(known_error_type) })
}

/// A `/error` body that also carries a cause for X-Ray, which the caller does not see.
const WITH_CAUSE: &str = "application/vnd.aws.lambda.error.cause+json";

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct ErrorWithCause {
    error_message: String,
    error_type: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stack_trace: Vec<String>,
}

/// What a whole `/error` body reports.
pub(crate) fn function_error(head: &Head, body: Bytes) -> FunctionError {
    let error_type = head.error_type.as_deref().filter(|text| !text.is_empty()).map(known_error_type);
    let body = match head.content_type.as_deref() {
        Some(WITH_CAUSE) => serde_json::from_slice::<ErrorWithCause>(&body)
            .and_then(|error| serde_json::to_vec(&error))
            .map_or(Bytes::from_static(br#""Invalid error body""#), Bytes::from),
        _ => body,
    };
    FunctionError { body, error_type }
}

/// Error types outside AWS's pattern are not passed on. Source: the Runtime Interface Emulator.
fn known_error_type(text: &str) -> String {
    if is_error_type(text) {
        text.to_owned()
    } else if text.starts_with("Function.") {
        "Function.Unknown".to_owned()
    } else {
        "Runtime.Unknown".to_owned()
    }
}

/// Whether `(Runtime|Function)\.[A-Z][a-zA-Z]+` occurs in the text.
fn is_error_type(text: &str) -> bool {
    ["Runtime.", "Function."].iter().flat_map(|prefix| text.match_indices(prefix)).any(|(at, prefix)| {
        let mut name = text[at + prefix.len()..].bytes();
        name.next().is_some_and(|first| first.is_ascii_uppercase())
            && name.next().is_some_and(|second| second.is_ascii_alphabetic())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::Framing;
    use crate::http::head::{ExtensionHeaders, Persistence};

    #[test]
    fn every_documented_call_is_known_and_nothing_else() {
        use Method::{Get, Other, Post, Put};
        let id = || "8476a536".to_owned();
        let cases = [
            (Get, "/2018-06-01/runtime/invocation/next", Call::Next),
            (Post, "/2018-06-01/runtime/invocation/8476a536/response", Call::Response { id: id() }),
            (Post, "/2018-06-01/runtime/invocation/8476a536/error", Call::Error { id: id() }),
            (Post, "/2018-06-01/runtime/init/error", Call::InitError),
            (Get, "/2018-06-01/ping", Call::Ping),
            (Post, "/2018-06-01/runtime/invocation/next", Call::WrongMethod),
            (Other, "/2018-06-01/runtime/init/error", Call::WrongMethod),
            (Get, "/2018-06-01/runtime/invocation/8476a536/other", Call::Unknown),
            (Get, "/2018-06-01/runtime/restore/next", Call::Unknown),
            (Get, "/2018-06-01/hearth/assignment", Call::Assignment),
            (Post, "/2018-06-01/hearth/assignment", Call::Unknown),
            (Post, "/2020-01-01/extension/register", Call::Extension(ExtensionCall::Register)),
            (Get, "/2020-01-01/extension/event/next", Call::Extension(ExtensionCall::Next)),
            (Post, "/2020-01-01/extension/init/error", Call::Extension(ExtensionCall::InitError)),
            (Post, "/2020-01-01/extension/exit/error", Call::Extension(ExtensionCall::ExitError)),
            (Put, "/2022-07-01/telemetry", Call::Extension(ExtensionCall::Subscribe(Api::Telemetry))),
            (Put, "/2020-08-15/logs", Call::Extension(ExtensionCall::Subscribe(Api::Logs))),
            (Get, "/2026-01-15/metadata/execution-environment", Call::Metadata),
            (Post, "/2026-01-15/metadata/execution-environment", Call::WrongMethod),
            (Get, "/2020-01-01/extension/register", Call::WrongMethod),
            (Get, "/2020-01-01/runtime/invocation/next", Call::Unknown),
            (Get, "/", Call::Unknown),
        ];
        for (method, path, want) in cases {
            assert_eq!(Call::of(method, path), want, "{path}");
        }
    }

    #[test]
    fn a_registration_names_its_events_and_nothing_deprecated() {
        assert_eq!(registration(br#"{"events":["INVOKE"]}"#), Ok(vec!["INVOKE".to_owned()]));
        assert_eq!(registration(br#"{"events":null,"other":1}"#), Ok(Vec::new()));
        assert_eq!(
            registration(br#"{"events":[],"configurationKeys":["k"]}"#),
            Err("configurationKeys are deprecated; use environment variables instead".to_owned())
        );
        for malformed in ["", "[", r#"{"events":"INVOKE"}"#, r#"{"events":[1]}"#] {
            assert!(registration(malformed.as_bytes()).is_err(), "{malformed}");
        }
    }

    #[test]
    fn error_types_outside_the_pattern_become_unknown() {
        let cases = [
            ("Runtime.ImportModuleError", "Runtime.ImportModuleError"),
            ("Function.Whatever", "Function.Whatever"),
            ("Function.lower", "Function.Unknown"),
            ("ValueError", "Runtime.Unknown"),
            ("Runtime.X", "Runtime.Unknown"),
            ("Runtime.", "Runtime.Unknown"),
        ];
        for (text, want) in cases {
            assert_eq!(known_error_type(text), want, "{text}");
        }
    }

    fn head(content_type: &str) -> Head {
        Head {
            method: Method::Post,
            path: String::new(),
            framing: Framing::Length(0),
            persistence: Persistence::Open,
            expect_continue: false,
            content_type: Some(content_type.to_owned()),
            error_type: None,
            response_mode: None,
            authorization: None,
            extension: ExtensionHeaders::default(),
        }
    }

    #[test]
    fn the_caller_does_not_see_the_cause_meant_for_x_ray() {
        let body =
            Bytes::from_static(br#"{"errorMessage":"m","errorType":"T","stackTrace":["s"],"errorCause":{"a":1}}"#);
        let error = function_error(&head(WITH_CAUSE), body);
        assert_eq!(&error.body[..], br#"{"errorMessage":"m","errorType":"T","stackTrace":["s"]}"#);
        let broken = function_error(&head(WITH_CAUSE), Bytes::from_static(b"{"));
        assert_eq!(&broken.body[..], br#""Invalid error body""#);
    }

    #[test]
    fn any_other_error_body_is_passed_on_untouched() {
        let error = function_error(&head("application/json"), Bytes::from_static(b"not json"));
        assert_eq!(error, FunctionError { body: Bytes::from_static(b"not json"), error_type: None });
    }

    #[test]
    fn a_stream_that_ends_with_error_trailers_is_an_error() {
        let trailers =
            Trailers { error_type: Some("Function.Boom".to_owned()), error_body: Some("eyJhIjoxfQ==".to_owned()) };
        let answer = response(ResponseMode::Streaming, Bytes::from_static(b"partial"), trailers.clone());
        let want =
            FunctionError { body: Bytes::from_static(br#"{"a":1}"#), error_type: Some("Function.Boom".to_owned()) };
        assert_eq!(answer, RuntimeAnswer::Error(want));
        let buffered = response(ResponseMode::Buffered, Bytes::from_static(b"1"), trailers);
        assert_eq!(buffered, RuntimeAnswer::Response { body: Bytes::from_static(b"1") });
    }
}
