//! The doors for other services.

use std::collections::BTreeMap;

use hearth_ports::{
    AttributeValue, MessageAttribute, OutgoingMessage, QueueConsumer as _, QueueError, QueueFacts, QueueSender as _,
    ReceiveTerms,
};
use hearth_types::{Arn, RequestContext, RequestId};
use serde_json::json;

use super::{Server, bodies, scope};
use crate::Queues;

fn context() -> RequestContext {
    RequestContext::service(&scope(), "lambda.amazonaws.com", RequestId::from("r"))
}

fn arn(name: &str) -> Arn {
    format!("arn:aws:sqs:us-east-1:000000000000:{name}").parse().expect("an ARN")
}

const NOW: ReceiveTerms = ReceiveTerms { messages_max: 10, wait_s: 0 };

#[tokio::test]
async fn what_is_sent_is_received_with_all_its_attributes_and_deleted() {
    let (server, url) = Server::queue().await;
    let queues = Queues(server.sqs.clone());
    let attribute = MessageAttribute { data_type: "Number".to_owned(), value: AttributeValue::Text("200".to_owned()) };
    let message = OutgoingMessage {
        body: "hello".to_owned(),
        attributes: BTreeMap::from([("ErrorCode".to_owned(), attribute)]),
        trace_header: Some("Root=1-a-b".to_owned()),
        ..OutgoingMessage::default()
    };
    let (ctx, arn) = (context(), arn("q"));
    let id = queues.send(&ctx, &arn, message.clone()).await.expect("sent");
    let received = queues.receive(&ctx, &arn, NOW).await.expect("received");
    assert_eq!(received[0].message_id, id);
    assert_eq!(received[0].body_md5, "5d41402abc4b2a76b9719d911017c592");
    assert_eq!(received[0].attributes, message.attributes);
    assert_eq!(received[0].system_attributes["AWSTraceHeader"], "Root=1-a-b");
    assert_eq!(received[0].system_attributes["ApproximateReceiveCount"], "1");
    let handles = [received[0].receipt_handle.clone(), "void".to_owned()];
    queues.change_visibility(&ctx, &arn, &handles, 0).await.expect("changed");
    assert_eq!(bodies(&server.receive(&url).await), ["hello"]);
    queues.delete(&ctx, &arn, &handles).await.expect("deleted");
    server.pass(60);
    assert_eq!(server.receive(&url).await.len(), 0);
}

#[tokio::test]
async fn facts_and_refusals() {
    let (server, _) = Server::queue().await;
    server.create("f.fifo", json!({ "FifoQueue": "true", "VisibilityTimeout": "7" })).await;
    let queues = Queues(server.sqs.clone());
    let facts = QueueFacts { visibility_timeout_s: 7, is_fifo: true };
    assert_eq!(queues.facts(&context(), &arn("f.fifo")).await, Ok(facts));
    assert_eq!(queues.facts(&context(), &arn("none")).await, Err(QueueError::NotFound));
    let message = OutgoingMessage { body: "x".to_owned(), ..OutgoingMessage::default() };
    let without_group = queues.send(&context(), &arn("f.fifo"), message).await;
    assert!(matches!(without_group, Err(QueueError::Invalid { .. })));
    *server.policies.denied.lock() = Some("sqs:ReceiveMessage");
    let denied = queues.receive(&context(), &arn("q"), NOW).await;
    assert_eq!(denied, Err(QueueError::AccessDenied { message: "no sqs:ReceiveMessage".to_owned() }));
}
