//! What each operation asks to be allowed, and that it holds.

use super::*;

const GROUP: &str = "arn:aws:logs:us-east-1:000000000000:log-group:g";

#[tokio::test]
async fn each_operation_asks_for_its_action_and_a_denial_holds() {
    let server = Server::with_stream(LogsConfig::default()).await;
    let (group, stream) = (json!({ "logGroupName": "g" }), json!({ "logGroupName": "g", "logStreamName": "s" }));
    let mut events = stream.clone();
    events["logEvents"] = json!([{ "timestamp": NOW_MS, "message": "m" }]);
    let function = "arn:aws:lambda:us-east-1:000000000000:function:f";
    let filter = json!({
        "logGroupName": "g", "filterName": "f", "filterPattern": "", "destinationArn": function,
    });
    let on_group = format!("{GROUP}:log-stream:");
    let on_stream = format!("{GROUP}:log-stream:s");
    let on_all = "arn:aws:logs:us-east-1:000000000000:log-group::log-stream:".to_owned();
    let cases: [(&'static str, Value, &str); 22] = [
        ("logs:CreateLogGroup", group.clone(), &on_group),
        ("logs:CreateLogStream", stream.clone(), &on_stream),
        ("logs:DeleteLogGroup", group.clone(), &on_group),
        ("logs:DeleteLogStream", stream.clone(), &on_stream),
        ("logs:DeleteRetentionPolicy", group.clone(), &on_group),
        ("logs:DeleteSubscriptionFilter", json!({ "logGroupName": "g", "filterName": "f" }), &on_group),
        ("logs:DescribeLogGroups", json!({}), &on_all),
        ("logs:DescribeLogStreams", group.clone(), &on_group),
        ("logs:DescribeSubscriptionFilters", group.clone(), &on_group),
        ("logs:FilterLogEvents", group.clone(), &on_group),
        ("logs:GetLogEvents", stream.clone(), &on_stream),
        ("logs:ListTagsForResource", json!({ "resourceArn": GROUP }), GROUP),
        ("logs:ListTagsLogGroup", group.clone(), &on_group),
        ("logs:PutLogEvents", events, &on_stream),
        ("logs:PutRetentionPolicy", json!({ "logGroupName": "g", "retentionInDays": 1 }), &on_group),
        ("logs:PutSubscriptionFilter", filter, &on_group),
        ("logs:StartLiveTail", json!({ "logGroupIdentifiers": [GROUP] }), &on_group),
        ("logs:TagLogGroup", json!({ "logGroupName": "g", "tags": { "a": "b" } }), &on_group),
        ("logs:TagResource", json!({ "resourceArn": GROUP, "tags": { "a": "b" } }), GROUP),
        ("logs:TestMetricFilter", json!({ "filterPattern": "", "logEventMessages": ["m"] }), &on_all),
        ("logs:UntagLogGroup", json!({ "logGroupName": "g", "tags": ["a"] }), &on_group),
        ("logs:UntagResource", json!({ "resourceArn": GROUP, "tagKeys": ["a"] }), GROUP),
    ];
    for (action, input, resource) in cases {
        server.policies.asked.lock().clear();
        *server.policies.denied.lock() = Some(action);
        let operation = action.strip_prefix("logs:").expect("of this service");
        let answer = server.call(operation, input).await;
        answer.refused("AccessDeniedException", &format!("no {action}"));
        assert_eq!(*server.policies.asked.lock(), [format!("{action} {resource}")]);
    }
    *server.policies.denied.lock() = None;
    let left = server.run("DescribeLogStreams", group).await;
    assert_eq!(left["logStreams"].as_array().map(Vec::len), Some(1), "nothing has happened");
}

#[tokio::test]
async fn tags_at_creation_and_unmasking_are_asked_for_too() {
    let server = Server::with_stream(LogsConfig::default()).await;
    *server.policies.denied.lock() = Some("logs:TagResource");
    let tagged = server.call("CreateLogGroup", json!({ "logGroupName": "new", "tags": { "a": "b" } })).await;
    tagged.refused("AccessDeniedException", "no logs:TagResource");
    *server.policies.denied.lock() = Some("logs:Unmask");
    for operation in ["GetLogEvents", "FilterLogEvents"] {
        let mut input = json!({ "logGroupName": "g", "unmask": true });
        if operation == "GetLogEvents" {
            input["logStreamName"] = json!("s");
        }
        server.call(operation, input).await.refused("AccessDeniedException", "no logs:Unmask");
    }
}
