//! Archives and replays.

use super::*;

const ARCHIVE: &str = "arn:aws:events:us-east-1:000000000000:archive/a";
const DEFAULT_BUS: &str = "arn:aws:events:us-east-1:000000000000:event-bus/default";

async fn archive(server: &Server, more: Value) {
    let mut input = json!({"ArchiveName": "a", "EventSourceArn": DEFAULT_BUS});
    input.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let answer = server.ok("CreateArchive", input).await;
    assert_eq!(answer, json!({"ArchiveArn": ARCHIVE, "State": "ENABLED", "CreationTime": NOW_MS / 1_000}));
}

fn replay(from_ms: i64, to_ms: i64) -> Value {
    json!({
        "ReplayName": "p", "EventSourceArn": ARCHIVE, "Description": "d",
        "EventStartTime": from_ms / 1_000, "EventEndTime": to_ms / 1_000, "Destination": {"Arn": DEFAULT_BUS},
    })
}

async fn state(server: &Server) -> Value {
    server.ok("DescribeReplay", json!({"ReplayName": "p"})).await["State"].clone()
}

#[tokio::test(start_paused = true)]
async fn an_archive_is_made_shown_changed_and_deleted() {
    let server = Server::start().await;
    let pattern = r#"{"source":["my.app"]}"#;
    archive(&server, json!({"Description": "d", "EventPattern": pattern, "RetentionDays": 3})).await;
    let exists = "Archive a already exists.";
    let again = json!({"ArchiveName": "a", "EventSourceArn": DEFAULT_BUS});
    server.refused("CreateArchive", again, "ResourceAlreadyExistsException", exists).await;
    let server = server.crash().await;
    server.put(entry()).await;
    server.put(json!({"Source": "other", "DetailType": "t", "Detail": "{}"})).await;
    let shown = server.ok("DescribeArchive", json!({"ArchiveName": "a"})).await;
    let size = shown["SizeBytes"].as_u64().expect("a number");
    assert!(size > 100, "{size}");
    let listed = json!({
        "ArchiveName": "a", "EventSourceArn": DEFAULT_BUS, "State": "ENABLED", "RetentionDays": 3, "SizeBytes": size,
        "EventCount": 1, "CreationTime": NOW_MS / 1_000,
    });
    let mut expected = listed.clone();
    expected["ArchiveArn"] = json!(ARCHIVE);
    expected["Description"] = json!("d");
    expected["EventPattern"] = json!(pattern);
    assert_eq!(shown, expected);
    for filter in
        [json!({}), json!({"NamePrefix": "a"}), json!({"EventSourceArn": DEFAULT_BUS}), json!({"State": "ENABLED"})]
    {
        assert_eq!(server.ok("ListArchives", filter).await, json!({"Archives": [listed]}));
    }
    for filter in [json!({"NamePrefix": "b"}), json!({"EventSourceArn": BUS}), json!({"State": "DISABLED"})] {
        assert_eq!(server.ok("ListArchives", filter).await, json!({"Archives": []}));
    }
    server
        .ok(
            "UpdateArchive",
            json!({"ArchiveName": "a", "RetentionDays": 0, "Description": "e", "EventPattern": r#"{"source":["x"]}"#}),
        )
        .await;
    server.put(entry()).await;
    let shown = server.ok("DescribeArchive", json!({"ArchiveName": "a"})).await;
    assert_eq!(
        (&shown["EventCount"], &shown["RetentionDays"], &shown["Description"]),
        (&json!(1), &json!(0), &json!("e"))
    );
    server.ok("DeleteArchive", json!({"ArchiveName": "a"})).await;
    let missing = "Archive a does not exist.";
    for operation in ["DescribeArchive", "DeleteArchive"] {
        server.refused(operation, json!({"ArchiveName": "a"}), "ResourceNotFoundException", missing).await;
    }
    let change = json!({"ArchiveName": "a", "RetentionDays": 1});
    server.refused("UpdateArchive", change, "ResourceNotFoundException", missing).await;
    server.settle().await;
    assert_eq!(server.world.store.count(&scope(), "events.archived"), 0, "its events go after it");
}

#[tokio::test(start_paused = true)]
async fn lists_go_on_page_by_page() {
    let server = Server::start().await;
    for name in ["a", "b", "c"] {
        server.ok("CreateArchive", json!({"ArchiveName": name, "EventSourceArn": DEFAULT_BUS})).await;
        let mut input = replay(0, NOW_MS);
        input["ReplayName"] = json!(name);
        server.ok("StartReplay", input).await;
    }
    for (operation, list, member) in
        [("ListArchives", "Archives", "ArchiveName"), ("ListReplays", "Replays", "ReplayName")]
    {
        let names = |answer: &Value| -> Vec<String> {
            answer[list]
                .as_array()
                .expect("a list")
                .iter()
                .map(|one| one[member].as_str().expect("a name").to_owned())
                .collect()
        };
        let first = server.ok(operation, json!({"Limit": 2})).await;
        let second = server.ok(operation, json!({"Limit": 2, "NextToken": first["NextToken"]})).await;
        assert_eq!((names(&first), names(&second)), (vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()]));
        assert!(second.get("NextToken").is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn events_are_kept_as_many_days_as_the_archive_says() {
    let server = Server::start().await;
    archive(&server, json!({"RetentionDays": 1})).await;
    server.put(entry()).await;
    server.pass(86_400 - 3_600).await;
    server.put(entry()).await;
    assert_eq!(server.world.store.count(&scope(), "events.archived"), 2);
    server.pass(7_300).await;
    assert_eq!(server.world.store.count(&scope(), "events.archived"), 1);
}

#[tokio::test(start_paused = true)]
async fn events_are_counted_whether_the_keeper_has_seen_them_or_not() {
    async fn counted(server: &Server) -> (u64, u64) {
        let shown = server.ok("DescribeArchive", json!({"ArchiveName": "a"})).await;
        (shown["EventCount"].as_u64().expect("a number"), shown["SizeBytes"].as_u64().expect("a number"))
    }
    let server = Server::start().await;
    archive(&server, json!({"RetentionDays": 1})).await;
    server.put(entry()).await;
    let (events, bytes) = counted(&server).await;
    assert_eq!(events, 1);
    // The keeper's hour comes and goes.
    server.pass(3_700).await;
    assert_eq!(counted(&server).await, (1, bytes));
    server.put(entry()).await;
    server.put(entry()).await;
    assert_eq!(counted(&server).await, (3, 3 * bytes));
    server.pass(3_700).await;
    assert_eq!(counted(&server).await, (3, 3 * bytes));
    let server = server.crash().await;
    assert_eq!(counted(&server).await, (3, 3 * bytes));
    server.pass(86_400 - 3_700).await;
    assert_eq!(counted(&server).await, (2, 2 * bytes), "the first has expired");
    server.ok("DeleteArchive", json!({"ArchiveName": "a"})).await;
    server.ok("CreateArchive", json!({"ArchiveName": "a", "EventSourceArn": DEFAULT_BUS})).await;
    assert_eq!(counted(&server).await, (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_replay_sends_what_came_in_its_window_to_the_rules_again() {
    let server = Server::start().await;
    archive(&server, json!({})).await;
    server.put(entry()).await;
    server.world.clock.advance(60_000);
    let second = server.put(entry()).await["Entries"][0]["EventId"].clone();
    server.world.clock.advance(60_000);
    server.put(entry()).await;
    server.rule_to(json!({"Id": "q", "Arn": QUEUE})).await;
    let other = json!({"Name": "other", "EventPattern": r#"{"source":["my.app"]}"#});
    let other = server.ok("PutRule", other).await["RuleArn"].clone();
    server.ok("PutTargets", json!({"Rule": "other", "Targets": [{"Id": "d", "Arn": DEAD}]})).await;
    let mut input = replay(NOW_MS + 30_000, NOW_MS + 90_000);
    input["Destination"]["FilterArns"] = json!(["arn:aws:events:us-east-1:000000000000:rule/r"]);
    let started = server.ok("StartReplay", input.clone()).await;
    let arn = "arn:aws:events:us-east-1:000000000000:replay/p";
    assert_eq!((&started["ReplayArn"], &started["State"]), (&json!(arn), &json!("STARTING")));
    server.settle().await;
    let bodies = server.receivers.sent_to(QUEUE);
    assert_eq!(bodies.len(), 1);
    let event: Value = serde_json::from_str(&bodies[0]).expect("JSON");
    assert_eq!((&event["id"], &event["replay-name"], &event["detail"]["n"]), (&second, &json!("p"), &json!(1)));
    assert!(server.receivers.sent_to(DEAD).is_empty(), "{other} was not asked");
    let shown = server.ok("DescribeReplay", json!({"ReplayName": "p"})).await;
    assert_eq!(
        (&shown["State"], &shown["Description"], &shown["EventSourceArn"]),
        (&json!("COMPLETED"), &json!("d"), &json!(ARCHIVE))
    );
    assert_eq!(shown["Destination"], input["Destination"]);
    assert_eq!(shown["EventLastReplayedTime"], json!((NOW_MS + 60_000) / 1_000));
    assert_eq!(server.world.store.count(&scope(), "events.archived"), 3, "what is replayed is not kept again");
    for filter in
        [json!({}), json!({"NamePrefix": "p"}), json!({"State": "COMPLETED"}), json!({"EventSourceArn": ARCHIVE})]
    {
        assert_eq!(server.ok("ListReplays", filter).await["Replays"][0]["ReplayName"], "p");
    }
    for filter in [
        json!({"NamePrefix": "x"}),
        json!({"State": "RUNNING"}),
        json!({"EventSourceArn": "arn:aws:events:us-east-1:000000000000:archive/x"}),
    ] {
        assert_eq!(server.ok("ListReplays", filter).await["Replays"], json!([]));
    }
    server.refused("StartReplay", input, "ResourceAlreadyExistsException", "Replay p already exists.").await;
    let ended = "Replay p is not in a valid state for this operation.";
    server.refused("CancelReplay", json!({"ReplayName": "p"}), "IllegalStatusException", ended).await;
}

#[tokio::test(start_paused = true)]
async fn a_replay_goes_on_after_a_crash_and_doubles_nothing() {
    let server = Server::start().await;
    archive(&server, json!({})).await;
    for _ in 0..25 {
        server.ok("PutEvents", json!({"Entries": vec![entry(); 10]})).await;
    }
    server.rule_to(json!({"Id": "q", "Arn": QUEUE})).await;
    *server.receivers.queue_error.lock() = Some(QueueError::Unavailable { detail: "down".to_owned() });
    server.ok("StartReplay", replay(NOW_MS, NOW_MS + 1_000)).await;
    let server = server.crash().await;
    for _ in 0..60 {
        server.pass(1).await;
    }
    assert_eq!(state(&server).await, "COMPLETED");
    let ids: std::collections::BTreeSet<String> = server.receivers.sent_to(QUEUE).into_iter().collect();
    assert_eq!((ids.len(), server.world.waiting()), (250, 0));
}

#[tokio::test(start_paused = true)]
async fn a_replay_can_be_cancelled() {
    let server = Server::start().await;
    archive(&server, json!({})).await;
    server.stop.cancel();
    server.ok("StartReplay", replay(0, NOW_MS + 1_000)).await;
    let answer = server.ok("CancelReplay", json!({"ReplayName": "p"})).await;
    assert_eq!(answer["State"], "CANCELLING");
    let server = server.crash().await;
    server.settle().await;
    assert_eq!(state(&server).await, "CANCELLED");
}

#[tokio::test(start_paused = true)]
async fn archives_and_replays_that_cannot_be() {
    let server = Server::start().await;
    archive(&server, json!({})).await;
    let invalid = async |operation: &str, input: Value, text: &str| {
        server.refused(operation, input, "ValidationException", text).await;
    };
    let away = json!({"ArchiveName": "b", "EventSourceArn": "arn:aws:events:us-east-1:111122223333:event-bus/b"});
    invalid(
        "CreateArchive",
        away,
        "Parameter EventSourceArn is not valid. Reason: it is no event bus of the account and Region.",
    )
    .await;
    server
        .refused(
            "CreateArchive",
            json!({"ArchiveName": "b", "EventSourceArn": BUS}),
            "ResourceNotFoundException",
            "Event bus b does not exist.",
        )
        .await;
    for operation in ["CreateArchive", "UpdateArchive"] {
        let input = json!({"ArchiveName": "a", "EventSourceArn": DEFAULT_BUS, "KmsKeyIdentifier": "k"});
        invalid(operation, input, "KmsKeyIdentifier is not supported by Hearth.").await;
    }
    invalid(
        "UpdateArchive",
        json!({"ArchiveName": "a"}),
        "At least one of EventPattern, RetentionDays or Description must be provided.",
    )
    .await;
    invalid(
        "StartReplay",
        replay(NOW_MS, NOW_MS),
        "Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime.",
    )
    .await;
    let mut other = replay(0, NOW_MS);
    other["EventSourceArn"] = json!("arn:aws:events:us-east-1:000000000000:archive/none");
    invalid("StartReplay", other, "Parameter EventSourceArn is not valid. Reason: Archive none does not exist.").await;
    let mut other = replay(0, NOW_MS);
    other["Destination"]["Arn"] = json!(BUS);
    invalid(
        "StartReplay",
        other,
        "Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted.",
    )
    .await;
    let missing = "Replay p does not exist.";
    for operation in ["DescribeReplay", "CancelReplay"] {
        server.refused(operation, json!({"ReplayName": "p"}), "ResourceNotFoundException", missing).await;
    }
    let filters = json!({"NamePrefix": "a", "State": "ENABLED"});
    invalid(
        "ListArchives",
        filters,
        "At most one filter is allowed for ListArchives. Use either: State, EventSourceArn, or NamePrefix.",
    )
    .await;
    let filters = json!({"NamePrefix": "a", "State": "RUNNING"});
    invalid(
        "ListReplays",
        filters,
        "At most one filter is allowed for ListReplays. Use either: State, EventSourceArn, or NamePrefix.",
    )
    .await;
}
