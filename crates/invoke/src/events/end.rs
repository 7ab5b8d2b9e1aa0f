//! How an event ended, and what its destination and its dead-letter queue are told of it. Pure.
//!
//! Source: Lambda developer guide, "Capturing records of Lambda asynchronous invocations" and "Adding a dead-letter
//! queue"; the forms are recorded.

use hearth_delivery::Tries;
use hearth_ports::{InvokeError, InvokeResponse};
use hearth_types::RequestId;
use hearth_types::clock::iso8601_ms;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::after::DropCondition;
use super::event::Event;

/// The end of an event.
#[derive(Debug)]
pub(crate) struct Ended<'a> {
    /// `None`: the function succeeded.
    pub(crate) condition: Option<DropCondition>,
    /// The last attempt included.
    pub(crate) tries: Tries,
    /// Of the last attempt, if the end came with one.
    pub(crate) answer: Option<&'a Result<InvokeResponse, InvokeError>>,
}

/// Attributes of a dead letter: name, data type, text.
pub(crate) type Attributes = Vec<(String, String, String)>;

/// Of a dead letter's error message. Source: as above, "the first 1 KB".
const ERROR_MESSAGE_BYTES_MAX: usize = 1_024;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    version: &'static str,
    timestamp: String,
    request_context: Context<'a>,
    request_payload: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_context: Option<Response>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_payload: Option<Box<RawValue>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    request_id: &'a str,
    function_arn: &'a str,
    condition: &'static str,
    approximate_invoke_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    status_code: u16,
    executed_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_error: Option<&'static str>,
}

impl Ended<'_> {
    /// The record for a destination. `function_arn` is as qualified as the event's function is.
    ///
    /// # Errors
    /// The event's payload is no JSON, which it was when it was accepted.
    pub(crate) fn record(
        &self,
        id: &RequestId,
        function_arn: &str,
        event: &Event,
        now_ms: i64,
    ) -> Result<String, serde_json::Error> {
        let condition = match self.condition {
            None => "Success",
            Some(DropCondition::EventAgeExceeded) => "EventAgeExceeded",
            Some(DropCondition::RetriesExhausted | DropCondition::FunctionGone | DropCondition::FunctionOff) => {
                "RetriesExhausted"
            }
        };
        let (id, runs, response) = (id.as_str(), self.runs(), self.response());
        serde_json::to_string(&Told {
            version: "1.0",
            timestamp: iso8601_ms(now_ms),
            request_context: Context { request_id: id, function_arn, condition, approximate_invoke_count: runs },
            request_payload: RawValue::from_string(event.payload.clone())?,
            response_context: response.map(|response| Response {
                status_code: 200,
                executed_version: response.executed_version.map(|version| version.to_string()),
                function_error: response.function_error,
            }),
            response_payload: response.map(|response| json(&response.payload)).transpose()?,
        })
    }

    /// The attributes of a dead letter; its body is the event as it was sent.
    pub(crate) fn dead_letter_attributes(&self, id: &RequestId) -> Attributes {
        let (code, message) = match self.answer {
            Some(Ok(response)) => (200, error_message(&response.payload)),
            Some(Err(error)) => (status(error), error.to_string()),
            // Its time ran out while it waited for another attempt; it was throttled, for all that is known, if none ran.
            None if self.tries.failed == 0 => (429, "Rate Exceeded.".to_owned()),
            None => (200, String::new()),
        };
        let attribute = |name: &str, data_type: &str, text: String| (name.to_owned(), data_type.to_owned(), text);
        let mut attributes = vec![
            attribute("RequestID", "String", id.as_str().to_owned()),
            attribute("ErrorCode", "Number", code.to_string()),
        ];
        if !message.is_empty() {
            let end = message.floor_char_boundary(ERROR_MESSAGE_BYTES_MAX);
            attributes.push(attribute("ErrorMessage", "String", message[..end].to_owned()));
        }
        attributes
    }

    /// What the function answered last, if it ran in the last attempt.
    fn response(&self) -> Option<&InvokeResponse> {
        self.answer.and_then(|answer| answer.as_ref().ok())
    }

    /// Times the function ran.
    fn runs(&self) -> u32 {
        self.tries.failed + u32::from(self.condition.is_none())
    }
}

/// Of a function's error payload.
fn error_message(payload: &[u8]) -> String {
    let payload: Option<Value> = serde_json::from_slice(payload).ok();
    let message = payload.as_ref().and_then(|payload| payload["errorMessage"].as_str());
    message.unwrap_or_default().to_owned()
}

/// The status that a caller who waits would have seen. Source: Lambda API reference, Invoke.
const fn status(error: &InvokeError) -> u16 {
    match error {
        InvokeError::Throttled { .. } => 429,
        InvokeError::FunctionNotFound { .. } => 404,
        InvokeError::AccessDenied { .. } => 403,
        InvokeError::NotReady { .. } => 409,
        InvokeError::InvalidRequestContent { .. } | InvokeError::RecursiveLoop => 400,
        InvokeError::PayloadTooLarge { .. } => 413,
        InvokeError::InvalidRuntime { .. } | InvokeError::DiskFull | InvokeError::Internal { .. } => 500,
    }
}

/// What a function answered, as it is; what is no JSON becomes text.
fn json(payload: &[u8]) -> Result<Box<RawValue>, serde_json::Error> {
    let text = String::from_utf8_lossy(payload).into_owned();
    match RawValue::from_string(text.clone()) {
        Ok(value) => Ok(value),
        Err(_) => RawValue::from_string(serde_json::to_string(&text)?),
    }
}

#[cfg(test)]
mod tests {
    use hearth_types::Version;
    use serde_json::json;

    use super::*;

    fn record(ended: &Ended<'_>) -> Value {
        let event = Event {
            function_name: "f".to_owned(),
            uid: "u".into(),
            qualifier: None,
            trace: None,
            is_stopped: false,
            payload: r#"{"n":1.0}"#.to_owned(),
        };
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST";
        // 2019-11-14T18:16:05.568Z
        let text = ended.record(&RequestId::from("id"), arn, &event, 1_573_755_365_568).expect("JSON");
        assert!(text.contains(r#""requestPayload":{"n":1.0}"#), "as it was sent: {text}");
        serde_json::from_str(&text).expect("JSON")
    }

    fn answer(payload: &'static str, function_error: Option<&'static str>) -> Result<InvokeResponse, InvokeError> {
        let executed_version = Some(Version::Latest);
        Ok(InvokeResponse { executed_version, function_error, payload: payload.into(), log_tail: None })
    }

    fn tries(failed: u32) -> Tries {
        Tries { failed, not_run: 0 }
    }

    #[test]
    fn a_record_has_the_recorded_form() {
        let failed = answer(r#"{"errorMessage":"x"}"#, Some("Unhandled"));
        let condition = Some(DropCondition::RetriesExhausted);
        assert_eq!(
            record(&Ended { condition, tries: tries(3), answer: Some(&failed) }),
            json!({
                "version": "1.0",
                "timestamp": "2019-11-14T18:16:05.568Z",
                "requestContext": {
                    "requestId": "id",
                    "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST",
                    "condition": "RetriesExhausted",
                    "approximateInvokeCount": 3,
                },
                "requestPayload": {"n": 1.0},
                "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
                "responsePayload": {"errorMessage": "x"},
            })
        );
    }

    #[test]
    fn a_success_has_no_error_and_what_never_ran_no_response() {
        let done = answer("\"ok\"", None);
        let shown = record(&Ended { condition: None, tries: tries(0), answer: Some(&done) });
        assert_eq!(shown["requestContext"]["condition"], "Success");
        assert_eq!(shown["responseContext"], json!({"statusCode": 200, "executedVersion": "$LATEST"}));
        assert_eq!(shown["responsePayload"], "ok");
        let odd = answer("no JSON", None);
        assert_eq!(
            record(&Ended { condition: None, tries: tries(0), answer: Some(&odd) })["responsePayload"],
            "no JSON"
        );
        let condition = Some(DropCondition::EventAgeExceeded);
        let shown = record(&Ended { condition, tries: tries(0), answer: None });
        assert_eq!(shown["requestContext"]["condition"], "EventAgeExceeded");
        assert!(shown.get("responseContext").is_none() && shown.get("responsePayload").is_none());
    }

    #[test]
    fn a_dead_letter_tells_the_request_and_the_error_in_its_attributes() {
        let told = |ended: &Ended<'_>| {
            let attributes = ended.dead_letter_attributes(&RequestId::from("id"));
            attributes.into_iter().map(|(name, kind, text)| format!("{name} {kind} {text}")).collect::<Vec<_>>()
        };
        let condition = Some(DropCondition::RetriesExhausted);
        let failed = answer(r#"{"errorMessage":"Handler error","errorType":"E"}"#, Some("Unhandled"));
        let shown = told(&Ended { condition, tries: tries(3), answer: Some(&failed) });
        assert_eq!(shown, ["RequestID String id", "ErrorCode Number 200", "ErrorMessage String Handler error"]);
        let reason = hearth_ports::ThrottleReason::ConcurrentInvocationLimitExceeded;
        let throttled = Err(InvokeError::Throttled { reason });
        let condition = Some(DropCondition::EventAgeExceeded);
        for answer in [Some(&throttled), None] {
            let shown = told(&Ended { condition, tries: tries(0), answer });
            assert_eq!(shown[1..], ["ErrorCode Number 429", "ErrorMessage String Rate Exceeded."]);
        }
        let long = format!(r#"{{"errorMessage":"{}"}}"#, "ä".repeat(2_000));
        let long = answer(Box::leak(long.into_boxed_str()), Some("Unhandled"));
        let shown = told(&Ended { condition, tries: tries(1), answer: Some(&long) });
        assert_eq!(shown[2].len(), "ErrorMessage String ".len() + 1_024);
    }
}
