//! Rules and their targets as they are set and shown.

use super::*;

const PATTERN: &str = r#"{"source":["my.app"]}"#;

#[tokio::test(start_paused = true)]
async fn a_rule_is_made_shown_changed_and_deleted() {
    let server = Server::start().await;
    let arn = "arn:aws:events:us-east-1:000000000000:rule/r";
    let made = server
        .ok(
            "PutRule",
            json!({"Name": "r", "EventPattern": PATTERN, "Description": "d", "RoleArn": ROLE, "State": "DISABLED"}),
        )
        .await;
    assert_eq!(made, json!({"RuleArn": arn}));
    let server = server.crash().await;
    let shown = json!({
        "Name": "r", "Arn": arn, "EventPattern": PATTERN, "State": "DISABLED", "Description": "d", "RoleArn": ROLE,
        "EventBusName": "default", "CreatedBy": "000000000000",
    });
    assert_eq!(server.ok("DescribeRule", json!({"Name": "r"})).await, shown);
    server.ok("EnableRule", json!({"Name": "r"})).await;
    assert_eq!(server.ok("DescribeRule", json!({"Name": "r"})).await["State"], "ENABLED");
    server.ok("DisableRule", json!({"Name": "r"})).await;
    server.ok("PutTargets", json!({"Rule": "r", "Targets": [{"Id": "1", "Arn": QUEUE}]})).await;
    // What is left away is not kept, but for targets.
    server.ok("PutRule", json!({"Name": "r", "EventPattern": PATTERN})).await;
    let shown = json!({"Name": "r", "Arn": arn, "EventPattern": PATTERN, "State": "ENABLED", "EventBusName": "default", "CreatedBy": "000000000000"});
    assert_eq!(server.ok("DescribeRule", json!({"Name": "r"})).await, shown);
    assert_eq!(
        server.ok("ListTargetsByRule", json!({"Rule": "r"})).await["Targets"],
        json!([{"Id": "1", "Arn": QUEUE}])
    );
    server
        .refused(
            "DeleteRule",
            json!({"Name": "r"}),
            "ValidationException",
            "Rule can't be deleted since it has targets.",
        )
        .await;
    server.ok("RemoveTargets", json!({"Rule": "r", "Ids": ["1"]})).await;
    server.ok("DeleteRule", json!({"Name": "r", "Force": true})).await;
    server.ok("DeleteRule", json!({"Name": "r"})).await;
    let missing = "Rule r does not exist on EventBus default.";
    for (operation, input) in [
        ("DescribeRule", json!({"Name": "r"})),
        ("EnableRule", json!({"Name": "r"})),
        ("DisableRule", json!({"Name": "r"})),
        ("ListTargetsByRule", json!({"Rule": "r"})),
        ("PutTargets", json!({"Rule": "r", "Targets": [{"Id": "1", "Arn": QUEUE}]})),
        ("RemoveTargets", json!({"Rule": "r", "Ids": ["1"]})),
    ] {
        server.refused(operation, input, "ResourceNotFoundException", missing).await;
    }
}

#[tokio::test(start_paused = true)]
async fn rules_are_listed_page_by_page_by_prefix_and_by_target() {
    let server = Server::start().await;
    server.ok("CreateEventBus", json!({"Name": "b"})).await;
    for name in ["a1", "a2", "b1"] {
        server.ok("PutRule", json!({"Name": name, "EventBusName": "b", "EventPattern": PATTERN})).await;
        server
            .ok("PutTargets", json!({"Rule": name, "EventBusName": "b", "Targets": [{"Id": "1", "Arn": QUEUE}]}))
            .await;
    }
    let names = |answer: &Value| -> Vec<String> {
        answer["Rules"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|rule| rule["Name"].as_str().expect("a name").to_owned())
            .collect()
    };
    let first = server.ok("ListRules", json!({"EventBusName": "b", "NamePrefix": "a", "Limit": 1})).await;
    assert_eq!(names(&first), ["a1"]);
    let next = json!({"EventBusName": "b", "NamePrefix": "a", "Limit": 1, "NextToken": first["NextToken"]});
    let second = server.ok("ListRules", next).await;
    assert_eq!((names(&second), second.get("NextToken")), (vec!["a2".to_owned()], None));
    assert!(names(&server.ok("ListRules", json!({})).await).is_empty());
    let by_target = json!({"TargetArn": QUEUE, "EventBusName": "b", "Limit": 2});
    let first = server.ok("ListRuleNamesByTarget", by_target).await;
    assert_eq!(first["RuleNames"], json!(["a1", "a2"]));
    let next = json!({"TargetArn": QUEUE, "EventBusName": BUS, "Limit": 2, "NextToken": first["NextToken"]});
    assert_eq!(server.ok("ListRuleNamesByTarget", next).await, json!({"RuleNames": ["b1"]}));
    assert_eq!(
        server.ok("ListRuleNamesByTarget", json!({"TargetArn": DEAD, "EventBusName": "b"})).await["RuleNames"],
        json!([])
    );
    server
        .refused(
            "DeleteEventBus",
            json!({"Name": "b"}),
            "ValidationException",
            "Event bus can't be deleted since it has rules.",
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn targets_are_shown_as_they_were_put_and_five_at_most() {
    let server = Server::start().await;
    server.ok("PutRule", json!({"Name": "r", "EventPattern": PATTERN})).await;
    let targets = json!([
        {"Id": "q", "Arn": "arn:aws:sqs:us-east-1:000000000000:q.fifo", "SqsParameters": {"MessageGroupId": "g"}, "InputPath": "$.detail",
         "DeadLetterConfig": {"Arn": DEAD}, "RetryPolicy": {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 60}},
        {"Id": "f", "Arn": FUNCTION, "Input": "{}"},
        {"Id": "t", "Arn": TOPIC, "InputTransformer": {"InputPathsMap": {"x": "$.detail.x"}, "InputTemplate": "\"<x>\""}},
        {"Id": "b", "Arn": BUS, "RoleArn": ROLE},
    ]);
    server.ok("PutTargets", json!({"Rule": "r", "Targets": targets})).await;
    let first = server.ok("ListTargetsByRule", json!({"Rule": "r", "Limit": 3})).await;
    let second =
        server.ok("ListTargetsByRule", json!({"Rule": "r", "Limit": 3, "NextToken": first["NextToken"]})).await;
    let mut shown = first["Targets"].as_array().expect("a list").clone();
    shown.extend(second["Targets"].as_array().expect("a list").clone());
    assert_eq!(Value::from(shown), targets);
    let two = json!([{"Id": "x", "Arn": QUEUE}, {"Id": "y", "Arn": QUEUE}]);
    let limit = "The requested resource exceeds the maximum number allowed.";
    server.refused("PutTargets", json!({"Rule": "r", "Targets": two}), "LimitExceededException", limit).await;
    // One of the same id is replaced.
    server.ok("PutTargets", json!({"Rule": "r", "Targets": [{"Id": "f", "Arn": QUEUE}]})).await;
    let removed = server.ok("RemoveTargets", json!({"Rule": "r", "Ids": ["q", "none"]})).await;
    assert_eq!((&removed["FailedEntryCount"], &removed["FailedEntries"][0]["TargetId"]), (&json!(1), &json!("none")));
    let left = server.ok("ListTargetsByRule", json!({"Rule": "r"})).await;
    assert_eq!(left["Targets"][0], json!({"Id": "f", "Arn": QUEUE}));
}

#[tokio::test(start_paused = true)]
async fn a_pattern_can_be_tried() {
    let server = Server::start().await;
    let event = json!({"id": "1", "detail-type": "t", "source": "my.app", "account": "1", "time": "2026-01-12T15:37:12Z", "region": "r", "resources": [], "detail": {}});
    let tried = server.ok("TestEventPattern", json!({"EventPattern": PATTERN, "Event": event.to_string()})).await;
    assert_eq!(tried, json!({"Result": true}));
    let tried =
        server.ok("TestEventPattern", json!({"EventPattern": r#"{"source":["x"]}"#, "Event": event.to_string()})).await;
    assert_eq!(tried, json!({"Result": false}));
    for event in ["x", "{}", "[]"] {
        let input = json!({"EventPattern": PATTERN, "Event": event});
        server.refused("TestEventPattern", input, "ValidationException", "Parameter Event is not valid.").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_is_found_on_the_bus_that_is_named() {
    let server = Server::start().await;
    server.ok("CreateEventBus", json!({"Name": "b"})).await;
    server.ok("PutRule", json!({"Name": "r", "EventBusName": "b", "EventPattern": PATTERN})).await;
    let target = json!([{"Id": "1", "Arn": QUEUE}]);
    server.ok("PutTargets", json!({"Rule": "r", "EventBusName": "b", "Targets": target})).await;
    for bus in ["b", BUS] {
        let rule = server.ok("DescribeRule", json!({"Name": "r", "EventBusName": bus})).await;
        assert_eq!((&rule["EventBusName"], &rule["State"]), (&json!("b"), &json!("ENABLED")));
        server.ok("DisableRule", json!({"Name": "r", "EventBusName": bus})).await;
        server.ok("EnableRule", json!({"Name": "r", "EventBusName": bus})).await;
        let targets = server.ok("ListTargetsByRule", json!({"Rule": "r", "EventBusName": bus})).await;
        assert_eq!(targets["Targets"], target);
    }
    server.ok("DeleteRule", json!({"Name": "r"})).await;
    server.ok("RemoveTargets", json!({"Rule": "r", "EventBusName": "b", "Ids": ["1"]})).await;
    server.ok("DeleteRule", json!({"Name": "r", "EventBusName": "b"})).await;
    assert_eq!(server.ok("ListRules", json!({"EventBusName": "b"})).await["Rules"], json!([]));
}
