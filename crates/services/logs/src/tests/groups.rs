//! CreateLogGroup, DeleteLogGroup, DescribeLogGroups.

use super::*;

#[tokio::test]
async fn a_group_is_shown_with_every_key_and_no_other() {
    let server = Server::start().await;
    let created = server.call("CreateLogGroup", json!({ "logGroupName": "/a/b.c-d_e#1" })).await;
    assert_eq!((created.status, created.body), (200, Value::Null), "no output");
    let arn = "arn:aws:logs:us-east-1:000000000000:log-group:/a/b.c-d_e#1";
    let shown = json!({ "logGroups": [{
        "logGroupName": "/a/b.c-d_e#1", "creationTime": NOW_MS, "metricFilterCount": 0, "arn": format!("{arn}:*"),
        "storedBytes": 0, "logGroupClass": "STANDARD", "logGroupArn": arn, "deletionProtectionEnabled": false,
    }] });
    assert_eq!(server.run("DescribeLogGroups", json!({})).await, shown);
    let server = server.restart(LogsConfig::default()).await;
    assert_eq!(server.run("DescribeLogGroups", json!({})).await, shown, "and after a restart");
    server.run("PutRetentionPolicy", json!({ "logGroupName": "/a/b.c-d_e#1", "retentionInDays": 7 })).await;
    let shown = server.run("DescribeLogGroups", json!({})).await;
    assert_eq!(shown["logGroups"][0]["retentionInDays"], 7);
}

#[tokio::test]
async fn a_name_is_given_once_and_is_free_again_after_its_deletion() {
    let server = Server::start().await;
    let group = json!({ "logGroupName": "g" });
    server.run("CreateLogGroup", group.clone()).await;
    let again = server.call("CreateLogGroup", group.clone()).await;
    again.refused("ResourceAlreadyExistsException", "The specified log group already exists");
    server.run("DeleteLogGroup", group.clone()).await;
    let again = server.call("DeleteLogGroup", group.clone()).await;
    again.refused("ResourceNotFoundException", "The specified log group does not exist.");
    let server = server.restart(LogsConfig::default()).await;
    assert_eq!(server.run("DescribeLogGroups", json!({})).await, json!({ "logGroups": [] }));
    server.run("CreateLogGroup", group).await;
}

#[tokio::test]
async fn wrong_names_and_numbers_get_the_recorded_texts() {
    let server = Server::start().await;
    let answer = server.call("DescribeLogGroups", json!({ "limit": 51 })).await;
    answer.refused(
        "InvalidParameterException",
        "1 validation error detected: Value '51' at 'limit' failed to satisfy constraint: Member must have value less than \
         or equal to 50",
    );
    let answer = server.call("CreateLogGroup", json!({ "logGroupName": "a b" })).await;
    answer.refused(
        "InvalidParameterException",
        "1 validation error detected: Value 'a b' at 'logGroupName' failed to satisfy constraint: Member must satisfy \
         regular expression pattern: [\\.\\-_/#A-Za-z0-9]+",
    );
    let answer =
        server.call("DescribeLogGroups", json!({ "logGroupNamePrefix": "a", "logGroupNamePattern": "b" })).await;
    answer.refused(
        "InvalidParameterException",
        "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
    );
    let answer = server.call("DescribeLogGroups", json!({ "nextToken": "invalid" })).await;
    answer.refused("InvalidParameterException", "The specified nextToken is invalid.");
}

fn names(answer: &Value) -> Vec<&str> {
    let groups = answer["logGroups"].as_array().expect("groups");
    groups.iter().map(|group| group["logGroupName"].as_str().expect("a name")).collect()
}

#[tokio::test]
async fn groups_are_listed_by_name_filtered_and_in_pages() {
    let server = Server::start().await;
    for name in ["/b/2", "/a/1", "/b/1", "/b/3", "c"] {
        server.run("CreateLogGroup", json!({ "logGroupName": name })).await;
    }
    assert_eq!(names(&server.run("DescribeLogGroups", json!({})).await), ["/a/1", "/b/1", "/b/2", "/b/3", "c"]);
    let by_pattern = server.run("DescribeLogGroups", json!({ "logGroupNamePattern": "1" })).await;
    assert_eq!(names(&by_pattern), ["/a/1", "/b/1"]);
    let by_class = server.run("DescribeLogGroups", json!({ "logGroupClass": "DELIVERY" })).await;
    assert_eq!(names(&by_class), [""; 0]);
    let arn = "arn:aws:logs:us-east-1:000000000000:log-group:/b/2";
    let named = server.run("DescribeLogGroups", json!({ "logGroupIdentifiers": ["c", arn, "nobody"] })).await;
    assert_eq!(names(&named), ["/b/2", "c"]);

    let first = server.run("DescribeLogGroups", json!({ "logGroupNamePrefix": "/b/", "limit": 2 })).await;
    assert_eq!(names(&first), ["/b/1", "/b/2"]);
    let token = first["nextToken"].clone();
    let rest = server.run("DescribeLogGroups", json!({ "logGroupNamePrefix": "/b/", "limit": 2, "nextToken": token }));
    let rest = rest.await;
    assert_eq!((names(&rest), keys(&rest)), (vec!["/b/3"], vec!["logGroups"]));
}

#[tokio::test]
async fn what_hearth_does_not_have_is_refused() {
    let server = Server::start().await;
    let refused = |more: Value| {
        let mut input = json!({ "logGroupName": "g" });
        input.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("an object"));
        server.call("CreateLogGroup", input)
    };
    for (more, text) in [
        (json!({ "kmsKeyId": "k" }), "kmsKeyId is not supported by Hearth yet."),
        (json!({ "logGroupClass": "INFREQUENT_ACCESS" }), "Hearth has log groups of the class STANDARD only."),
        (json!({ "deletionProtectionEnabled": true }), "deletionProtectionEnabled is not supported by Hearth yet."),
    ] {
        refused(more).await.refused("InvalidParameterException", text);
    }
    let text = "Hearth has no monitoring accounts: leave linked accounts away.";
    for input in [json!({ "includeLinkedAccounts": true }), json!({ "accountIdentifiers": ["111111111111"] })] {
        server.call("DescribeLogGroups", input).await.refused("InvalidParameterException", text);
    }
    let same = json!({ "logGroupClass": "STANDARD", "deletionProtectionEnabled": false });
    assert_eq!(refused(same).await.status, 200);
}

#[tokio::test]
async fn operations_that_are_not_there_say_so() {
    let server = Server::start().await;
    for operation in ["PutMetricFilter", "PutAccountPolicy", "StartQuery", "GetLogRecord", "CreateExportTask"] {
        let answer = server.call(operation, json!({})).await;
        assert_eq!((answer.status, &answer.body["__type"]), (501, &json!("NotImplementedException")), "{operation}");
    }
}
