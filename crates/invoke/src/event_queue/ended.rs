//! How an event ended, and what its destination is told of it. Pure.
//!
//! Source: Lambda developer guide, "Capturing records of Lambda asynchronous invocations"; the form is recorded.

use hearth_ports::InvokeResponse;
use hearth_types::RequestId;
use hearth_types::clock::iso8601_ms;
use serde::Serialize;
use serde_json::value::RawValue;

use super::after::DropCondition;
use super::record::EventBody;

/// The end of an event.
#[derive(Debug)]
pub(crate) struct Ended<'a> {
    /// `None`: the function succeeded.
    pub(crate) condition: Option<DropCondition>,
    /// Times the function ran.
    pub(crate) runs: u32,
    /// What it answered last, if it ran in the last attempt.
    pub(crate) response: Option<&'a InvokeResponse>,
}

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
        body: &EventBody,
        now_ms: i64,
    ) -> Result<String, serde_json::Error> {
        let condition = match self.condition {
            None => "Success",
            Some(DropCondition::EventAgeExceeded) => "EventAgeExceeded",
            Some(DropCondition::RetriesExhausted | DropCondition::FunctionGone | DropCondition::FunctionOff) => {
                "RetriesExhausted"
            }
        };
        let (id, runs) = (id.as_str(), self.runs);
        serde_json::to_string(&Told {
            version: "1.0",
            timestamp: iso8601_ms(now_ms),
            request_context: Context { request_id: id, function_arn, condition, approximate_invoke_count: runs },
            request_payload: RawValue::from_string(body.payload.clone())?,
            response_context: self.response.map(|response| Response {
                status_code: 200,
                executed_version: response.executed_version.map(|version| version.to_string()),
                function_error: response.function_error,
            }),
            response_payload: self.response.map(|response| json(&response.payload)).transpose()?,
        })
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
    use serde_json::{Value, json};

    use super::*;

    fn record(ended: &Ended<'_>) -> Value {
        let body = EventBody {
            function_name: "f".to_owned(),
            uid: "u".into(),
            qualifier: None,
            trace: None,
            accepted_ms: 0,
            payload: r#"{"n":1.0}"#.to_owned(),
        };
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST";
        // 2019-11-14T18:16:05.568Z
        let text = ended.record(&RequestId::from("id"), arn, &body, 1_573_755_365_568).expect("JSON");
        assert!(text.contains(r#""requestPayload":{"n":1.0}"#), "as it was sent: {text}");
        serde_json::from_str(&text).expect("JSON")
    }

    fn response(payload: &'static str, function_error: Option<&'static str>) -> InvokeResponse {
        let executed_version = Some(Version::Latest);
        InvokeResponse { executed_version, function_error, payload: payload.into(), log_tail: None }
    }

    #[test]
    fn a_record_has_the_recorded_form() {
        let failed = response(r#"{"errorMessage":"x"}"#, Some("Unhandled"));
        let condition = Some(DropCondition::RetriesExhausted);
        assert_eq!(
            record(&Ended { condition, runs: 3, response: Some(&failed) }),
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
        let done = response("\"ok\"", None);
        let shown = record(&Ended { condition: None, runs: 1, response: Some(&done) });
        assert_eq!(shown["requestContext"]["condition"], "Success");
        assert_eq!(shown["responseContext"], json!({"statusCode": 200, "executedVersion": "$LATEST"}));
        assert_eq!(shown["responsePayload"], "ok");
        let odd = response("no JSON", None);
        assert_eq!(record(&Ended { condition: None, runs: 1, response: Some(&odd) })["responsePayload"], "no JSON");
        let condition = Some(DropCondition::EventAgeExceeded);
        let shown = record(&Ended { condition, runs: 0, response: None });
        assert_eq!(shown["requestContext"]["condition"], "EventAgeExceeded");
        assert!(shown.get("responseContext").is_none() && shown.get("responsePayload").is_none());
    }
}
