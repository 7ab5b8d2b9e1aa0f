//! Buses, their policies and tags.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_default_bus_is_there_and_others_come_and_go() {
    let server = Server::start().await;
    let default = server.ok("DescribeEventBus", json!({})).await;
    let arn = "arn:aws:events:us-east-1:000000000000:event-bus/default";
    assert_eq!(default, json!({"Name": "default", "Arn": arn}));
    let made = server.ok("CreateEventBus", json!({"Name": "b", "Description": "d"})).await;
    assert_eq!(made, json!({"EventBusArn": BUS, "Description": "d"}));
    server
        .refused(
            "CreateEventBus",
            json!({"Name": "b"}),
            "ResourceAlreadyExistsException",
            "Event bus b already exists.",
        )
        .await;
    let server = server.crash().await;
    for name in ["b", BUS] {
        let found = server.ok("DescribeEventBus", json!({"Name": name})).await;
        let at = NOW_MS / 1_000;
        assert_eq!(
            found,
            json!({"Name": "b", "Arn": BUS, "Description": "d", "CreationTime": at, "LastModifiedTime": at})
        );
    }
    server.world.clock.advance(5_000);
    server.ok("UpdateEventBus", json!({"Name": "b", "Description": "other"})).await;
    let found = server.ok("DescribeEventBus", json!({"Name": "b"})).await;
    assert_eq!(
        (&found["Description"], &found["LastModifiedTime"]),
        (&json!("other"), &json!((NOW_MS + 5_000) / 1_000))
    );
    server
        .refused(
            "DeleteEventBus",
            json!({"Name": "default"}),
            "ValidationException",
            "Cannot delete event bus default.",
        )
        .await;
    server.ok("DeleteEventBus", json!({"Name": "b"})).await;
    server.ok("DeleteEventBus", json!({"Name": "b"})).await;
    let missing = "Event bus b does not exist.";
    server.refused("DescribeEventBus", json!({"Name": "b"}), "ResourceNotFoundException", missing).await;
    server.refused("UpdateEventBus", json!({"Name": "b"}), "ResourceNotFoundException", missing).await;
}

#[tokio::test(start_paused = true)]
async fn buses_are_listed_page_by_page_and_by_prefix() {
    let server = Server::start().await;
    for name in ["a1", "a2", "a3", "b"] {
        server.ok("CreateEventBus", json!({"Name": name})).await;
    }
    let names = |answer: &Value| -> Vec<String> {
        let listed = answer["EventBuses"].as_array().expect("a list").iter();
        listed.map(|bus| bus["Name"].as_str().expect("a name").to_owned()).collect()
    };
    let all = server.ok("ListEventBuses", json!({})).await;
    assert_eq!(names(&all), ["a1", "a2", "a3", "b", "default"]);
    let first = server.ok("ListEventBuses", json!({"NamePrefix": "a", "Limit": 2})).await;
    assert_eq!(names(&first), ["a1", "a2"]);
    let next = json!({"NamePrefix": "a", "Limit": 2, "NextToken": first["NextToken"]});
    let second = server.ok("ListEventBuses", next).await;
    assert_eq!((names(&second), second.get("NextToken")), (vec!["a3".to_owned()], None));
}

#[tokio::test(start_paused = true)]
async fn permissions_are_statements_of_the_policy() {
    let server = Server::start().await;
    server.ok("CreateEventBus", json!({"Name": "b"})).await;
    let permission =
        json!({"EventBusName": "b", "Action": "events:PutEvents", "Principal": "111122223333", "StatementId": "one"});
    server.ok("PutPermission", permission).await;
    let to_all = json!({
        "EventBusName": "b", "Action": "events:PutEvents", "Principal": "*", "StatementId": "two",
        "Condition": {"Type": "StringEquals", "Key": "aws:PrincipalOrgID", "Value": "o-1"},
    });
    server.ok("PutPermission", to_all).await;
    let policy = async || {
        let found = server.ok("DescribeEventBus", json!({"Name": "b"})).await;
        serde_json::from_str::<Value>(found["Policy"].as_str().unwrap_or("null")).expect("JSON")
    };
    let one = json!({
        "Sid": "one", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
        "Action": "events:PutEvents", "Resource": BUS,
    });
    let two = json!({
        "Sid": "two", "Effect": "Allow", "Principal": "*", "Action": "events:PutEvents", "Resource": BUS,
        "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}},
    });
    assert_eq!(policy().await, json!({"Version": "2012-10-17", "Statement": [one, two]}));
    server.ok("RemovePermission", json!({"EventBusName": "b", "StatementId": "one"})).await;
    assert_eq!(policy().await, json!({"Version": "2012-10-17", "Statement": [two]}));
    let missing = "Statement with the provided id does not exist.";
    server
        .refused(
            "RemovePermission",
            json!({"EventBusName": "b", "StatementId": "one"}),
            "ResourceNotFoundException",
            missing,
        )
        .await;
    server.ok("RemovePermission", json!({"EventBusName": "b", "RemoveAllPermissions": true})).await;
    assert_eq!(policy().await, Value::Null);
    let none = "EventBus does not have a policy.";
    server
        .refused(
            "RemovePermission",
            json!({"EventBusName": "b", "StatementId": "one"}),
            "ResourceNotFoundException",
            none,
        )
        .await;
    let whole = json!({"Version": "2012-10-17", "Statement": [one]}).to_string();
    server.ok("PutPermission", json!({"EventBusName": "b", "Policy": whole})).await;
    assert_eq!(policy().await["Statement"][0]["Sid"], "one");
    server
        .ok("PutEvents", json!({"Entries": [{"EventBusName": "b", "Source": "s", "DetailType": "d", "Detail": "{}"}]}))
        .await;
    let asked = server.policies.asked.lock().last().cloned().expect("asked");
    assert_eq!(asked, format!("events:PutEvents {BUS} by its policy"));
    let conditions = server.policies.conditions.lock().last().cloned();
    assert_eq!(conditions.as_deref(), Some("events:source=s events:detail-type=d"));
}

#[tokio::test(start_paused = true)]
async fn tags_come_and_go() {
    let server = Server::start().await;
    server.ok("CreateEventBus", json!({"Name": "b", "Tags": [{"Key": "k", "Value": "v"}]})).await;
    server.ok("PutRule", json!({"Name": "r", "EventBusName": "b", "EventPattern": r#"{"source":["x"]}"#, "Tags": [{"Key": "a", "Value": "1"}]})).await;
    let rule = "arn:aws:events:us-east-1:000000000000:rule/b/r";
    for (arn, before) in [(BUS, json!([{"Key": "k", "Value": "v"}])), (rule, json!([{"Key": "a", "Value": "1"}]))] {
        assert_eq!(server.ok("ListTagsForResource", json!({"ResourceARN": arn})).await["Tags"], before);
        server.ok("TagResource", json!({"ResourceARN": arn, "Tags": [{"Key": "z", "Value": "2"}]})).await;
        server.ok("UntagResource", json!({"ResourceARN": arn, "TagKeys": ["k", "a"]})).await;
        assert_eq!(
            server.ok("ListTagsForResource", json!({"ResourceARN": arn})).await["Tags"],
            json!([{"Key": "z", "Value": "2"}])
        );
    }
    let asked = server.policies.conditions.lock().join("\n");
    assert!(asked.contains("aws:RequestTag/z=2 aws:TagKeys=z aws:ResourceTag/a=1"), "{asked}");
}
