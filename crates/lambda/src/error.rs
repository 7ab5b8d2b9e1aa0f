//! Every way the Lambda API refuses, with the code, status and text AWS gives.
//!
//! Texts were recorded from the real service unless a variant says otherwise.

use hearth_ports::{Denied, InvokeError, PackageError, ResolveError, ThrottleReason};
use hearth_store::{RecordError, StoreError};
use hearth_types::limits;
use hearth_wire::{ErrorAnswer, Fault, MessageKey};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

/// An answer other than success.
#[derive(Debug, thiserror::Error)]
pub enum LambdaError {
    /// Generic validation that the hot path does by itself; everywhere else `hearth-wire` does it.
    #[error("1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}")]
    Validation { value: String, member: &'static str, constraint: String },
    /// Generic validation of what is exempt from that of `hearth-wire`; the whole text.
    #[error("{0}")]
    Violations(String),
    #[error("{0}")]
    InvalidParameterValue(String),
    /// As [`InvalidParameterValue`](Self::InvalidParameterValue), from where the real service sends no `Type` (recorded).
    #[error("{0}")]
    InvalidUntyped(String),
    /// A member Hearth knows and cannot honour yet. Never stored and ignored.
    #[error("Hearth does not support {member} yet: {instead}")]
    Unsupported { member: String, instead: String },
    /// `arn` is as qualified as the request was.
    #[error("Function not found: {arn}")]
    FunctionNotFound { arn: String },
    /// Recorded of event invoke configurations.
    #[error("The function doesn't exist.")]
    NoSuchFunction,
    #[error("The function {arn} doesn't have an EventInvokeConfig")]
    NoEventInvokeConfig { arn: String },
    #[error("Event source mapping not found: {arn}")]
    NoEventSourceMapping { arn: String },
    /// Recorded, with the blanks.
    #[error(
        "An event source mapping with SQS arn (\" {queue} \") and function (\" {function} \") already exists. Please update or delete the existing mapping with UUID {uuid}"
    )]
    MappingExists { queue: String, function: String, uuid: String },
    /// Not recorded; the text users report. `change`: `update` or `delete`.
    #[error("Cannot {change} the event source mapping because it is in use.")]
    MappingInUse { change: &'static str },
    #[error("Capacity provider not found: {arn}")]
    NoCapacityProvider { arn: String },
    #[error("The Lambda code signing configuration {arn} can not be found.")]
    NoCodeSigningConfig { arn: String },
    #[error("No Provisioned Concurrency Config found for this function")]
    NoProvisionedConcurrency,
    #[error("Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version")]
    AliasOfProvisionedVersion,
    #[error("Version is pointed by a Provisioned Concurrency alias")]
    VersionOfProvisionedAlias,
    /// Of a function that shall have it.
    #[error(
        "The code signing configuration cannot be found. Check that the provided configuration is not deleted: {arn}."
    )]
    CodeSigningConfigNotFound { arn: String },
    /// Recorded of function URLs.
    #[error("Function does not exist")]
    FunctionDoesNotExist,
    /// Recorded of GetAlias.
    #[error("Cannot find alias arn: {arn}")]
    NoAlias { arn: String },
    /// Recorded of UpdateAlias.
    #[error("Alias not found: {arn}")]
    AliasNotFound { arn: String },
    /// Recorded, with the two blanks.
    #[error(
        "Failed to create function url config for [functionArn = {arn}]. Error message:  FunctionUrlConfig exists for this Lambda function"
    )]
    UrlExists { arn: String },
    #[error("Alias already exists: {arn}")]
    AliasExists { arn: String },
    /// Not recorded; the text users report.
    #[error("Unable to delete version because the following aliases reference it: [{}]", aliases.join(", "))]
    VersionHasAliases { aliases: Vec<String> },
    #[error("The resource you requested does not exist.")]
    ResourceNotFound,
    #[error("Layer version {arn} does not exist.")]
    NoLayerVersion { arn: String },
    #[error("Functions from '{named}' are not reachable in this region ('{here}')")]
    OtherRegion { named: String, here: String },
    #[error("Function already exist: {name}")]
    FunctionExists { name: String },
    #[error("The operation cannot be performed at this time. An update is in progress for resource: {arn}")]
    UpdateInProgress { arn: String },
    #[error(
        "The operation cannot be performed at this time. The function is currently in the following state: {state}"
    )]
    NotReady { state: &'static str },
    #[error(
        "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
    )]
    RevisionMismatch,
    #[error(
        "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the latest Revision Id"
    )]
    PolicyRevisionMismatch,
    #[error(
        "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the latest Revision Id"
    )]
    LayerPolicyRevisionMismatch,
    #[error(
        "The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the existing statement."
    )]
    StatementExists { sid: String },
    #[error("Statement {sid} is not found in resource policy.")]
    NoStatement { sid: String },
    #[error("No policy is associated with the given resource.")]
    NoPolicy,
    #[error("No policy found for: {arn}")]
    NoPolicyFor { arn: String },
    /// The text of PolicyLengthExceededException as the documentation of quotas has it.
    #[error("The final policy size ({bytes}) is bigger than the limit ({}).", crate::permission::POLICY_BYTES_MAX)]
    PolicyTooLong { bytes: usize },
    #[error("Code storage limit exceeded.")]
    CodeStorageExceeded,
    #[error("Zipped size must be smaller than {} bytes", limits::ZIP_BYTES_MAX)]
    ZipTooLarge,
    #[error("Request must be smaller than {max} bytes for the InvokeFunction operation")]
    PayloadTooLarge { max: usize },
    #[error("{0}")]
    InvalidRequestContent(String),
    #[error("Rate Exceeded.")]
    Throttled { reason: ThrottleReason },
    /// The text is the documentation's.
    #[error("{message}")]
    RecursiveInvocation { message: String },
    #[error("{message}")]
    AccessDenied { message: String },
    #[error("{message}")]
    InvalidRuntime { message: String },
    /// Who sees this can do something about it, unlike the callers of a service far away.
    #[error("The disk of this Hearth server is full: make room, then try again.")]
    DiskFull,
    /// The detail is for the log; the caller gets a neutral text.
    #[error("{detail}")]
    Internal { detail: String },
}

/// What `Retry-After` of a throttle says: permits come back at any moment.
const RETRY_AFTER_SECONDS: &str = "1";

/// What the API model says of an error shape.
struct Shape {
    code: &'static str,
    status: StatusCode,
    key: MessageKey,
    /// `Type` of the body; shapes outside the model have none.
    fault: Option<Fault>,
}

const fn shape(code: &'static str, status: StatusCode, key: MessageKey, fault: Option<Fault>) -> Shape {
    Shape { code, status, key, fault }
}

impl LambdaError {
    fn shape(&self) -> Shape {
        use MessageKey::{Lower, Upper};
        let user = Some(Fault::Client);
        match self {
            Self::Validation { .. } | Self::Violations(_) => {
                shape("ValidationException", StatusCode::BAD_REQUEST, Lower, None)
            }
            Self::InvalidParameterValue(_) | Self::Unsupported { .. } => {
                shape("InvalidParameterValueException", StatusCode::BAD_REQUEST, Lower, user)
            }
            Self::InvalidUntyped(_) => shape("InvalidParameterValueException", StatusCode::BAD_REQUEST, Lower, None),
            Self::FunctionNotFound { .. }
            | Self::FunctionDoesNotExist
            | Self::NoSuchFunction
            | Self::NoEventInvokeConfig { .. }
            | Self::NoEventSourceMapping { .. }
            | Self::NoCapacityProvider { .. }
            | Self::NoAlias { .. }
            | Self::AliasNotFound { .. }
            | Self::ResourceNotFound
            | Self::NoLayerVersion { .. }
            | Self::OtherRegion { .. }
            | Self::NoStatement { .. }
            | Self::NoPolicy
            | Self::NoPolicyFor { .. } => shape("ResourceNotFoundException", StatusCode::NOT_FOUND, Upper, user),
            // Recorded without `Type`.
            Self::NoCodeSigningConfig { .. } => shape("ResourceNotFoundException", StatusCode::NOT_FOUND, Upper, None),
            Self::MappingInUse { .. } => shape("ResourceInUseException", StatusCode::BAD_REQUEST, Upper, user),
            Self::FunctionExists { .. }
            | Self::MappingExists { .. }
            | Self::UpdateInProgress { .. }
            | Self::NotReady { .. }
            | Self::AliasExists { .. }
            | Self::AliasOfProvisionedVersion
            | Self::VersionOfProvisionedAlias
            | Self::UrlExists { .. }
            | Self::VersionHasAliases { .. }
            | Self::StatementExists { .. } => shape("ResourceConflictException", StatusCode::CONFLICT, Lower, user),
            Self::RevisionMismatch | Self::PolicyRevisionMismatch | Self::LayerPolicyRevisionMismatch => {
                shape("PreconditionFailedException", StatusCode::PRECONDITION_FAILED, Lower, user)
            }
            Self::PolicyTooLong { .. } => shape("PolicyLengthExceededException", StatusCode::BAD_REQUEST, Lower, user),
            Self::CodeStorageExceeded => shape("CodeStorageExceededException", StatusCode::BAD_REQUEST, Lower, user),
            Self::ZipTooLarge | Self::PayloadTooLarge { .. } => {
                shape("RequestEntityTooLargeException", StatusCode::PAYLOAD_TOO_LARGE, Lower, None)
            }
            Self::InvalidRequestContent(_) => {
                shape("InvalidRequestContentException", StatusCode::BAD_REQUEST, Lower, user)
            }
            Self::Throttled { .. } => shape("TooManyRequestsException", StatusCode::TOO_MANY_REQUESTS, Lower, user),
            Self::RecursiveInvocation { .. } => {
                shape("RecursiveInvocationException", StatusCode::BAD_REQUEST, Upper, user)
            }
            Self::NoProvisionedConcurrency => {
                shape("ProvisionedConcurrencyConfigNotFoundException", StatusCode::NOT_FOUND, Lower, user)
            }
            Self::CodeSigningConfigNotFound { .. } => {
                shape("CodeSigningConfigNotFoundException", StatusCode::NOT_FOUND, Upper, user)
            }
            Self::AccessDenied { .. } => shape("AccessDeniedException", StatusCode::FORBIDDEN, Upper, None),
            Self::InvalidRuntime { .. } => shape("InvalidRuntimeException", StatusCode::BAD_GATEWAY, Upper, user),
            Self::DiskFull | Self::Internal { .. } => {
                shape("ServiceException", StatusCode::INTERNAL_SERVER_ERROR, Upper, Some(Fault::Server))
            }
        }
    }

    /// The error code as AWS names it.
    #[must_use]
    pub fn aws_code(&self) -> &'static str {
        self.shape().code
    }

    #[must_use]
    pub fn http_status(&self) -> StatusCode {
        self.shape().status
    }

    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self::InvalidParameterValue(text.into())
    }

    pub(crate) fn internal(detail: impl ToString) -> Self {
        Self::Internal { detail: detail.to_string() }
    }
}

impl From<LambdaError> for ErrorAnswer {
    fn from(error: LambdaError) -> Self {
        let Shape { code, status, key, fault } = error.shape();
        let message = match &error {
            LambdaError::Internal { detail } => {
                tracing::error!(%detail, "the Lambda service failed");
                // Source: the description AWS gives of ServiceException.
                "The AWS Lambda service encountered an internal error.".to_owned()
            }
            other => other.to_string(),
        };
        let mut answer = Self::new(code, status, message);
        answer.message_key = key;
        answer.fault = fault;
        match error {
            LambdaError::Throttled { reason } => {
                let retry_after = HeaderValue::from_static(RETRY_AFTER_SECONDS);
                answer.field("Reason", reason.as_str()).header(RETRY_AFTER, retry_after)
            }
            _ => answer,
        }
    }
}

impl From<Denied> for LambdaError {
    fn from(denied: Denied) -> Self {
        Self::AccessDenied { message: denied.message }
    }
}

impl From<StoreError> for LambdaError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::DiskFull,
            error => Self::internal(error),
        }
    }
}

impl From<RecordError> for LambdaError {
    fn from(error: RecordError) -> Self {
        Self::internal(error)
    }
}

impl From<PackageError> for LambdaError {
    fn from(error: PackageError) -> Self {
        match error {
            PackageError::Unreadable | PackageError::TooLarge { .. } => Self::InvalidParameterValue(error.to_string()),
            PackageError::DiskFull => Self::DiskFull,
            PackageError::Internal(detail) => Self::Internal { detail },
        }
    }
}

impl From<ResolveError> for LambdaError {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::NotFound { arn } => Self::FunctionNotFound { arn },
            ResolveError::NotReady { state } => Self::NotReady { state },
        }
    }
}

impl From<InvokeError> for LambdaError {
    fn from(error: InvokeError) -> Self {
        match error {
            InvokeError::FunctionNotFound { arn } => Self::FunctionNotFound { arn },
            InvokeError::NotReady { state } => Self::NotReady { state },
            InvokeError::InvalidRequestContent { .. } => Self::InvalidRequestContent(error.to_string()),
            InvokeError::PayloadTooLarge { max } => Self::PayloadTooLarge { max },
            InvokeError::Throttled { reason } => Self::Throttled { reason },
            InvokeError::RecursiveLoop => Self::RecursiveInvocation { message: error.to_string() },
            InvokeError::AccessDenied { message } => Self::AccessDenied { message },
            InvokeError::InvalidRuntime { message } => Self::InvalidRuntime { message },
            InvokeError::DiskFull => Self::DiskFull,
            InvokeError::Internal { detail } => Self::Internal { detail },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_detail_never_reaches_the_caller() {
        let answer = ErrorAnswer::from(LambdaError::internal("disk /dev/sda is on fire"));
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.code, "ServiceException");
        assert!(!answer.message.contains("sda"));
        assert_eq!(answer.fault, Some(Fault::Server));
    }

    #[test]
    fn the_text_stands_under_the_key_its_shape_has() {
        // Recorded: ResourceNotFound answers with `Message`, InvalidParameterValue with `message`.
        let not_found = ErrorAnswer::from(LambdaError::FunctionNotFound { arn: "a".to_owned() });
        assert_eq!((not_found.message_key, not_found.status.as_u16()), (MessageKey::Upper, 404));
        let invalid = ErrorAnswer::from(LambdaError::invalid("x"));
        assert_eq!((invalid.message_key, invalid.status.as_u16()), (MessageKey::Lower, 400));
    }

    #[test]
    fn a_throttle_names_its_reason() {
        let answer = ErrorAnswer::from(LambdaError::Throttled {
            reason: ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded,
        });
        assert_eq!(answer.message, "Rate Exceeded.");
        assert!(answer.headers.iter().any(|(name, _)| name == RETRY_AFTER));
        assert_eq!(answer.fields, [("Reason".to_owned(), "ReservedFunctionConcurrentInvocationLimitExceeded".into())]);
    }
}
