//! What comes of an occurrence. Attributes of dead letters: EventBridge Scheduler user guide, "Retrieve the dead-letter
//! event". Times are of the service clock.

use hearth_ports::{AttributeValue, InvocationType, InvokeError, QueueError, ThrottleReason};
use hearth_types::Caller;
use serde_json::{Value, json};

use super::{FUNCTION, QUEUE, ROLE, Server, at, target};

const DAY_S: u64 = 86_400;

/// The target calls `function` or `queue` at 15:40.
async fn with(server: &Server, target: &Value) {
    server.create("s", &at("2026-01-12T15:40:00"), target).await.ok();
}

#[tokio::test(start_paused = true)]
async fn a_function_is_invoked_as_the_execution_role_once() {
    let server = Server::start().await;
    with(&server, &target(FUNCTION, json!({ "Input": r#"{"a":1}"# }))).await;
    server.pass(167).await;
    assert_eq!(server.receivers.invoked.lock().len(), 0, "not before its time");
    server.pass(2).await;
    server.pass(DAY_S).await;
    let invoked = server.receivers.invoked.lock();
    let [request] = &invoked[..] else { panic!("{} invocations", invoked.len()) };
    assert_eq!((request.function_name.as_str(), request.invocation_type), ("f", InvocationType::Event));
    assert_eq!(&request.payload[..], br#"{"a":1}"#);
    let callers = server.receivers.callers.lock();
    assert!(matches!(&callers[0], Caller::RoleSession { role_arn, .. } if **role_arn == *ROLE), "{callers:?}");
    let group = "arn:aws:scheduler:us-east-1:000000000000:schedule-group/default";
    assert!(server.roles.asked.lock().contains(&format!("{ROLE} scheduler.amazonaws.com {group}")));
}

#[tokio::test(start_paused = true)]
async fn a_rate_begins_at_once_and_goes_on_in_equal_steps() {
    let server = Server::start().await;
    server.create("s", "rate(10 minutes)", &target(QUEUE, json!({ "Input": "tick" }))).await.ok();
    server.pass(1).await;
    assert_eq!(server.receivers.sent_to(QUEUE), ["tick"]);
    for _ in 0..3 {
        server.pass_minutes(10).await;
    }
    assert_eq!(server.receivers.sent_to(QUEUE).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn context_attributes_are_filled_in() {
    let server = Server::start().await;
    let input = "<aws.scheduler.schedule-arn> <aws.scheduler.scheduled-time> <aws.scheduler.attempt-number> \
                 <aws.scheduler.execution-id> <aws.scheduler.other>";
    with(&server, &target(QUEUE, json!({ "Input": input }))).await;
    server.pass(170).await;
    let sent = server.receivers.sent_to(QUEUE);
    let parts: Vec<&str> = sent[0].split(' ').collect();
    assert_eq!(
        parts[..3],
        ["arn:aws:scheduler:us-east-1:000000000000:schedule/default/s", "2026-01-12T15:40:00Z", "1"]
    );
    assert_eq!((parts[3].len(), parts[4]), (36, "<aws.scheduler.other>"));
}

#[tokio::test(start_paused = true)]
async fn without_an_input_a_target_is_told_what_happened() {
    let server = Server::start().await;
    with(&server, &target(QUEUE, json!({}))).await;
    server.pass(170).await;
    let sent: Value = serde_json::from_str(&server.receivers.sent_to(QUEUE)[0]).expect("JSON");
    assert_eq!(sent["detail-type"], "Scheduled Event");
    assert_eq!((&sent["source"], &sent["detail"]), (&json!("aws.scheduler"), &json!("{}")));
    assert_eq!(sent["time"], "2026-01-12T15:40:00Z");
    assert_eq!(sent["resources"], json!(["arn:aws:scheduler:us-east-1:000000000000:schedule/default/s"]));
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_target_gets_its_parameters() {
    let server = Server::start().await;
    let fifo = "arn:aws:sqs:us-east-1:000000000000:q.fifo";
    let topic = "arn:aws:sns:us-east-1:000000000000:t";
    let bus = "arn:aws:events:us-east-1:000000000000:event-bus/b";
    let events = json!({ "Input": "{}", "EventBridgeParameters": { "DetailType": "d", "Source": "my.source" } });
    for (name, target) in [
        ("fifo", target(fifo, json!({ "Input": "in order", "SqsParameters": { "MessageGroupId": "g" } }))),
        ("topic", target(topic, json!({ "Input": "news" }))),
        ("bus", target(bus, events)),
        (
            "invoke",
            target(
                "arn:aws:scheduler:::aws-sdk:lambda:invoke",
                json!({ "Input": r#"{"FunctionName":"g","Payload":"{\"b\":2}"}"# }),
            ),
        ),
        (
            "send",
            target(
                "arn:aws:scheduler:::aws-sdk:sqs:sendMessage",
                json!({ "Input": r#"{"QueueUrl":"http://localhost:4566/000000000000/q","MessageBody":"sent"}"# }),
            ),
        ),
        (
            "publish",
            target(
                "arn:aws:scheduler:::aws-sdk:sns:publish",
                json!({ "Input": format!(r#"{{"TopicArn":"{topic}","Message":"more","Subject":"s"}}"#) }),
            ),
        ),
    ] {
        server.create(name, &at("2026-01-12T15:40:00"), &target).await.ok();
    }
    server.pass(170).await;
    let sent = server.receivers.sent.lock();
    let in_order = sent.iter().find(|(queue, _)| queue == fifo).map(|(_, message)| message.clone()).expect("sent");
    assert_eq!((in_order.body.as_str(), in_order.group_id.as_deref()), ("in order", Some("g")));
    assert!(in_order.deduplication_id.is_some());
    assert!(sent.iter().any(|(queue, message)| queue == QUEUE && message.body == "sent"));
    let published = server.receivers.published.lock();
    let mut published: Vec<_> = published.iter().map(|sent| (sent.message.clone(), sent.subject.clone())).collect();
    published.sort();
    assert_eq!(published, [("more".to_owned(), Some("s".to_owned())), ("news".to_owned(), None)]);
    let put = server.receivers.put.lock();
    assert_eq!((put[0].0.as_str(), put[0].1.source.as_str(), put[0].1.detail_type.as_str()), (bus, "my.source", "d"));
    let invoked = server.receivers.invoked.lock();
    assert_eq!((invoked[0].function_name.as_str(), &invoked[0].payload[..]), ("g", &br#"{"b":2}"#[..]));
    assert_eq!(invoked[0].invocation_type, InvocationType::RequestResponse);
}

fn dead() -> Value {
    json!({ "Arn": super::DEAD })
}

#[tokio::test(start_paused = true)]
async fn what_a_target_refuses_goes_to_the_dead_letter_queue_at_once() {
    let server = Server::start().await;
    *server.receivers.queue_error.lock() = Some(QueueError::NotFound);
    with(&server, &target(QUEUE, json!({ "Input": "hello", "DeadLetterConfig": dead() }))).await;
    server.pass(170).await;
    let letters = server.letters();
    let [(body, attributes)] = &letters[..] else { panic!("{letters:?}") };
    let request: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(
        request,
        json!({ "MessageBody": "hello", "QueueUrl": "https://sqs.us-east-1.amazonaws.com/000000000000/q" })
    );
    let shown = |name: &str| {
        attributes.get(name).map(|attribute| match &attribute.value {
            AttributeValue::Text(text) => (attribute.data_type.as_str(), text.as_str()),
            AttributeValue::Binary(_) => panic!("bytes"),
        })
    };
    for (name, value) in [
        ("ERROR_CODE", "AWS.SimpleQueueService.NonExistentQueue"),
        ("ERROR_MESSAGE", "The specified queue does not exist."),
        ("IS_PAYLOAD_TRUNCATED", "false"),
        ("RETRY_ATTEMPTS", "0"),
        ("SCHEDULED_TIME", "2026-01-12T15:40:00Z"),
        ("SCHEDULE_ARN", "arn:aws:scheduler:us-east-1:000000000000:schedule/default/s"),
        ("TARGET_ARN", QUEUE),
    ] {
        assert_eq!(shown(name), Some(("String", value)), "{name}");
    }
    assert_eq!(shown("EXECUTION_ID").map(|(_, id)| id.len()), Some(36));
    assert_eq!(shown("EXHAUSTED_RETRY_CONDITION"), None);
}

#[tokio::test(start_paused = true)]
async fn what_waiting_may_mend_is_tried_as_often_as_the_schedule_says() {
    let server = Server::start().await;
    let busy = InvokeError::Throttled { reason: ThrottleReason::CallerRateLimitExceeded };
    *server.receivers.function_error.lock() = Some(busy);
    let policy = json!({ "MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 3600 });
    with(&server, &target(FUNCTION, json!({ "Input": "{}", "RetryPolicy": policy, "DeadLetterConfig": dead() }))).await;
    server.pass(170).await;
    server.pass_minutes(30).await;
    assert_eq!(*server.receivers.attempts.lock(), 4 + 1, "and one at the dead-letter queue");
    let letters = server.letters();
    let text = |name: &str| match &letters[0].1[name].value {
        AttributeValue::Text(text) => text.clone(),
        AttributeValue::Binary(_) => panic!("bytes"),
    };
    assert_eq!(
        (text("RETRY_ATTEMPTS"), text("EXHAUSTED_RETRY_CONDITION")),
        ("3".into(), "MaximumRetryAttempts".into())
    );
    assert_eq!(text("ERROR_CODE"), "TooManyRequestsException");
}

#[tokio::test(start_paused = true)]
async fn or_for_as_long_as_it_says() {
    let server = Server::start().await;
    *server.receivers.function_error.lock() = Some(InvokeError::DiskFull);
    let policy = json!({ "MaximumEventAgeInSeconds": 60 });
    with(&server, &target(FUNCTION, json!({ "Input": "{}", "RetryPolicy": policy, "DeadLetterConfig": dead() }))).await;
    server.pass(170).await;
    server.pass_minutes(10).await;
    // After 1, 2, 4, 8 and 16 seconds; 32 more are too many.
    assert_eq!(*server.receivers.attempts.lock(), 6 + 1, "and one at the dead-letter queue");
    match &server.letters()[0].1["EXHAUSTED_RETRY_CONDITION"].value {
        AttributeValue::Text(text) => assert_eq!(text, "MaximumEventAgeInSeconds"),
        AttributeValue::Binary(_) => panic!("bytes"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_that_cannot_be_taken_any_more_ends_it() {
    let server = Server::start().await;
    with(&server, &target(QUEUE, json!({ "Input": "x" }))).await;
    *server.roles.refuses.lock() = true;
    server.pass(170).await;
    assert_eq!((server.receivers.sent_to(QUEUE).len(), server.world.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_schedule_that_is_completed_is_deleted_if_it_says_so() {
    let server = Server::start().await;
    for (name, action) in [("goes", "DELETE"), ("stays", "NONE")] {
        let target = target(QUEUE, json!({ "Input": name }));
        let more = json!({ "ActionAfterCompletion": action });
        server.create_with(name, &at("2026-01-12T15:40:00"), &target, more).await.ok();
    }
    server.pass(160).await;
    assert_eq!(server.get("/schedules/goes").await.ok()["ActionAfterCompletion"], "DELETE");
    server.pass(10).await;
    let mut sent = server.receivers.sent_to(QUEUE);
    sent.sort();
    assert_eq!(sent, ["goes", "stays"]);
    server.get("/schedules/goes").await.refused(404, "ResourceNotFoundException", "Schedule goes does not exist.");
    server.get("/schedules/stays").await.ok();
}

#[tokio::test(start_paused = true)]
async fn a_completed_schedule_that_a_crash_left_is_deleted_at_the_next_start() {
    let server = Server::start().await;
    let more = json!({ "ActionAfterCompletion": "DELETE" });
    let target = target(QUEUE, json!({ "Input": "x", "RetryPolicy": { "MaximumEventAgeInSeconds": 60 } }));
    server.create_with("s", &at("2026-01-12T15:40:00"), &target, more).await.ok();
    // It was to come while the server was down, and too long ago.
    let server = server.crash_for(600).await;
    server.get("/schedules/s").await.refused(404, "ResourceNotFoundException", "Schedule s does not exist.");
}

#[tokio::test(start_paused = true)]
async fn a_crash_repeats_nothing_and_a_missed_occurrence_comes_late() {
    let server = Server::start().await;
    with(&server, &target(QUEUE, json!({ "Input": "once" }))).await;
    let server = server.crash_for(600).await;
    server.pass(5).await;
    assert_eq!(server.receivers.sent_to(QUEUE), ["once"]);
    let server = server.crash_for(1).await;
    server.pass_minutes(10).await;
    assert_eq!(server.receivers.sent_to(QUEUE).len(), 0, "the receivers of this life");
}

#[tokio::test(start_paused = true)]
async fn a_flexible_window_puts_off_within_it() {
    let server = Server::start().await;
    for number in 0..40 {
        let window = json!({ "FlexibleTimeWindow": { "Mode": "FLEXIBLE", "MaximumWindowInMinutes": 10 } });
        let target = target(QUEUE, json!({ "Input": number.to_string() }));
        server.create_with(&format!("s{number}"), &at("2026-01-12T15:40:00"), &target, window).await.ok();
    }
    server.pass(169).await;
    server.pass_minutes(5).await;
    let early = server.receivers.sent_to(QUEUE).len();
    server.pass_minutes(6).await;
    assert!((5..35).contains(&early), "{early} in the first half");
    assert_eq!(server.receivers.sent_to(QUEUE).len(), 40);
}

#[tokio::test(start_paused = true)]
async fn start_and_end_bound_a_schedule_and_its_zone_says_when() {
    let server = Server::start().await;
    // 15:37 in UTC is 16:37 in Berlin.
    let berlin = json!({ "ScheduleExpressionTimezone": "Europe/Berlin" });
    server.create_with("z", "cron(40 16 * * ? *)", &target(QUEUE, json!({ "Input": "z" })), berlin).await.ok();
    let bounds = json!({ "StartDate": 1_768_233_000, "EndDate": 1_768_233_300 }); // 15:50 to 15:55
    server.create_with("b", "rate(2 minutes)", &target(QUEUE, json!({ "Input": "b" })), bounds).await.ok();
    server.pass_minutes(10).await;
    assert_eq!(server.receivers.sent_to(QUEUE), ["z"]);
    server.pass_minutes(20).await;
    // At 15:50, 15:52 and 15:54.
    assert_eq!(server.receivers.sent_to(QUEUE), ["z", "b", "b", "b"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_disabled_deleted_or_set_anew_comes_no_more() {
    let server = Server::start().await;
    for name in ["off", "gone", "later", "grouped"] {
        let group = if name == "grouped" { "g" } else { "default" };
        server.post("/schedule-groups/g", &json!({})).await;
        let target = target(QUEUE, json!({ "Input": name }));
        server.create_with(name, &at("2026-01-12T15:40:00"), &target, json!({ "GroupName": group })).await.ok();
    }
    let of = |name: &str| target(QUEUE, json!({ "Input": name }));
    server.update("off", &at("2026-01-12T15:40:00"), &of("off"), json!({ "State": "DISABLED" })).await.ok();
    server.update("later", &at("2026-01-12T15:50:00"), &of("later"), json!({})).await.ok();
    server.delete("/schedules/gone").await.ok();
    server.delete("/schedule-groups/g").await.ok();
    server.pass_minutes(10).await;
    assert!(server.receivers.sent_to(QUEUE).is_empty());
    server.pass_minutes(5).await;
    assert_eq!(server.receivers.sent_to(QUEUE), ["later"]);
    server.update("off", "rate(1 hour)", &of("on"), json!({})).await.ok();
    server.pass(1).await;
    assert_eq!(server.receivers.sent_to(QUEUE), ["later", "on"]);
}
