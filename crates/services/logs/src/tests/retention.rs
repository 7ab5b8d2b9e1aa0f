//! PutRetentionPolicy, DeleteRetentionPolicy, and that they remove.

use super::*;

#[tokio::test]
async fn only_the_documented_numbers_of_days_are_taken() {
    let server = Server::with_stream(LogsConfig::default()).await;
    for days in
        [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]
    {
        server.run("PutRetentionPolicy", json!({ "logGroupName": "g", "retentionInDays": days })).await;
        let shown = server.run("DescribeLogGroups", json!({})).await;
        assert_eq!(shown["logGroups"][0]["retentionInDays"], days);
    }
    for days in [0, 2, 366, -1] {
        let answer = server.call("PutRetentionPolicy", json!({ "logGroupName": "g", "retentionInDays": days })).await;
        assert_eq!((answer.status, &answer.body["__type"]), (400, &json!("InvalidParameterException")), "{days}");
    }
    server.run("DeleteRetentionPolicy", json!({ "logGroupName": "g" })).await;
    let shown = server.run("DescribeLogGroups", json!({})).await;
    assert_eq!(shown["logGroups"][0].get("retentionInDays"), None);
    for (operation, input) in [
        ("PutRetentionPolicy", json!({ "logGroupName": "nobody", "retentionInDays": 1 })),
        ("DeleteRetentionPolicy", json!({ "logGroupName": "nobody" })),
    ] {
        let answer = server.call(operation, input).await;
        answer.refused("ResourceNotFoundException", "The specified log group does not exist.");
    }
}

#[tokio::test]
async fn expired_events_are_shown_by_nothing_and_leave_the_disk() {
    let server = Server::with_stream(small_segments()).await;
    let line = "x".repeat(100);
    for at in 0..40 {
        server.put("s", &[(NOW_MS + at, &line)]).await;
    }
    server.logs.append(&context(), "kept", "s", vec![event("kept")]);
    server.run("PutRetentionPolicy", json!({ "logGroupName": "g", "retentionInDays": 3 })).await;
    server.clock.advance(3 * DAY_MS + 20);
    let shown = server.run("FilterLogEvents", json!({ "logGroupName": "g" })).await;
    assert_eq!(messages(&shown).len(), 20, "an event lives for three days to the millisecond");
    assert_eq!(server.texts().await.len(), 20);

    server.clock.advance(DAY_MS);
    let shown = server.run("GetLogEvents", json!({ "logGroupName": "g", "logStreamName": "s" })).await;
    assert_eq!(messages(&shown), [""; 0]);
    let group = server.logs.directory.find(&scope(), "g").expect("a group").id;
    // The segment that is written to is sealed once it is a day old.
    server.say("new", "today");
    let _ = server.texts().await;
    server.logs.tidy();
    let old_blocks = || {
        let index = server.logs.index.read();
        index
            .pieces(group, |block| block.max_ms < NOW_MS + 1_000)
            .into_iter()
            .filter(|piece| piece.block.min_ms > NOW_MS)
            .count()
    };
    server.until("gone", || old_blocks() == 0).await;
    assert_eq!(server.texts_after("kept", 0).await.len(), 1);
}

#[tokio::test]
async fn a_stream_nobody_made_goes_with_its_last_event_and_one_that_was_made_stays() {
    let server = Server::with_stream(LogsConfig::default()).await;
    server.put("s", &[(NOW_MS, "x")]).await;
    server.say("automatic", "x");
    server.run("PutRetentionPolicy", json!({ "logGroupName": "g", "retentionInDays": 1 })).await;
    server.clock.advance(2 * DAY_MS);
    server.logs.tidy();
    let id = server.logs.directory.find(&scope(), "g").expect("a group").id;
    server.until("gone", || server.logs.directory.find_stream(id, "automatic").is_none()).await;
    assert!(server.logs.directory.find_stream(id, "s").is_some());
}
