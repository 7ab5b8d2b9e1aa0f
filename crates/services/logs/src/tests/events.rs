//! PutLogEvents and GetLogEvents.

use super::*;

/// Bytes of a batch, and what each event counts. Source: API reference, PutLogEvents.
const BATCH_BYTES: usize = 1_048_576;
const OVERHEAD: usize = 26;

#[tokio::test]
async fn events_are_read_back_with_every_key_and_no_other() {
    let server = Server::with_stream(LogsConfig::default()).await;
    let put = server.put("s", &[(NOW_MS - 2, "first"), (NOW_MS - 2, "sécond\nline"), (NOW_MS, "third")]).await;
    assert_eq!(keys(&put), ["nextSequenceToken"]);
    let got = server.run("GetLogEvents", json!({ "logGroupName": "g", "logStreamName": "s" })).await;
    assert_eq!(keys(&got), ["events", "nextBackwardToken", "nextForwardToken"]);
    let event =
        |timestamp: i64, message: &str| json!({ "timestamp": timestamp, "message": message, "ingestionTime": NOW_MS });
    let expected = json!([event(NOW_MS - 2, "first"), event(NOW_MS - 2, "sécond\nline"), event(NOW_MS, "third")]);
    assert_eq!(got["events"], expected);
}

#[tokio::test]
async fn acknowledged_events_survive_without_a_clean_end() {
    let server = Server::with_stream(LogsConfig::default()).await;
    server.put("s", &[(NOW_MS, "acknowledged")]).await;
    // What is on disk at this moment is all that a killed server leaves.
    let copy = tempfile::tempdir().expect("a directory");
    let copied = std::process::Command::new("cp").arg("-a").arg(server.path.path()).arg(copy.path()).status();
    assert!(copied.expect("cp").success());
    let inner = copy.path().join(server.path.path().file_name().expect("a name"));
    let logs = open(&inner, LogsConfig::default(), Arc::new(ManualClock::at(NOW_MS)), 9).await;
    let query = LogQuery { group: "g".to_owned(), after_sequence: 0, limit: 9 };
    let read = logs.read(&context(), &query).await;
    assert_eq!((read.len(), &read[0].message[..]), (1, &b"acknowledged"[..]));
    logs.close();
}

#[tokio::test]
async fn sequence_tokens_do_not_matter() {
    let server = Server::with_stream(LogsConfig::default()).await;
    for token in ["1", "what I had before"] {
        let events = json!([{ "timestamp": NOW_MS, "message": "m" }]);
        let input = json!({ "logGroupName": "g", "logStreamName": "s", "sequenceToken": token, "logEvents": events });
        server.run("PutLogEvents", input).await;
    }
    assert_eq!(server.texts().await.len(), 2);
}

async fn refused_batch(server: &Server, events: &[(i64, &str)], text: &str) {
    let events: Vec<Value> = events.iter().map(|(at, text)| json!({ "timestamp": at, "message": text })).collect();
    let input = json!({ "logGroupName": "g", "logStreamName": "s", "logEvents": events });
    server.call("PutLogEvents", input).await.refused("InvalidParameterException", text);
}

#[tokio::test]
async fn a_batch_has_its_limits() {
    let server = Server::with_stream(LogsConfig::default()).await;
    let order = "Log events in a single PutLogEvents request must be in chronological order.";
    refused_batch(&server, &[(NOW_MS, "a"), (NOW_MS - 1, "b")], order).await;
    let span = "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.";
    refused_batch(&server, &[(NOW_MS - DAY_MS - 1, "a"), (NOW_MS, "b")], span).await;
    let large = "x".repeat(BATCH_BYTES - OVERHEAD);
    let size = format!("Upload too large: {} bytes exceeds limit of {BATCH_BYTES}", BATCH_BYTES + 1);
    refused_batch(&server, &[(NOW_MS, &format!("{large}x"))], &size).await;
    server.put("s", &[(NOW_MS, &large)]).await;
    server.put("s", &vec![(NOW_MS, "e"); 10_000]).await;
    let events = json!(vec![json!({ "timestamp": NOW_MS, "message": "e" }); 10_001]);
    let many = server.call("PutLogEvents", json!({ "logGroupName": "g", "logStreamName": "s", "logEvents": events }));
    let many = many.await;
    assert_eq!(many.body["__type"], "InvalidParameterException");
    let text = many.body["message"].as_str().expect("a text");
    assert!(
        text.ends_with(
            "at 'logEvents' failed to satisfy constraint: Member must have length less than or equal to 10000"
        )
    );
}

#[tokio::test]
async fn events_out_of_time_are_rejected_and_the_others_taken() {
    let server = Server::with_stream(LogsConfig::default()).await;
    let (old, new) = (NOW_MS - 14 * DAY_MS, NOW_MS + 2 * 60 * 60 * 1_000);
    let put = server.put("s", &[(old - 2, "too old"), (old - 1, "too old"), (old, "old")]).await;
    assert_eq!(put["rejectedLogEventsInfo"], json!({ "tooOldLogEventEndIndex": 2 }));
    let put = server.put("s", &[(new, "new"), (new + 1, "too new")]).await;
    assert_eq!(put["rejectedLogEventsInfo"], json!({ "tooNewLogEventStartIndex": 1 }));
    server.run("PutRetentionPolicy", json!({ "logGroupName": "g", "retentionInDays": 1 })).await;
    let put = server.put("s", &[(NOW_MS - DAY_MS - 1, "expired"), (NOW_MS - 1, "kept")]).await;
    assert_eq!(put["rejectedLogEventsInfo"], json!({ "expiredLogEventEndIndex": 1 }));
    server.run("DeleteRetentionPolicy", json!({ "logGroupName": "g" })).await;
    let got = server.run("GetLogEvents", json!({ "logGroupName": "g", "logStreamName": "s" })).await;
    assert_eq!(messages(&got), ["old", "kept", "new"]);
}

#[tokio::test]
async fn an_entity_is_refused_as_the_api_has_it() {
    let server = Server::with_stream(LogsConfig::default()).await;
    let entity = json!({ "keyAttributes": { "Type": "Service", "Name": "n" }, "attributes": { "a": "b" } });
    let events = json!([{ "timestamp": NOW_MS, "message": "m" }]);
    let input = json!({ "logGroupName": "g", "logStreamName": "s", "logEvents": events, "entity": entity });
    let put = server.run("PutLogEvents", input).await;
    assert_eq!(put["rejectedEntityInfo"], json!({ "errorType": "UnsupportedLogGroupType" }));
    assert_eq!(server.texts().await, ["m"], "the events are taken");
}

#[tokio::test]
async fn a_full_queue_refuses_instead_of_losing() {
    let server = Server::with_stream(LogsConfig { queue_bytes_max: 100, ..LogsConfig::default() }).await;
    let events = json!([{ "timestamp": NOW_MS, "message": "x".repeat(200) }]);
    let input = json!({ "logGroupName": "g", "logStreamName": "s", "logEvents": events });
    let answer = server.call("PutLogEvents", input).await;
    assert_eq!((answer.status, &answer.body["__type"]), (503, &json!("ServiceUnavailableException")));
    assert_eq!(server.texts().await, [""; 0]);
}

/// A stream with ten events, put out of order, in several segments.
async fn ten() -> Server {
    let server = Server::with_stream(LogsConfig { segment_bytes_max: 100, ..LogsConfig::default() }).await;
    for at in [4, 5, 0, 1, 8, 9, 2, 3, 6, 7] {
        server.put("s", &[(NOW_MS + at, &format!("{at}"))]).await;
    }
    server
}

async fn get(server: &Server, more: Value) -> Value {
    let mut input = more;
    input["logGroupName"] = json!("g");
    input["logStreamName"] = json!("s");
    server.run("GetLogEvents", input).await
}

#[tokio::test]
async fn a_page_is_the_latest_or_from_the_head_and_always_in_order_of_time() {
    let server = ten().await;
    assert_eq!(messages(&get(&server, json!({})).await), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert_eq!(messages(&get(&server, json!({ "limit": 3 })).await), ["7", "8", "9"]);
    assert_eq!(messages(&get(&server, json!({ "limit": 3, "startFromHead": true })).await), ["0", "1", "2"]);
    // The start belongs to the range, the end does not.
    let range = json!({ "startTime": NOW_MS + 2, "endTime": NOW_MS + 5 });
    assert_eq!(messages(&get(&server, range).await), ["2", "3", "4"]);
}

#[tokio::test]
async fn tokens_lead_forwards_and_backwards_and_at_an_end_stay_the_same() {
    let server = ten().await;
    let follow = async |start: Value, token: &str| {
        let mut page = get(&server, start).await;
        let mut pages = vec![messages(&page).join("")];
        loop {
            let next = get(&server, json!({ "limit": 4, "nextToken": page[token] })).await;
            if next[token] == page[token] {
                assert_eq!(messages(&next), [""; 0]);
                return (pages, next);
            }
            pages.push(messages(&next).join(""));
            page = next;
        }
    };
    let (pages, last) = follow(json!({ "limit": 4, "startFromHead": true }), "nextForwardToken").await;
    assert_eq!(pages, ["0123", "4567", "89"]);
    let (pages, first) = follow(json!({ "limit": 4 }), "nextBackwardToken").await;
    assert_eq!(pages, ["6789", "2345", "01"]);
    // From the end back again, and from the start forth.
    let back = get(&server, json!({ "limit": 4, "nextToken": last["nextBackwardToken"] })).await;
    assert_eq!(messages(&back), ["6", "7", "8", "9"]);
    let forth = get(&server, json!({ "limit": 4, "nextToken": first["nextForwardToken"] })).await;
    assert_eq!(messages(&forth), ["0", "1", "2", "3"]);
    // What comes later is behind the end.
    server.put("s", &[(NOW_MS + 10, "10")]).await;
    let later = get(&server, json!({ "nextToken": last["nextForwardToken"] })).await;
    assert_eq!(messages(&later), ["10"]);
}

#[tokio::test]
async fn an_empty_stream_can_be_followed_from_its_beginning() {
    let server = Server::with_stream(LogsConfig::default()).await;
    for start in [json!({}), json!({ "startFromHead": true })] {
        let empty = get(&server, start).await;
        assert_eq!(messages(&empty), [""; 0]);
        let again = get(&server, json!({ "nextToken": empty["nextForwardToken"] })).await;
        assert_eq!(again["nextForwardToken"], empty["nextForwardToken"]);
    }
    let empty = get(&server, json!({})).await;
    server.put("s", &[(NOW_MS, "first")]).await;
    let first = get(&server, json!({ "nextToken": empty["nextForwardToken"] })).await;
    assert_eq!(messages(&first), ["first"]);
}

#[tokio::test]
async fn a_page_has_a_megabyte_at_most() {
    let server = Server::with_stream(LogsConfig::default()).await;
    let line = "x".repeat(300_000);
    for _ in 0..5 {
        server.put("s", &[(NOW_MS, &line)]).await;
    }
    let first = get(&server, json!({ "startFromHead": true })).await;
    assert_eq!(messages(&first).len(), 3);
    let second = get(&server, json!({ "nextToken": first["nextForwardToken"] })).await;
    assert_eq!(messages(&second).len(), 2);
}

#[tokio::test]
async fn wrong_tokens_and_limits_get_the_recorded_texts() {
    let server = Server::with_stream(LogsConfig::default()).await;
    for (input, text) in [
        (json!({ "nextToken": "x" }), "The specified nextToken is invalid."),
        (
            json!({ "limit": 10_001 }),
            "1 validation error detected: Value '10001' at 'limit' failed to satisfy constraint: Member must have value \
             less than or equal to 10000",
        ),
    ] {
        for operation in ["GetLogEvents", "FilterLogEvents"] {
            let mut input = input.clone();
            input["logGroupName"] = json!("g");
            if operation == "GetLogEvents" {
                input["logStreamName"] = json!("s");
            }
            server.call(operation, input).await.refused("InvalidParameterException", text);
        }
    }
}
