//! What SQS answers when it refuses: one enum, with AWS's codes and HTTP status beside it.
//!
//! SQS has two names for each error: the one of its JSON protocol and the older one of its query protocol, which SDKs
//! show to this day. Texts are the recorded ones where a recording exists, else the API reference's.

use hearth_ports::{Denied, QueueError};
use hearth_store::{RecordError, StoreError};
use hearth_wire::ErrorAnswer;
use http::StatusCode;

/// A refused request. The text is what the caller sees; internal detail goes to the log instead.
#[derive(Debug, thiserror::Error)]
pub enum SqsError {
    #[error("The specified queue does not exist.")]
    NoSuchQueue,
    #[error("A queue already exists with the same name and a different value for attribute {0}")]
    QueueExists(String),
    #[error("The address {0} is not valid for this endpoint.")]
    InvalidAddress(String),
    #[error("{0}")]
    AttributeName(String),
    #[error("{0}")]
    AttributeValue(String),
    #[error("{0}")]
    Invalid(String),
    #[error("The request must contain the parameter {0}.")]
    Missing(&'static str),
    #[error("Only one PurgeQueue operation on {0} is allowed every 60 seconds.")]
    PurgeInProgress(String),
    #[error("The input receipt handle \"{0}\" is not a valid receipt handle.")]
    ReceiptHandle(String),
    #[error(
        "Value {0} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change."
    )]
    NotInFlight(String),
    #[error("{0}")]
    OverLimit(String),
    #[error("There should be at least one {0} in the request.")]
    EmptyBatch(&'static str),
    #[error("Maximum number of entries per request are 10. You have sent {0}.")]
    TooManyEntries(usize),
    #[error("Id {0} repeated.")]
    RepeatedId(String),
    #[error(
        "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters \
         long."
    )]
    BatchEntryId,
    #[error("Batch requests cannot be longer than {max} bytes. You have sent {sent} bytes.")]
    BatchTooLong { max: usize, sent: usize },
    #[error(
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | \
         #x10000 to #x10FFFF"
    )]
    MessageContents,
    #[error("{0}")]
    Unsupported(String),
    #[error("{0}")]
    NotFound(&'static str),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("The server has no room on its disk.")]
    DiskFull,
    #[error(transparent)]
    Store(StoreError),
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A defect of Hearth or a broken disk; the text goes to the log.
    #[error("{0}")]
    Internal(String),
}

impl From<StoreError> for SqsError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::DiskFull,
            error => Self::Store(error),
        }
    }
}

/// An error's names.
struct Codes {
    /// `__type` in JSON.
    json: &'static str,
    /// `Code` in the query protocol, and in batch answers.
    query: &'static str,
    status: StatusCode,
}

const fn modeled(json: &'static str, query: &'static str) -> Codes {
    Codes { json, query, status: StatusCode::BAD_REQUEST }
}

impl SqsError {
    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self::Invalid(text.into())
    }

    /// `Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.`
    pub(crate) fn value(value: impl std::fmt::Display, parameter: &str, reason: &str) -> Self {
        Self::Invalid(format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}"))
    }

    /// What only queues of the other kind take.
    pub(crate) fn queue_type(value: impl std::fmt::Display, parameter: &str) -> Self {
        Self::value(value, parameter, "The request include parameter that is not valid for this queue type.")
    }

    const fn codes(&self) -> Codes {
        match self {
            Self::NoSuchQueue => {
                modeled("com.amazonaws.sqs#QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue")
            }
            Self::InvalidAddress(_) => modeled("com.amazonaws.sqs#InvalidAddress", "InvalidAddress"),
            Self::QueueExists(_) => modeled("com.amazonaws.sqs#QueueNameExists", "QueueAlreadyExists"),
            Self::AttributeName(_) => modeled("com.amazonaws.sqs#InvalidAttributeName", "InvalidAttributeName"),
            Self::AttributeValue(_) => modeled("com.amazonaws.sqs#InvalidAttributeValue", "InvalidAttributeValue"),
            Self::Invalid(_) => {
                modeled("com.amazon.coral.service#InvalidParameterValueException", "InvalidParameterValue")
            }
            Self::Missing(_) => {
                modeled("com.amazon.coral.service#MissingRequiredParameterException", "MissingParameter")
            }
            Self::PurgeInProgress(_) => Codes {
                json: "com.amazonaws.sqs#PurgeQueueInProgress",
                query: "AWS.SimpleQueueService.PurgeQueueInProgress",
                status: StatusCode::FORBIDDEN,
            },
            Self::ReceiptHandle(_) => modeled("com.amazonaws.sqs#ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid"),
            Self::NotInFlight(_) => {
                modeled("com.amazonaws.sqs#MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight")
            }
            Self::OverLimit(_) => {
                Codes { json: "com.amazonaws.sqs#OverLimit", query: "OverLimit", status: StatusCode::FORBIDDEN }
            }
            Self::EmptyBatch(_) => {
                modeled("com.amazonaws.sqs#EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest")
            }
            Self::TooManyEntries(_) => modeled(
                "com.amazonaws.sqs#TooManyEntriesInBatchRequest",
                "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            ),
            Self::RepeatedId(_) => {
                modeled("com.amazonaws.sqs#BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct")
            }
            Self::BatchEntryId => {
                modeled("com.amazonaws.sqs#InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId")
            }
            Self::BatchTooLong { .. } => {
                modeled("com.amazonaws.sqs#BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong")
            }
            Self::MessageContents => modeled("com.amazonaws.sqs#InvalidMessageContents", "InvalidMessageContents"),
            Self::Unsupported(_) => {
                modeled("com.amazonaws.sqs#UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation")
            }
            Self::NotFound(_) => Codes {
                json: "com.amazonaws.sqs#ResourceNotFoundException",
                query: "ResourceNotFoundException",
                status: StatusCode::NOT_FOUND,
            },
            Self::Denied(_) => Codes {
                json: "com.amazon.coral.service#AccessDeniedException",
                query: "AccessDenied",
                status: StatusCode::FORBIDDEN,
            },
            Self::DiskFull => Codes {
                json: "com.amazon.coral.service#ServiceUnavailableException",
                query: "ServiceUnavailable",
                status: StatusCode::SERVICE_UNAVAILABLE,
            },
            Self::Store(_) | Self::Record(_) | Self::Internal(_) => Codes {
                json: "com.amazon.coral.service#InternalFailure",
                query: "InternalFailure",
                status: StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }

    /// The older name, which SDKs show and batch answers carry.
    #[must_use]
    pub const fn aws_code(&self) -> &'static str {
        self.codes().query
    }

    #[must_use]
    pub const fn http_status(&self) -> StatusCode {
        self.codes().status
    }

    /// The text for the caller: nothing of what only the log is to know.
    pub(crate) fn told(&self) -> String {
        hearth_wire::told("SQS", self.http_status(), self)
    }
}

impl From<SqsError> for ErrorAnswer {
    fn from(error: SqsError) -> Self {
        let Codes { json, query, status } = error.codes();
        let older_text = match error {
            SqsError::NoSuchQueue => Some("The specified queue does not exist for this wsdl version."),
            _ => None,
        };
        Self::of("SQS", json, status, &error).in_query(query, older_text)
    }
}

impl From<SqsError> for QueueError {
    fn from(error: SqsError) -> Self {
        match error {
            SqsError::NoSuchQueue => Self::NotFound,
            SqsError::Denied(denied) => Self::AccessDenied { message: denied.message },
            SqsError::DiskFull => Self::DiskFull,
            error if error.http_status().is_server_error() => Self::Unavailable { detail: error.to_string() },
            error => Self::Invalid { message: error.to_string() },
        }
    }
}
