//! Subscription filters: who gets which events, and how filters are kept.
//!
//! Expected texts: those that clients of the real service report.

use std::io::Read as _;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_ports::{
    InvocationType, InvokeError, InvokeRequest, InvokeResponse, Invoker, StreamedResponse, ThrottleReason,
};
use hearth_types::Caller;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::Deliveries;

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:watch";

/// Notes what it is called with.
#[derive(Default)]
pub(super) struct Functions {
    calls: Mutex<Vec<(RequestContext, InvokeRequest)>>,
    refuses: Mutex<Option<InvokeError>>,
}

#[async_trait]
impl Invoker for Functions {
    async fn invoke(&self, ctx: &RequestContext, request: InvokeRequest) -> Result<InvokeResponse, InvokeError> {
        self.calls.lock().push((ctx.clone(), request));
        match &*self.refuses.lock() {
            Some(error) => Err(error.clone()),
            None => Ok(InvokeResponse {
                executed_version: None,
                function_error: None,
                payload: Bytes::new(),
                log_tail: None,
            }),
        }
    }

    async fn invoke_streaming(&self, _: &RequestContext, _: InvokeRequest) -> Result<StreamedResponse, InvokeError> {
        Err(InvokeError::Internal { detail: "nothing streams here".to_owned() })
    }
}

impl Functions {
    /// What the functions have got.
    fn data(&self) -> Vec<Value> {
        let calls = self.calls.lock();
        let events = calls.iter().filter(|(_, request)| request.invocation_type == InvocationType::Event);
        events.map(|(_, request)| opened(&request.payload)).collect()
    }

    fn messages(&self) -> Vec<String> {
        let text = |event: &Value| event["message"].as_str().expect("text").to_owned();
        let events = |data: &Value| data["logEvents"].as_array().expect("events").iter().map(text).collect::<Vec<_>>();
        self.data().iter().flat_map(events).collect()
    }
}

fn opened(payload: &[u8]) -> Value {
    let payload: Value = serde_json::from_slice(payload).expect("JSON");
    assert_eq!(keys(&payload), ["awslogs"]);
    let data = STANDARD.decode(payload["awslogs"]["data"].as_str().expect("data")).expect("base64");
    let mut json = String::new();
    flate2::read::GzDecoder::new(&*data).read_to_string(&mut json).expect("gzip");
    serde_json::from_str(&json).expect("JSON")
}

fn filter(name: &str, pattern: &str) -> Value {
    json!({ "logGroupName": "g", "filterName": name, "filterPattern": pattern, "destinationArn": FUNCTION })
}

impl Server {
    async fn subscribed(pattern: &str) -> Self {
        let server = Self::with_stream(LogsConfig::default()).await;
        server.run("PutSubscriptionFilter", filter("f", pattern)).await;
        server
    }

    /// Delivers from now on.
    fn deliver(&self) -> CancellationToken {
        let stop = CancellationToken::new();
        tokio::spawn(Deliveries::new(self.logs.clone(), self.functions.clone()).work(stop.clone()));
        stop
    }

    async fn filters(&self) -> Vec<Value> {
        let told = self.run("DescribeSubscriptionFilters", json!({ "logGroupName": "g" })).await;
        told["subscriptionFilters"].as_array().expect("filters").clone()
    }
}

#[tokio::test]
async fn a_filter_is_shown_with_every_key_and_no_other() {
    let server = Server::subscribed("ERROR").await;
    let expected = json!([{
        "filterName": "f", "logGroupName": "g", "filterPattern": "ERROR", "destinationArn": FUNCTION,
        "distribution": "ByLogStream", "applyOnTransformedLogs": false, "creationTime": NOW_MS,
    }]);
    assert_eq!(Value::Array(server.filters().await), expected);
}

#[tokio::test]
async fn filters_are_listed_by_prefix_and_page_by_page() {
    let server = Server::subscribed("").await;
    server.run("PutSubscriptionFilter", filter("a", "")).await;
    let server = &server;
    let page = |input: Value| async move {
        let told = server.run("DescribeSubscriptionFilters", input).await;
        let name = |filter: &Value| filter["filterName"].as_str().expect("a name").to_owned();
        let names: Vec<String> = told["subscriptionFilters"].as_array().expect("filters").iter().map(name).collect();
        (names, told["nextToken"].clone())
    };
    let (names, token) = page(json!({ "logGroupName": "g", "limit": 1 })).await;
    assert_eq!(names, ["a"]);
    let (names, token) = page(json!({ "logGroupName": "g", "limit": 1, "nextToken": token })).await;
    assert_eq!((names, token), (vec!["f".to_owned()], Value::Null));
    let (names, _) = page(json!({ "logGroupName": "g", "filterNamePrefix": "f" })).await;
    assert_eq!(names, ["f"]);
}

#[tokio::test]
async fn a_group_has_two_filters_and_one_of_a_known_name_is_replaced() {
    let server = Server::subscribed("one").await;
    server.run("PutSubscriptionFilter", filter("second", "")).await;
    let third = server.call("PutSubscriptionFilter", filter("third", "")).await;
    third.refused("LimitExceededException", "Resource limit exceeded.");
    server.run("PutSubscriptionFilter", filter("f", "two")).await;
    let patterns: Vec<Value> = server.filters().await.iter().map(|filter| filter["filterPattern"].clone()).collect();
    assert_eq!(patterns, ["two", ""]);
}

#[tokio::test]
async fn filters_survive_a_restart_and_go_with_their_group() {
    let server = Server::subscribed("ERROR").await;
    let again = server.restart(LogsConfig::default()).await;
    assert_eq!(again.filters().await.len(), 1);
    let stop = again.deliver();
    again.say("s", "ERROR after the restart");
    again.until("delivered", || again.functions.messages() == ["ERROR after the restart"]).await;
    again.run("DeleteLogGroup", json!({ "logGroupName": "g" })).await;
    again.say("s", "ERROR in another life");
    assert_eq!(again.texts().await, ["ERROR in another life"]);
    assert_eq!(again.filters().await, [Value::Null; 0]);
    assert_eq!(again.functions.messages().len(), 1);
    stop.cancel();
}

#[tokio::test]
async fn what_a_function_cannot_be_subscribed_with_is_refused() {
    let server = Server::with_stream(LogsConfig::default()).await;
    server.run("CreateLogGroup", json!({ "logGroupName": "/aws/lambda/watch" })).await;
    let invalid = "InvalidParameterException";
    let cases = [
        (json!({ "logGroupName": "none" }), "ResourceNotFoundException", "The specified log group does not exist."),
        (
            json!({ "logGroupName": "/aws/lambda/watch" }),
            invalid,
            "The log group provided is reserved for the function logs of the destination function.",
        ),
        (
            json!({ "roleArn": "arn:aws:iam::000000000000:role/r" }),
            invalid,
            "destinationArn for vendor lambda cannot be used with roleArn",
        ),
        (
            json!({ "destinationArn": "arn:aws:kinesis:us-east-1:000000000000:stream/s" }),
            invalid,
            "PutSubscriptionFilter operation cannot work with destinationArn for vendor kinesis",
        ),
        (
            json!({ "destinationArn": "arn:aws:lambda:eu-west-1:000000000000:function:watch" }),
            invalid,
            "The function must belong to the account and region of the log group.",
        ),
        (json!({ "destinationArn": "watch" }), invalid, "destinationArn is no ARN: watch"),
        (
            json!({ "distribution": "Random" }),
            invalid,
            "Only a Kinesis data stream has a distribution other than ByLogStream.",
        ),
        (
            json!({ "applyOnTransformedLogs": true }),
            invalid,
            "applyOnTransformedLogs is for log groups with a transformer; this one has none.",
        ),
        (
            json!({ "fieldSelectionCriteria": "@aws.region = \"x\"" }),
            invalid,
            "Hearth has no centralised log groups: leave fieldSelectionCriteria away.",
        ),
        (
            json!({ "emitSystemFields": ["@aws.region"] }),
            invalid,
            "Hearth has no centralised log groups: leave emitSystemFields away.",
        ),
        (json!({ "filterPattern": "{ $.a" }), invalid, "Invalid filter pattern"),
    ];
    for (change, code, message) in cases {
        let mut input = filter("f", "");
        let members = change.as_object().expect("an object").clone();
        input.as_object_mut().expect("an object").extend(members);
        server.call("PutSubscriptionFilter", input).await.refused(code, message);
    }
    assert_eq!(server.filters().await, [Value::Null; 0]);
    let gone = server.call("DeleteSubscriptionFilter", json!({ "logGroupName": "g", "filterName": "f" })).await;
    gone.refused("ResourceNotFoundException", "The specified subscription filter does not exist.");
}

#[tokio::test]
async fn the_function_must_let_cloudwatch_logs_in() {
    let server = Server::with_stream(LogsConfig::default()).await;
    *server.functions.refuses.lock() = Some(InvokeError::AccessDenied { message: "no".to_owned() });
    let refused = server.call("PutSubscriptionFilter", filter("f", "")).await;
    refused.refused(
        "InvalidParameterException",
        "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your \
         function.",
    );
    let calls = server.functions.calls.lock();
    let [(ctx, request)] = &calls[..] else { panic!("asked once") };
    assert_eq!(request.invocation_type, InvocationType::DryRun, "and nothing runs");
    let asked_by = Caller::Service {
        principal: "logs.amazonaws.com",
        source_arn: Some("arn:aws:logs:us-east-1:000000000000:log-group:g:*".into()),
        source_account: Some(AccountId::DEFAULT),
    };
    assert_eq!(ctx.caller, asked_by);
}

#[tokio::test]
async fn a_function_gets_the_matching_events_of_functions_and_of_put_log_events() {
    let server = Server::subscribed("ERROR").await;
    let stop = server.deliver();
    server.put("s", &[(NOW_MS, "fine"), (NOW_MS, "ERROR one"), (NOW_MS, "ERROR two")]).await;
    server.until("delivered", || server.functions.messages().len() == 2).await;
    server.say("t", "fine");
    server.say("t", "ERROR three\n");
    server.until("delivered", || server.functions.messages().len() == 3).await;
    assert_eq!(server.functions.messages(), ["ERROR one", "ERROR two", "ERROR three\n"]);
    let data = server.functions.data();
    assert_eq!(data.iter().map(|data| data["logStream"].as_str().expect("a name")).collect::<Vec<_>>(), ["s", "t"]);
    assert_eq!(data[0]["subscriptionFilters"], json!(["f"]));
    let found = server.run("FilterLogEvents", json!({ "logGroupName": "g", "filterPattern": "ERROR" })).await;
    let ids = |events: &Value, key: &str| {
        events.as_array().expect("events").iter().map(|event| event[key].clone()).collect::<Vec<_>>()
    };
    let sent: Vec<Value> = data.iter().flat_map(|data| ids(&data["logEvents"], "id")).collect();
    assert_eq!(sent, ids(&found["events"], "eventId"), "both know an event by the same id");
    stop.cancel();
}

#[tokio::test]
async fn what_put_log_events_answered_is_delivered_by_the_next_life() {
    let server = Server::subscribed("").await;
    server.put("s", &[(NOW_MS, "acknowledged")]).await;
    server.say("s", "written before the end");
    let again = server.restart(LogsConfig::default()).await;
    let stop = again.deliver();
    again.until("delivered", || again.functions.messages().len() == 2).await;
    let mut messages = again.functions.messages();
    messages.sort();
    assert_eq!(messages, ["acknowledged", "written before the end"]);
    stop.cancel();
}

#[tokio::test]
async fn deletion_ends_it_for_what_waits_too() {
    let server = Server::subscribed("").await;
    server.put("s", &[(NOW_MS, "waits")]).await;
    server.run("DeleteSubscriptionFilter", json!({ "logGroupName": "g", "filterName": "f" })).await;
    server.put("s", &[(NOW_MS, "later")]).await;
    server.run("PutSubscriptionFilter", filter("other", "")).await;
    let stop = server.deliver();
    server.put("s", &[(NOW_MS, "wanted")]).await;
    server.until("delivered", || !server.functions.messages().is_empty()).await;
    assert_eq!(server.functions.messages(), ["wanted"]);
    stop.cancel();
}

#[tokio::test]
async fn a_throttled_delivery_is_made_again_and_a_denied_one_is_not() {
    let server = Server::subscribed("").await;
    *server.functions.refuses.lock() = Some(InvokeError::AccessDenied { message: "no".to_owned() });
    let stop = server.deliver();
    server.put("s", &[(NOW_MS, "denied")]).await;
    server.until("tried", || server.functions.messages() == ["denied"]).await;
    let reason = ThrottleReason::ConcurrentInvocationLimitExceeded;
    *server.functions.refuses.lock() = Some(InvokeError::Throttled { reason });
    server.put("s", &[(NOW_MS, "throttled")]).await;
    server.until("tried", || server.functions.messages() == ["denied", "throttled"]).await;
    *server.functions.refuses.lock() = None;
    let tried_again = || {
        server.clock.advance(1_000);
        server.functions.messages().len() == 3
    };
    server.until("tried again", tried_again).await;
    assert_eq!(server.functions.messages(), ["denied", "throttled", "throttled"]);
    stop.cancel();
}

#[tokio::test]
async fn a_delivery_carries_the_trace_of_what_wrote_the_events() {
    let server = Server::subscribed("").await;
    let stop = server.deliver();
    let trace: Arc<str> = "Root=1-634604a2-0123456789abcdef01234567;Lineage=1:0a1b2c3d:3".into();
    let ctx = RequestContext { trace: Some(trace.clone()), ..context() };
    server.logs.append(&ctx, "g", "s", vec![event("from a chain")]);
    server.until("delivered", || !server.functions.messages().is_empty()).await;
    let traces: Vec<_> = server.functions.calls.lock().iter().map(|(ctx, _)| ctx.trace.clone()).collect();
    assert_eq!(traces, [None, Some(trace)], "by which a loop is found");
    stop.cancel();
}
