//! Messages, and who gets them.

use hearth_ports::{AttributeValue, Notification, TopicError, TopicPublisher as _};
use hearth_types::{RequestContext, RequestId};
use serde_json::{Value, json};

use super::{FUNCTION, QUEUE, Server, TOPIC, scope};
use crate::Topics;

const ATTRIBUTE: &[(&str, &str)] = &[
    ("MessageAttributes.entry.1.Name", "store"),
    ("MessageAttributes.entry.1.Value.DataType", "String"),
    ("MessageAttributes.entry.1.Value.StringValue", "example_corp"),
];

#[tokio::test(start_paused = true)]
async fn a_queue_gets_the_notification_and_a_function_the_event() {
    let server = Server::topic().await;
    server.subscribe("sqs", QUEUE, &[]).await;
    let arn = server.subscribe("lambda", &format!("{FUNCTION}:live"), &[]).await;
    let id = server.publish_with("hello", &[ATTRIBUTE, &[("Subject", "about")]].concat()).await;
    server.pass(0).await;
    let attributes = json!({ "store": { "Type": "String", "Value": "example_corp" } });
    let body: Value = serde_json::from_str(&server.receivers.sent_to(QUEUE)[0]).expect("JSON");
    assert_eq!(
        (&body["Type"], &body["MessageId"], &body["TopicArn"]),
        (&json!("Notification"), &json!(id), &json!(TOPIC))
    );
    assert_eq!((&body["Subject"], &body["Message"]), (&json!("about"), &json!("hello")));
    assert_eq!((&body["Timestamp"], &body["MessageAttributes"]), (&json!("2026-01-12T15:37:12.000Z"), &attributes));
    let events = server.events();
    let record = &events[0]["Records"][0];
    assert_eq!((&record["EventSource"], &record["EventSubscriptionArn"]), (&json!("aws:sns"), &json!(arn)));
    assert_eq!((&record["Sns"]["MessageId"], &record["Sns"]["MessageAttributes"]), (&json!(id), &attributes));
    let request = server.receivers.invoked.lock()[0].clone();
    assert_eq!(request.function_name, "f");
    assert_eq!(request.qualifier.map(|qualifier| qualifier.to_string()).as_deref(), Some("live"));
}

#[tokio::test(start_paused = true)]
async fn raw_delivery_hands_on_the_message_with_its_attributes() {
    let server = Server::topic().await;
    server.subscribe("sqs", QUEUE, &[("RawMessageDelivery", "true")]).await;
    server.publish_with("hello", &[ATTRIBUTE, &[("MessageGroupId", "g")]].concat()).await;
    server.pass(0).await;
    let (_, message) = server.receivers.sent.lock()[0].clone();
    assert_eq!((message.body.as_str(), message.group_id.as_deref()), ("hello", Some("g")));
    assert_eq!(message.attributes["store"].value, AttributeValue::Text("example_corp".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_message_for_each_protocol() {
    let server = Server::topic().await;
    server.subscribe("sqs", QUEUE, &[("RawMessageDelivery", "true")]).await;
    server.subscribe("lambda", FUNCTION, &[]).await;
    let structure = [("MessageStructure", "json")];
    server.publish_with(r#"{"default":"for all","sqs":"for queues"}"#, &structure).await;
    server.pass(0).await;
    assert_eq!(server.receivers.sent_to(QUEUE), ["for queues"]);
    assert_eq!(server.events()[0]["Records"][0]["Sns"]["Message"], "for all");
}

#[tokio::test(start_paused = true)]
async fn a_topic_may_be_named_as_the_target() {
    let server = Server::topic().await;
    server.subscribe("sqs", QUEUE, &[("RawMessageDelivery", "true")]).await;
    server.call("Publish", &[("TargetArn", TOPIC), ("Message", "hello")]).await.ok();
    server.pass(0).await;
    assert_eq!(server.receivers.sent_to(QUEUE), ["hello"]);
}

#[tokio::test(start_paused = true)]
async fn filters_decide_by_attributes_or_by_the_body() {
    let by_attribute = [("FilterPolicy", r#"{"store":["example_corp"]}"#), ("RawMessageDelivery", "true")];
    let by_body = [
        ("FilterPolicy", r#"{"order":{"total":[{"numeric":[">",100]}]}}"#),
        ("FilterPolicyScope", "MessageBody"),
        ("RawMessageDelivery", "true"),
    ];
    let server = Server::topic().await;
    server.subscribe("sqs", QUEUE, &by_attribute).await;
    let other = format!("{QUEUE}2");
    server.subscribe("sqs", &other, &by_body).await;
    server.publish("neither").await;
    server.publish_with("first", ATTRIBUTE).await;
    server.publish(r#"{"order":{"total":101}}"#).await;
    server.publish(r#"{"order":{"total":100}}"#).await;
    server.pass(0).await;
    assert_eq!(server.receivers.sent_to(QUEUE), ["first"]);
    assert_eq!(server.receivers.sent_to(&other), [r#"{"order":{"total":101}}"#]);
    assert_eq!(server.world.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_batch_answers_for_each_entry() {
    let server = Server::topic().await;
    server.subscribe("sqs", QUEUE, &[("RawMessageDelivery", "true")]).await;
    let entries = [
        ("TopicArn", TOPIC),
        ("PublishBatchRequestEntries.member.1.Id", "a"),
        ("PublishBatchRequestEntries.member.1.Message", "one"),
        ("PublishBatchRequestEntries.member.2.Id", "b"),
        ("PublishBatchRequestEntries.member.2.Message", "two"),
        ("PublishBatchRequestEntries.member.2.Subject", "line\nbreak"),
        ("PublishBatchRequestEntries.member.3.Id", "c"),
        ("PublishBatchRequestEntries.member.3.Message", "three"),
    ];
    let answer = server.call("PublishBatch", &entries).await.ok();
    assert_eq!(answer.all("Id"), ["a", "c", "b"]);
    assert_eq!((answer.one("Code"), answer.one("SenderFault")), ("InvalidParameter".to_owned(), "true".to_owned()));
    assert_eq!(answer.all("MessageId").len(), 2);
    server.pass(0).await;
    let mut sent = server.receivers.sent_to(QUEUE);
    sent.sort();
    assert_eq!(sent, ["one", "three"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_acknowledged_that_the_store_has_not_got() {
    let server = Server::topic().await;
    server.subscribe("sqs", QUEUE, &[]).await;
    server.world.store.is_down.store(true, std::sync::atomic::Ordering::SeqCst);
    let answer = server.call("Publish", &[("TopicArn", TOPIC), ("Message", "x")]).await;
    assert_eq!((answer.status, answer.one("Code").as_str()), (500, "InternalError"));
    server.world.store.is_down.store(false, std::sync::atomic::Ordering::SeqCst);
    server.pass(5).await;
    assert_eq!(server.receivers.sent_to(QUEUE).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn other_services_publish_by_the_port() {
    let server = Server::topic().await;
    server.subscribe("sqs", QUEUE, &[("RawMessageDelivery", "true")]).await;
    let topics = Topics(server.sns.clone());
    let ctx = RequestContext::service(&scope(), "lambda.amazonaws.com", RequestId::from("r"));
    let notification = Notification { message: "hello".to_owned(), ..Notification::default() };
    let arn = |text: &str| text.parse().expect("an ARN");
    let id = topics.publish(&ctx, &arn(TOPIC), notification.clone()).await.expect("published");
    assert_eq!(id.len(), 36);
    server.pass(0).await;
    assert_eq!(server.receivers.sent_to(QUEUE), ["hello"]);
    let missing = topics.publish(&ctx, &arn(&format!("{TOPIC}2")), notification.clone()).await;
    assert_eq!(missing, Err(TopicError::NotFound));
    *server.policies.denied.lock() = Some("sns:Publish");
    let denied = topics.publish(&ctx, &arn(TOPIC), notification).await;
    assert_eq!(denied, Err(TopicError::AccessDenied { message: "no sns:Publish".to_owned() }));
}
