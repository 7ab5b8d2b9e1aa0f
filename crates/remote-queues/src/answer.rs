//! What an answer that refuses means: for now or for good, by whose fault.
//!
//! Source: SQS API reference, "Common errors", and the errors of each operation; recorded answers.

use hearth_ports::QueueError;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::limits::REFUSAL_LETTERS_MAX;

/// The queue is not there: today's name of it, and that of the older protocol, which some servers still answer with.
const NO_QUEUE: [&str; 2] = ["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"];
/// The server's credentials are not good, or not good enough.
const NO_LEAVE: [&str; 13] = [
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "OptInRequired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];
/// Less would be answered.
const TOO_MUCH: [&str; 7] = [
    "KmsThrottled",
    "OverLimit",
    "RequestThrottled",
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

#[derive(Debug, Default, Deserialize)]
struct Refusal {
    #[serde(rename = "__type", alias = "code", default)]
    kind: String,
    #[serde(alias = "Message", default)]
    message: String,
}

/// `endpoint`: where it comes from, for whoever reads it.
pub(crate) fn refusal(endpoint: &str, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> QueueError {
    let Refusal { kind, message } = serde_json::from_slice(body).unwrap_or_default();
    // `com.amazonaws.sqs#QueueDoesNotExist`, or the older name in a header: `NAME;Sender`.
    let kind = kind.rsplit('#').next().unwrap_or_default();
    let older = headers.get("x-amzn-query-error").and_then(|value| value.to_str().ok());
    let older = older.and_then(|value| value.split(';').next()).unwrap_or_default();
    let is_one_of = |names: &[&str]| names.iter().any(|name| *name == kind || *name == older);
    let name = if kind.is_empty() { older } else { kind };
    let message: String = if message.is_empty() && name.is_empty() {
        let text = String::from_utf8_lossy(&body[..body.len().min(REFUSAL_LETTERS_MAX)]);
        text.lines().next().unwrap_or_default().to_owned()
    } else {
        message.chars().take(REFUSAL_LETTERS_MAX).collect()
    };
    let shown = format!("{endpoint} answers {status}: {name} {message}").trim_end().to_owned();
    if is_one_of(&NO_QUEUE) {
        return QueueError::NotFound;
    }
    if is_one_of(&NO_LEAVE) || matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return QueueError::Elsewhere { message: format!("The credentials of [[remote_queues]] are refused: {shown}") };
    }
    if is_one_of(&TOO_MUCH) || status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return QueueError::Elsewhere { message: shown };
    }
    if status.is_client_error() {
        return QueueError::Invalid { message: shown };
    }
    QueueError::Elsewhere { message: format!("{shown} (that is no answer of SQS)") }
}

/// No answer at all, or none that can be read.
pub(crate) fn silence(endpoint: &str, why: impl std::fmt::Display) -> QueueError {
    QueueError::Elsewhere { message: format!("{endpoint} does not answer: {why}") }
}
