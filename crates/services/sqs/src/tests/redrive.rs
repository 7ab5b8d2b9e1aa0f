//! Dead letters, and tasks that move them back.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Server, bodies};

const DLQ_ARN: &str = "arn:aws:sqs:us-east-1:000000000000:dlq";

fn redrive(receives: u32) -> Value {
    json!({ "RedrivePolicy": json!({ "deadLetterTargetArn": DLQ_ARN, "maxReceiveCount": receives }).to_string() })
}

async fn with_dead_letters(receives: u32) -> (Server, String, String) {
    let server = Server::start().await;
    let dlq = server.create("dlq", json!({})).await;
    let url = server.create("q", redrive(receives)).await;
    (server, url, dlq)
}

/// Receives until the messages are dead.
async fn kill(server: &Server, url: &str, receives: u32) {
    for _ in 0..receives {
        assert!(!server.receive(url).await.is_empty());
        server.pass(30);
    }
    assert_eq!(server.receive(url).await.len(), 0);
}

#[tokio::test]
async fn a_message_received_too_often_is_in_the_dead_letter_queue_and_nowhere_else() {
    let (server, url, dlq) = with_dead_letters(2).await;
    let sent = server.send(&url, "poison").await;
    kill(&server, &url, 2).await;
    assert_eq!(server.counts(&url).await, ["0", "0", "0"]);
    let dead = server.receive(&dlq).await;
    assert_eq!(dead[0]["MessageId"], sent["MessageId"]);
    assert_eq!(dead[0]["Attributes"]["DeadLetterQueueSourceArn"], "arn:aws:sqs:us-east-1:000000000000:q");
    assert_eq!(dead[0]["Attributes"]["SentTimestamp"], "1768232232000");
}

/// However it ends: receives are written within a quarter second.
#[tokio::test]
async fn receives_count_across_restarts() {
    let (server, url, dlq) = with_dead_letters(2).await;
    server.send(&url, "poison").await;
    server.receive(&url).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let server = server.crash().await;
    // Still in flight.
    assert_eq!(server.receive(&url).await.len(), 0);
    server.pass(30);
    assert_eq!(server.receive(&url).await.len(), 1);
    let server = server.restart().await;
    server.pass(30);
    assert_eq!(server.receive(&url).await.len(), 0);
    let server = server.crash().await;
    assert_eq!(bodies(&server.receive(&dlq).await), ["poison"]);
    assert_eq!(server.counts(&url).await, ["0", "0", "0"]);
}

#[tokio::test]
async fn without_its_dead_letter_queue_a_message_stays() {
    let (server, url, dlq) = with_dead_letters(1).await;
    server.send(&url, "poison").await;
    server.run("DeleteQueue", json!({ "QueueUrl": dlq })).await;
    for _ in 0..3 {
        assert_eq!(server.receive(&url).await.len(), 1);
        server.pass(30);
    }
}

#[tokio::test]
async fn the_sources_of_a_dead_letter_queue_are_listed() {
    let (server, url, dlq) = with_dead_letters(1).await;
    server.create("other", json!({})).await;
    let sources = server.run("ListDeadLetterSourceQueues", json!({ "QueueUrl": dlq })).await;
    assert_eq!(sources, json!({ "queueUrls": [url] }));
}

#[tokio::test]
async fn redrive_policies_are_checked() {
    let (server, url, dlq) = with_dead_letters(1).await;
    server.create("f.fifo", json!({ "FifoQueue": "true" })).await;
    let arn = |name: &str| format!("arn:aws:sqs:us-east-1:000000000000:{name}");
    for policy in [
        json!("text"),
        json!({ "deadLetterTargetArn": DLQ_ARN }),
        json!({ "maxReceiveCount": 1 }),
        json!({ "deadLetterTargetArn": DLQ_ARN, "maxReceiveCount": 0 }),
        json!({ "deadLetterTargetArn": DLQ_ARN, "maxReceiveCount": 1001 }),
        json!({ "deadLetterTargetArn": arn("none"), "maxReceiveCount": 1 }),
        json!({ "deadLetterTargetArn": arn("f.fifo"), "maxReceiveCount": 1 }),
        json!({ "deadLetterTargetArn": arn("q"), "maxReceiveCount": 1 }),
    ] {
        let attributes = json!({ "RedrivePolicy": policy.to_string() });
        let refused = server.call("SetQueueAttributes", json!({ "QueueUrl": url, "Attributes": attributes })).await;
        assert_eq!(refused.query_error, "InvalidParameterValue;Sender", "{policy}");
    }
    // A dead-letter queue says whose letters it takes.
    let set = |url: &str, attributes: Value| json!({ "QueueUrl": url, "Attributes": attributes });
    let allow = |policy: Value| json!({ "RedriveAllowPolicy": policy.to_string() });
    for (policy, is_allowed) in [
        (json!({ "redrivePermission": "denyAll" }), false),
        (json!({ "redrivePermission": "byQueue", "sourceQueueArns": [arn("other")] }), false),
        (json!({ "redrivePermission": "byQueue", "sourceQueueArns": [arn("q")] }), true),
        (json!({ "redrivePermission": "allowAll" }), true),
    ] {
        server.run("SetQueueAttributes", set(&dlq, allow(policy.clone()))).await;
        let answer = server.call("SetQueueAttributes", set(&url, redrive(5))).await;
        assert_eq!(answer.status == 200, is_allowed, "{policy}: {}", answer.body);
    }
    let refused = server.call("SetQueueAttributes", set(&dlq, allow(json!({ "redrivePermission": "x" })))).await;
    assert_eq!(refused.status, 400);
}

async fn until_over(server: &Server) -> Value {
    for _ in 0..500 {
        let tasks = server.run("ListMessageMoveTasks", json!({ "SourceArn": DLQ_ARN })).await;
        if tasks["Results"][0]["Status"] != "RUNNING" {
            return tasks["Results"][0].clone();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the task runs for five seconds");
}

#[tokio::test]
async fn a_move_task_brings_dead_letters_back_as_new_messages() {
    let (server, url, _) = with_dead_letters(1).await;
    let sent = server.send(&url, "once more").await;
    kill(&server, &url, 1).await;
    let started = server.run("StartMessageMoveTask", json!({ "SourceArn": DLQ_ARN })).await;
    assert!(started["TaskHandle"].is_string());
    let task = until_over(&server).await;
    assert_eq!(task["Status"], "COMPLETED");
    assert_eq!(task["ApproximateNumberOfMessagesMoved"], 1);
    assert_eq!(task["ApproximateNumberOfMessagesToMove"], 1);
    let back = server.receive(&url).await;
    assert_eq!(bodies(&back), ["once more"]);
    assert_ne!(back[0]["MessageId"], sent["MessageId"]);
    assert_eq!(back[0]["Attributes"]["ApproximateReceiveCount"], "1");
}

#[tokio::test]
async fn a_move_task_goes_elsewhere_at_the_rate_asked_for_until_it_is_cancelled() {
    let (server, url, _) = with_dead_letters(1).await;
    let elsewhere = server.create("elsewhere", json!({})).await;
    for body in ["1", "2", "3", "4"] {
        server.send(&url, body).await;
    }
    kill(&server, &url, 1).await;
    let input = json!({ "SourceArn": DLQ_ARN, "MaxNumberOfMessagesPerSecond": 1,
                        "DestinationArn": "arn:aws:sqs:us-east-1:000000000000:elsewhere" });
    let started = server.run("StartMessageMoveTask", input.clone()).await;
    server.call("StartMessageMoveTask", input).await.refused(
        "InvalidParameterValue",
        "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
    );
    let listed = json!({ "SourceArn": DLQ_ARN, "MaxResults": 1 });
    let task = server.run("ListMessageMoveTasks", listed).await["Results"][0].clone();
    assert_eq!(task["MaxNumberOfMessagesPerSecond"], 1);
    assert_eq!(task["TaskHandle"], started["TaskHandle"]);
    let listed = json!({ "SourceArn": DLQ_ARN, "MaxResults": 11 });
    assert_eq!(server.call("ListMessageMoveTasks", listed).await.status, 400);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let cancelled = server.run("CancelMessageMoveTask", json!({ "TaskHandle": started["TaskHandle"] })).await;
    assert_eq!(cancelled, json!({ "ApproximateNumberOfMessagesMoved": 1 }));
    assert_eq!(until_over(&server).await["Status"], "CANCELLED");
    assert_eq!(server.receive(&elsewhere).await.len(), 1);
    assert_eq!(server.call("CancelMessageMoveTask", json!({ "TaskHandle": started["TaskHandle"] })).await.status, 404);
}
