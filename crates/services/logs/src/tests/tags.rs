//! Both generations of the tagging operations.

use super::*;

const ARN: &str = "arn:aws:logs:us-east-1:000000000000:log-group:g";

#[tokio::test]
async fn both_generations_see_the_same_tags() {
    let server = Server::start().await;
    server.run("CreateLogGroup", json!({ "logGroupName": "g", "tags": { "made": "yes" } })).await;
    let tagged = server.call("TagResource", json!({ "resourceArn": ARN, "tags": { "a": "1", "b": "2" } })).await;
    assert_eq!((tagged.status, tagged.body), (200, Value::Null));
    server.run("TagLogGroup", json!({ "logGroupName": "g", "tags": { "b": "3" } })).await;
    let expected = json!({ "tags": { "a": "1", "b": "3", "made": "yes" } });
    assert_eq!(server.run("ListTagsForResource", json!({ "resourceArn": ARN })).await, expected);
    assert_eq!(server.run("ListTagsLogGroup", json!({ "logGroupName": "g" })).await, expected);
    server.run("UntagResource", json!({ "resourceArn": ARN, "tagKeys": ["a", "not there"] })).await;
    server.run("UntagLogGroup", json!({ "logGroupName": "g", "tags": ["made"] })).await;
    let server = server.restart(LogsConfig::default()).await;
    assert_eq!(server.run("ListTagsLogGroup", json!({ "logGroupName": "g" })).await, json!({ "tags": { "b": "3" } }));
}

#[tokio::test]
async fn refusals() {
    let server = Server::start().await;
    server.run("CreateLogGroup", json!({ "logGroupName": "g" })).await;
    let nobody = "arn:aws:logs:us-east-1:000000000000:log-group:nobody";
    let elsewhere = "arn:aws:logs:eu-west-1:000000000000:log-group:g";
    for arn in [nobody, elsewhere] {
        for (operation, input) in [
            ("TagResource", json!({ "resourceArn": arn, "tags": { "a": "b" } })),
            ("UntagResource", json!({ "resourceArn": arn, "tagKeys": ["a"] })),
            ("ListTagsForResource", json!({ "resourceArn": arn })),
        ] {
            let answer = server.call(operation, input).await;
            answer.refused("ResourceNotFoundException", "The specified log group does not exist.");
        }
    }
    for (operation, input) in [
        ("TagLogGroup", json!({ "logGroupName": "nobody", "tags": { "a": "b" } })),
        ("UntagLogGroup", json!({ "logGroupName": "nobody", "tags": ["a"] })),
        ("ListTagsLogGroup", json!({ "logGroupName": "nobody" })),
    ] {
        let answer = server.call(operation, input).await;
        answer.refused("ResourceNotFoundException", "The specified log group does not exist.");
    }
    let no_arn = server.call("ListTagsForResource", json!({ "resourceArn": "g" })).await;
    assert_eq!(no_arn.body["__type"], "InvalidParameterException");
    let reserved = server.call("TagResource", json!({ "resourceArn": ARN, "tags": { "aws:x": "b" } })).await;
    assert_eq!(reserved.body["__type"], "InvalidParameterException");
    let many =
        |prefix: &str| (0..50).map(|at| (format!("{prefix}{at}"), json!("v"))).collect::<serde_json::Map<_, _>>();
    server.run("TagResource", json!({ "resourceArn": ARN, "tags": many("a") })).await;
    let more = server.call("TagResource", json!({ "resourceArn": ARN, "tags": { "one": "more" } })).await;
    assert_eq!(more.body["__type"], "TooManyTagsException");
}
