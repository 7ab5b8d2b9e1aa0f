//! CreateLogStream, DeleteLogStream, DescribeLogStreams.

use super::*;

#[tokio::test]
async fn a_stream_is_shown_with_every_key_and_no_other() {
    let server = Server::with_stream(LogsConfig::default()).await;
    let shown = server.run("DescribeLogStreams", json!({ "logGroupName": "g" })).await;
    let stream = &shown["logStreams"][0];
    assert_eq!(keys(&shown), ["logStreams"]);
    assert_eq!(keys(stream), ["arn", "creationTime", "logStreamName", "storedBytes", "uploadSequenceToken"]);
    assert_eq!(stream["arn"], "arn:aws:logs:us-east-1:000000000000:log-group:g:log-stream:s");
    assert_eq!((&stream["creationTime"], &stream["storedBytes"]), (&json!(NOW_MS), &json!(0)));

    server.put("s", &[(NOW_MS - 5, "a"), (NOW_MS - 2, "b")]).await;
    server.clock.advance(10);
    server.put("s", &[(NOW_MS - 9, "earlier")]).await;
    let shown = server.run("DescribeLogStreams", json!({ "logGroupName": "g" })).await;
    let stream = &shown["logStreams"][0];
    assert_eq!(stream["firstEventTimestamp"], NOW_MS - 9);
    assert_eq!(stream["lastEventTimestamp"], NOW_MS - 2);
    assert_eq!(stream["lastIngestionTime"], NOW_MS + 10);
    let again = server.restart(LogsConfig::default()).await;
    let by_arn = json!({ "logGroupIdentifier": "arn:aws:logs:us-east-1:000000000000:log-group:g" });
    assert_eq!(again.run("DescribeLogStreams", by_arn).await, shown);
}

#[tokio::test]
async fn recorded_refusals() {
    let server = Server::with_stream(LogsConfig::default()).await;
    let there = json!({ "logGroupName": "g", "logStreamName": "s" });
    let exists = server.call("CreateLogStream", there.clone()).await;
    exists.refused("ResourceAlreadyExistsException", "The specified log stream already exists");
    let nowhere = json!({ "logGroupName": "nobody", "logStreamName": "s" });
    for operation in ["CreateLogStream", "DeleteLogStream", "GetLogEvents"] {
        let answer = server.call(operation, nowhere.clone()).await;
        answer.refused("ResourceNotFoundException", "The specified log group does not exist.");
    }
    let missing = json!({ "logGroupName": "g", "logStreamName": "nobody" });
    for operation in ["DeleteLogStream", "GetLogEvents"] {
        let answer = server.call(operation, missing.clone()).await;
        answer.refused("ResourceNotFoundException", "The specified log stream does not exist.");
    }
    let both = json!({ "logGroupName": "g", "logGroupIdentifier": "g" });
    let answer = server.call("DescribeLogStreams", both).await;
    answer.refused("ValidationException", "LogGroup name and LogGroup ARN are mutually exclusive parameters.");
    let by_time = json!({ "logGroupName": "g", "orderBy": "LastEventTime", "logStreamNamePrefix": "s" });
    let answer = server.call("DescribeLogStreams", by_time).await;
    answer.refused("InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix.");
    let answer = server.call("DescribeLogStreams", json!({ "logGroupName": "g", "nextToken": "x" })).await;
    answer.refused("InvalidParameterException", "The specified nextToken is invalid.");
}

#[tokio::test]
async fn a_deleted_stream_takes_its_events_along() {
    let server = Server::with_stream(LogsConfig::default()).await;
    server.put("s", &[(NOW_MS, "gone")]).await;
    server.run("DeleteLogStream", json!({ "logGroupName": "g", "logStreamName": "s" })).await;
    assert_eq!(messages(&server.run("FilterLogEvents", json!({ "logGroupName": "g" })).await), [""; 0]);
    server.run("CreateLogStream", json!({ "logGroupName": "g", "logStreamName": "s" })).await;
    let events = server.run("GetLogEvents", json!({ "logGroupName": "g", "logStreamName": "s" })).await;
    assert_eq!(messages(&events), [""; 0]);
}

async fn listed(server: &Server, mut input: Value) -> Vec<String> {
    let mut names = Vec::new();
    loop {
        let page = server.run("DescribeLogStreams", input.clone()).await;
        let streams = page["logStreams"].as_array().expect("streams");
        assert!(streams.len() <= 2);
        names.extend(streams.iter().map(|stream| stream["logStreamName"].as_str().expect("a name").to_owned()));
        match page.get("nextToken") {
            Some(token) => input["nextToken"] = token.clone(),
            None => return names,
        }
    }
}

#[tokio::test]
async fn streams_are_listed_by_name_or_time_in_either_direction_and_in_pages() {
    let server = Server::with_stream(LogsConfig::default()).await;
    for (stream, age_ms) in [("a/1", Some(3)), ("a/2", Some(9)), ("b", Some(3)), ("empty", None)] {
        server.run("CreateLogStream", json!({ "logGroupName": "g", "logStreamName": stream })).await;
        if let Some(age_ms) = age_ms {
            server.put(stream, &[(NOW_MS - age_ms, "x")]).await;
        }
    }
    server.put("s", &[(NOW_MS - 5, "x")]).await;
    let list = |more: &str| {
        let mut input: Value = serde_json::from_str(more).expect("JSON");
        input["logGroupName"] = json!("g");
        input["limit"] = json!(2);
        listed(&server, input)
    };
    assert_eq!(list("{}").await, ["a/1", "a/2", "b", "empty", "s"]);
    assert_eq!(list(r#"{"descending":true}"#).await, ["s", "empty", "b", "a/2", "a/1"]);
    assert_eq!(list(r#"{"logStreamNamePrefix":"a/"}"#).await, ["a/1", "a/2"]);
    assert_eq!(list(r#"{"orderBy":"LastEventTime"}"#).await, ["empty", "a/2", "s", "a/1", "b"]);
    assert_eq!(list(r#"{"orderBy":"LastEventTime","descending":true}"#).await, ["b", "a/1", "s", "a/2", "empty"]);
}
