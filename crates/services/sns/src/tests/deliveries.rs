//! What becomes of a message on its way: retries, dead letters, crashes. In virtual time.
//!
//! The pauses are those of the SNS developer guide, "Amazon SNS message delivery retries", for AWS managed endpoints.

use hearth_ports::{InvokeError, QueueError, ThrottleReason};
use hearth_types::Caller;

use super::{DEAD, FUNCTION, QUEUE, Server, TOPIC};

const REDRIVE: &str = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead"}"#;

fn unavailable() -> QueueError {
    QueueError::Unavailable { detail: "down".to_owned() }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_cannot_be_reached_is_tried_at_once_then_each_second_then_slower() {
    let server = Server::topic().await;
    server.subscribe("sqs", QUEUE, &[("RawMessageDelivery", "true")]).await;
    *server.receivers.queue_error.lock() = Some(unavailable());
    server.publish("hello").await;
    server.pass(0).await;
    let attempts = || *server.receivers.attempts.lock();
    assert_eq!(attempts(), 4, "the first and three without a pause");
    server.pass(1).await;
    assert_eq!(attempts(), 5);
    server.pass(1).await;
    assert_eq!(attempts(), 6);
    // Ten more, 1 to 20 s apart: 1, 2, 4, 8, 16, 20, 20, 20, 20, 20.
    for pause in [1, 2, 4, 8, 16, 20, 20, 20, 20, 20] {
        let before = attempts();
        server.pass(pause - 1).await;
        assert_eq!(attempts(), before, "not before {pause} s");
        server.pass(1).await;
        assert_eq!(attempts(), before + 1, "after {pause} s");
    }
    *server.receivers.queue_error.lock() = None;
    server.pass(20).await;
    assert_eq!((server.receivers.sent_to(QUEUE), server.world.waiting()), (vec!["hello".to_owned()], 0));
}

#[tokio::test(start_paused = true)]
async fn what_the_queue_refuses_goes_to_the_dead_letter_queue_without_a_retry() {
    for error in [
        QueueError::NotFound,
        QueueError::AccessDenied { message: "no".to_owned() },
        QueueError::Invalid { message: "bad".to_owned() },
    ] {
        let server = Server::topic().await;
        server.subscribe("sqs", QUEUE, &[("RedrivePolicy", REDRIVE), ("RawMessageDelivery", "true")]).await;
        *server.receivers.queue_error.lock() = Some(error);
        server.publish("hello").await;
        server.pass(0).await;
        assert_eq!(server.receivers.sent_to(DEAD), ["hello"]);
        assert_eq!((*server.receivers.attempts.lock(), server.world.waiting()), (2, 0), "one to each queue");
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_s_dead_letter_is_the_notification_as_a_queue_gets_it() {
    let server = Server::topic().await;
    server.subscribe("lambda", FUNCTION, &[("RedrivePolicy", REDRIVE)]).await;
    *server.receivers.function_error.lock() = Some(InvokeError::FunctionNotFound { arn: FUNCTION.to_owned() });
    let id = server.publish("hello").await;
    server.pass(0).await;
    let letters = server.receivers.sent_to(DEAD);
    assert_eq!(letters.len(), 1);
    let letter: serde_json::Value = serde_json::from_str(&letters[0]).expect("JSON");
    assert_eq!((letter["Message"].as_str(), letter["MessageId"].as_str()), (Some("hello"), Some(id.as_str())));
}

#[tokio::test(start_paused = true)]
async fn a_throttled_function_is_tried_again() {
    let server = Server::topic().await;
    server.subscribe("lambda", FUNCTION, &[("RedrivePolicy", REDRIVE)]).await;
    let reason = ThrottleReason::ConcurrentInvocationLimitExceeded;
    *server.receivers.function_error.lock() = Some(InvokeError::Throttled { reason });
    server.publish("hello").await;
    server.pass(0).await;
    assert_eq!((server.events().len(), server.world.waiting()), (0, 1));
    *server.receivers.function_error.lock() = None;
    server.pass(1).await;
    assert_eq!((server.events().len(), server.world.waiting(), server.receivers.sent_to(DEAD).len()), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_without_a_dead_letter_queue_is_given_up() {
    let server = Server::topic().await;
    server.subscribe("sqs", QUEUE, &[]).await;
    *server.receivers.queue_error.lock() = Some(QueueError::NotFound);
    server.publish("hello").await;
    server.pass(0).await;
    assert_eq!((*server.receivers.attempts.lock(), server.world.waiting()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_is_delivered_after_a_crash_by_subscriptions_as_they_were() {
    let server = Server::topic().await;
    server.subscribe("sqs", QUEUE, &[("RawMessageDelivery", "true")]).await;
    *server.receivers.queue_error.lock() = Some(unavailable());
    server.publish("hello").await;
    server.pass(0).await;
    let server = server.crash().await;
    server.pass(20).await;
    assert_eq!((server.receivers.sent_to(QUEUE), server.world.waiting()), (vec!["hello".to_owned()], 0));
    server.publish("again").await;
    server.pass(0).await;
    assert_eq!(server.receivers.sent_to(QUEUE), ["hello", "again"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_to_a_subscription_that_ends_is_dropped() {
    let server = Server::topic().await;
    let arn = server.subscribe("sqs", QUEUE, &[]).await;
    *server.receivers.queue_error.lock() = Some(unavailable());
    server.publish("hello").await;
    server.pass(0).await;
    server.call("Unsubscribe", &[("SubscriptionArn", &arn)]).await.ok();
    *server.receivers.queue_error.lock() = None;
    server.pass(20).await;
    assert_eq!((server.receivers.sent_to(QUEUE).len(), server.world.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn sns_calls_by_its_own_name_on_behalf_of_the_topic() {
    let server = Server::topic().await;
    server.subscribe("sqs", QUEUE, &[]).await;
    server.subscribe("lambda", FUNCTION, &[]).await;
    server.publish("hello").await;
    server.pass(0).await;
    let callers = server.receivers.callers.lock().clone();
    assert_eq!(callers.len(), 2);
    for caller in callers {
        let Caller::Service { principal, source_arn, source_account } = caller else { panic!("{caller:?}") };
        assert_eq!((principal, source_arn.as_deref()), ("sns.amazonaws.com", Some(TOPIC)));
        assert_eq!(source_account.expect("an account").as_str(), "000000000000");
    }
}

#[tokio::test(start_paused = true)]
async fn more_attributes_than_a_raw_message_can_have_are_refused_by_delivery() {
    let server = Server::topic().await;
    server.subscribe("sqs", QUEUE, &[("RawMessageDelivery", "true"), ("RedrivePolicy", REDRIVE)]).await;
    let members: Vec<(String, String)> = (1..=11)
        .flat_map(|number| {
            let entry = format!("MessageAttributes.entry.{number}");
            [
                (format!("{entry}.Name"), format!("a{number}")),
                (format!("{entry}.Value.DataType"), "String".to_owned()),
                (format!("{entry}.Value.StringValue"), "v".to_owned()),
            ]
        })
        .collect();
    let members: Vec<(&str, &str)> = members.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    server.publish_with("hello", &members).await;
    server.pass(0).await;
    assert_eq!((server.receivers.sent_to(QUEUE).len(), server.receivers.sent_to(DEAD)), (0, vec!["hello".to_owned()]));
}
