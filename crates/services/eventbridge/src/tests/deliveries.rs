//! What targets get, when, and what becomes of events that they do not get.

use super::*;

#[tokio::test(start_paused = true)]
async fn who_is_a_target_of_a_matching_rule_gets_the_event() {
    let server = Server::start().await;
    server.rule_to(json!({"Id": "q", "Arn": QUEUE})).await;
    server
        .ok("PutTargets", json!({"Rule": "r", "Targets": [{"Id": "f", "Arn": FUNCTION}, {"Id": "t", "Arn": TOPIC}]}))
        .await;
    let mut with_all = entry();
    with_all["Resources"] = json!(["arn:aws:x:::y"]);
    with_all["Time"] = json!(0);
    with_all["TraceHeader"] = json!("Root=1-2-3");
    let answer = server.put(with_all).await;
    let id = answer["Entries"][0]["EventId"].as_str().expect("an id").to_owned();
    assert_eq!(answer, json!({"FailedEntryCount": 0, "Entries": [{"EventId": id}]}));
    let other = json!({"Source": "other", "DetailType": "order", "Detail": "{}"});
    server.put(other).await;
    server.settle().await;
    let event = json!({
        "version": "0", "id": id, "detail-type": "order", "source": "my.app", "account": "000000000000",
        "time": "1970-01-01T00:00:00Z", "region": "us-east-1", "resources": ["arn:aws:x:::y"], "detail": {"n": 1, "state": "new"},
    });
    let bodies = server.receivers.sent_to(QUEUE);
    assert_eq!(bodies.len(), 1);
    assert_eq!(serde_json::from_str::<Value>(&bodies[0]).expect("JSON"), event);
    assert_eq!(server.receivers.sent.lock()[0].1.trace_header.as_deref(), Some("Root=1-2-3"));
    let invoked = server.receivers.invoked.lock();
    assert_eq!(invoked[0].invocation_type, InvocationType::Event, "nobody waits for the function");
    assert_eq!(serde_json::from_slice::<Value>(&invoked[0].payload).expect("JSON"), event);
    assert_eq!(serde_json::from_str::<Value>(&server.receivers.published.lock()[0].message).expect("JSON"), event);
    let caller = Caller::Service {
        principal: "events.amazonaws.com",
        source_arn: Some("arn:aws:events:us-east-1:000000000000:rule/r".into()),
        source_account: Some(AccountId::DEFAULT),
    };
    assert!(server.receivers.callers.lock().iter().all(|found| *found == caller));
    assert_eq!(server.world.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_disabled_rule_tells_nobody_and_no_rule_of_another_bus_does() {
    let server = Server::start().await;
    server.ok("CreateEventBus", json!({"Name": "b"})).await;
    server.rule_to(json!({"Id": "q", "Arn": QUEUE})).await;
    let mut elsewhere = entry();
    elsewhere["EventBusName"] = json!("b");
    server.put(elsewhere).await;
    server.ok("DisableRule", json!({"Name": "r"})).await;
    server.put(entry()).await;
    server.settle().await;
    assert!(server.receivers.sent_to(QUEUE).is_empty());
    server.ok("EnableRule", json!({"Name": "r"})).await;
    server.put(entry()).await;
    server.settle().await;
    assert_eq!(server.receivers.sent_to(QUEUE).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn input_path_and_transformer_say_what_a_target_gets() {
    let server = Server::start().await;
    server.rule_to(json!({"Id": "1", "Arn": QUEUE, "Input": r#"{"constant": true}"#})).await;
    server.ok("PutTargets", json!({"Rule": "r", "Targets": [{"Id": "2", "Arn": DEAD, "InputPath": "$.detail"}]})).await;
    let transformer = json!({"InputPathsMap": {"n": "$.detail.n"}, "InputTemplate": r#"{"n": <n>, "rule": "<aws.events.rule-name>"}"#});
    server
        .ok(
            "PutTargets",
            json!({"Rule": "r", "Targets": [{"Id": "3", "Arn": FUNCTION, "InputTransformer": transformer}]}),
        )
        .await;
    server.put(entry()).await;
    server.settle().await;
    assert_eq!(server.receivers.sent_to(QUEUE), [r#"{"constant": true}"#]);
    assert_eq!(server.receivers.sent_to(DEAD), [r#"{"n":1,"state":"new"}"#]);
    assert_eq!(&*server.receivers.invoked.lock()[0].payload, br#"{"n": 1, "rule": "r"}"#);
}

#[tokio::test(start_paused = true)]
async fn messages_to_a_fifo_queue_have_the_group_of_the_target() {
    let server = Server::start().await;
    let queue = "arn:aws:sqs:us-east-1:000000000000:q.fifo";
    server.rule_to(json!({"Id": "q", "Arn": queue, "SqsParameters": {"MessageGroupId": "g"}})).await;
    server.put(entry()).await;
    server.settle().await;
    let sent = server.receivers.sent.lock();
    assert_eq!((sent[0].0.as_str(), sent[0].1.group_id.as_deref()), (queue, Some("g")));
    assert!(sent[0].1.deduplication_id.is_some());
}

#[tokio::test(start_paused = true)]
async fn each_entry_is_answered_for_itself() {
    let server = Server::start().await;
    server.rule_to(json!({"Id": "q", "Arn": QUEUE})).await;
    let entries = json!([
        entry(),
        {"Source": "my.app", "DetailType": "t"},
        {"Source": "my.app", "DetailType": "t", "Detail": "no JSON"},
        {"Source": "aws.s3", "DetailType": "t", "Detail": "{}"},
        {"Source": "my.app", "DetailType": "t", "Detail": "{}", "EventBusName": "none"},
    ]);
    let answer = server.ok("PutEvents", json!({"Entries": entries})).await;
    assert_eq!(answer["FailedEntryCount"], 3);
    let codes: Vec<Option<&str>> =
        answer["Entries"].as_array().expect("a list").iter().map(|entry| entry["ErrorCode"].as_str()).collect();
    assert_eq!(
        codes,
        [None, Some("InvalidArgument"), Some("MalformedDetail"), Some("NotAuthorizedForSourceException"), None]
    );
    assert_eq!(
        answer["Entries"][1]["ErrorMessage"],
        "Parameter Detail is not valid. Reason: Detail is a required argument."
    );
    server.settle().await;
    assert_eq!(server.receivers.sent_to(QUEUE).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_accepted_survives_a_crash() {
    let server = Server::start().await;
    server.rule_to(json!({"Id": "q", "Arn": QUEUE})).await;
    *server.receivers.queue_error.lock() = Some(QueueError::Unavailable { detail: "down".to_owned() });
    server.put(entry()).await;
    server.settle().await;
    assert_eq!((server.receivers.sent_to(QUEUE).len(), server.world.waiting()), (0, 1));
    let server = server.crash().await;
    server.pass(10).await;
    assert_eq!((server.receivers.sent_to(QUEUE).len(), server.world.waiting()), (1, 0));
}

fn attributes(server: &Server) -> std::collections::BTreeMap<String, String> {
    let sent = server.receivers.sent.lock();
    let (_, letter) = sent.iter().find(|(to, _)| to == DEAD).expect("a dead letter");
    let text = |value: &hearth_ports::MessageAttribute| match &value.value {
        hearth_ports::AttributeValue::Text(text) => text.clone(),
        hearth_ports::AttributeValue::Binary(_) => panic!("no text"),
    };
    letter.attributes.iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

#[tokio::test(start_paused = true)]
async fn what_the_receiver_refuses_goes_to_the_dead_letter_queue_at_once() {
    let server = Server::start().await;
    let policy = json!({"MaximumRetryAttempts": 5});
    server.rule_to(json!({"Id": "q", "Arn": QUEUE, "DeadLetterConfig": {"Arn": DEAD}, "RetryPolicy": policy})).await;
    *server.receivers.queue_error.lock() = Some(QueueError::AccessDenied { message: "no".to_owned() });
    server.put(entry()).await;
    server.settle().await;
    let letter: Value = serde_json::from_str(&server.receivers.sent_to(DEAD)[0]).expect("the event");
    assert_eq!(letter["detail"]["n"], 1);
    let expected = [
        ("ERROR_CODE", "NO_PERMISSIONS"),
        ("ERROR_MESSAGE", "no"),
        ("RULE_ARN", "arn:aws:events:us-east-1:000000000000:rule/r"),
        ("TARGET_ARN", QUEUE),
    ];
    let expected = expected.map(|(name, text)| (name.to_owned(), text.to_owned()));
    assert_eq!(attributes(&server), expected.into());
}

#[tokio::test(start_paused = true)]
async fn retries_end_when_they_are_used_up_or_the_event_is_too_old() {
    for (policy, condition, retries) in [
        (json!({"MaximumRetryAttempts": 2}), "MaximumRetryAttempts", "2"),
        (json!({"MaximumEventAgeInSeconds": 60}), "MaximumEventAgeInSeconds", "5"),
    ] {
        let server = Server::start().await;
        server
            .rule_to(json!({"Id": "q", "Arn": QUEUE, "DeadLetterConfig": {"Arn": DEAD}, "RetryPolicy": policy}))
            .await;
        *server.receivers.queue_error.lock() = Some(QueueError::Unavailable { detail: "down".to_owned() });
        server.put(entry()).await;
        for _ in 0..70 {
            server.pass(1).await;
        }
        let found = attributes(&server);
        assert_eq!(found["EXHAUSTED_RETRY_CONDITION"], condition);
        assert_eq!(found["RETRY_ATTEMPTS"], retries);
        assert_eq!(found["ERROR_CODE"], "INTERNAL_ERROR");
        assert_eq!(server.world.waiting(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_gets_only_json() {
    let server = Server::start().await;
    let transformer = json!({"InputPathsMap": {"n": "$.detail.n"}, "InputTemplate": "n is <n>"});
    server
        .rule_to(
            json!({"Id": "f", "Arn": FUNCTION, "InputTransformer": transformer, "DeadLetterConfig": {"Arn": DEAD}}),
        )
        .await;
    server.put(entry()).await;
    server.settle().await;
    assert_eq!(attributes(&server)["ERROR_CODE"], "INVALID_JSON");
    assert!(server.receivers.invoked.lock().is_empty());
}

/// A chain of three buses: the first two tell a queue, too.
async fn chain() -> Server {
    let server = Server::start().await;
    for (bus, next) in [("b", Some("c")), ("c", Some("d")), ("d", None::<&str>)] {
        server.ok("CreateEventBus", json!({"Name": bus})).await;
        server
            .ok("PutRule", json!({"Name": "r", "EventBusName": bus, "EventPattern": r#"{"source":["my.app"]}"#}))
            .await;
        let mut targets = vec![json!({"Id": "q", "Arn": format!("arn:aws:sqs:us-east-1:000000000000:{bus}")})];
        if let Some(next) = next {
            let arn = format!("arn:aws:events:us-east-1:000000000000:event-bus/{next}");
            targets.push(json!({"Id": "b", "Arn": arn, "RoleArn": ROLE, "DeadLetterConfig": {"Arn": DEAD}}));
        }
        server.ok("PutTargets", json!({"Rule": "r", "EventBusName": bus, "Targets": targets})).await;
    }
    server
}

#[tokio::test(start_paused = true)]
async fn an_event_goes_to_a_second_bus_as_the_target_s_role_and_to_no_third() {
    let server = chain().await;
    let mut first = entry();
    first["EventBusName"] = json!("b");
    let put = server.put(first).await;
    server.settle().await;
    server.settle().await;
    let of = |bus: &str| server.receivers.sent_to(&format!("arn:aws:sqs:us-east-1:000000000000:{bus}"));
    assert_eq!((of("b").len(), of("c").len(), of("d").len()), (1, 1, 0));
    assert_eq!(of("b"), of("c"), "the same event");
    assert!(of("c")[0].contains(put["Entries"][0]["EventId"].as_str().expect("an id")));
    assert_eq!(attributes(&server)["ERROR_CODE"], "THIRD_ACCOUNT_HOP_DETECTED");
}

#[tokio::test(start_paused = true)]
async fn who_may_not_act_as_the_role_or_put_events_there_does_not() {
    let server = chain().await;
    let mut first = entry();
    first["EventBusName"] = json!("b");
    *server.roles.refuses.lock() = true;
    server.put(first).await;
    server.settle().await;
    assert_eq!(attributes(&server)["ERROR_CODE"], "FAILED_TO_ASSUME_ROLE");
    assert!(server.receivers.sent_to("arn:aws:sqs:us-east-1:000000000000:c").is_empty());
}
