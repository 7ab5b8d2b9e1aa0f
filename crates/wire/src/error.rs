//! What a caller is told when a request fails. Each protocol writes it in its own form.

use std::borrow::Cow;
use std::fmt;

use http::{HeaderName, HeaderValue, StatusCode};

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The caller's: `User` in rest-json bodies, `Sender` in query bodies.
    Client,
    /// Ours: `Service` and `Receiver`.
    Server,
}

/// Under which key a JSON body carries the text; the API models use both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MessageKey {
    /// `message`
    #[default]
    Lower,
    /// `Message`
    Upper,
}

impl MessageKey {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lower => "message",
            Self::Upper => "Message",
        }
    }
}

/// The text of a service's error for its caller: that of a defect or a broken disk (500) goes to the log instead.
#[must_use]
pub fn told(service: &str, status: StatusCode, error: &dyn fmt::Display) -> String {
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(%error, "{service} request failed");
        return ErrorAnswer::internal().message;
    }
    error.to_string()
}

/// An error as AWS would tell it. Internal detail never goes in here: it goes to the log.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorAnswer {
    pub code: Cow<'static, str>,
    pub status: StatusCode,
    pub message: String,
    pub message_key: MessageKey,
    /// `Type` of the body. `None` leaves it out of JSON bodies; query bodies then derive it from the status.
    pub fault: Option<Fault>,
    /// Further members of the body, for example `Reason`.
    pub fields: Vec<(String, serde_json::Value)>,
    /// Further headers, for example `Retry-After`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What the same error is called in the query form of a service that speaks both: query answers have it in place of
    /// code and text, JSON answers tell it in a header. Source: Smithy specification, "awsQueryCompatible".
    pub query: Option<Box<QueryForm>>,
}

/// An error in the words of a service's older protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryForm {
    pub code: &'static str,
    /// `None`: as in JSON.
    pub message: Option<&'static str>,
}

impl ErrorAnswer {
    /// An answer without `Type`, its text under `message`.
    #[must_use]
    pub fn new(code: impl Into<Cow<'static, str>>, status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            status,
            message: message.into(),
            message_key: MessageKey::Lower,
            fault: None,
            fields: Vec::new(),
            headers: Vec::new(),
            query: None,
        }
    }

    /// A service's error as its caller is told it, with whose fault it is.
    #[must_use]
    pub fn of(service: &str, code: impl Into<Cow<'static, str>>, status: StatusCode, error: &dyn fmt::Display) -> Self {
        let fault = if status.is_server_error() { Fault::Server } else { Fault::Client };
        Self::new(code, status, told(service, status, error)).fault(fault)
    }

    /// With another code, and another text if there is one, in the query protocol.
    #[must_use]
    pub fn in_query(mut self, code: &'static str, message: Option<&'static str>) -> Self {
        self.query = Some(Box::new(QueryForm { code, message }));
        self
    }

    /// With `Type: User` or `Type: Service`.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }

    /// With the text under `Message`.
    #[must_use]
    pub fn upper_message(mut self) -> Self {
        self.message_key = MessageKey::Upper;
        self
    }

    #[must_use]
    pub fn field(mut self, name: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// A defect of Hearth. The cause must be in the log already.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(
            "InternalFailure",
            StatusCode::INTERNAL_SERVER_ERROR,
            "The request processing has failed because of an unknown error, exception or failure.",
        )
        .fault(Fault::Server)
    }
}
