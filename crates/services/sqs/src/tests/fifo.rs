//! FIFO queues: order by group, deduplication, retried receives.

use serde_json::json;

use super::{Server, bodies};

#[tokio::test]
async fn a_group_is_given_in_order_and_not_while_one_of_it_is_in_flight() {
    let (server, url) = Server::fifo().await;
    for (group, body) in [("a", "a1"), ("b", "b1"), ("a", "a2"), ("a", "a3")] {
        server.send_to(&url, group, body).await;
    }
    let first = server.receive_as(&url, json!({ "MaxNumberOfMessages": 2 })).await;
    assert_eq!(bodies(&first), ["a1", "a2"]);
    assert_eq!(bodies(&server.receive(&url).await), ["b1"]);
    server.delete(&url, &first[0]).await;
    assert_eq!(server.receive(&url).await.len(), 0);
    server.delete(&url, &first[1]).await;
    assert_eq!(bodies(&server.receive(&url).await), ["a3"]);
}

#[tokio::test]
async fn a_failed_message_comes_back_before_those_behind_it() {
    let (server, url) = Server::fifo().await;
    server.send_to(&url, "g", "1").await;
    server.send_to(&url, "g", "2").await;
    assert_eq!(bodies(&server.receive_as(&url, json!({ "MaxNumberOfMessages": 1 })).await), ["1"]);
    server.wall.advance(30_000);
    assert_eq!(bodies(&server.receive(&url).await), ["1", "2"]);
}

#[tokio::test]
async fn sequence_numbers_grow_and_are_shown() {
    let (server, url) = Server::fifo().await;
    let first = server.send_to(&url, "g", "1").await;
    let second = server.send_to(&url, "g", "2").await;
    let number = |sent: &serde_json::Value| sent["SequenceNumber"].as_str().expect("a number").to_owned();
    assert_eq!(number(&first).len(), 20);
    assert!(number(&first) < number(&second));
    let received = server.receive(&url).await;
    let attributes = &received[0]["Attributes"];
    assert_eq!(attributes["SequenceNumber"], first["SequenceNumber"]);
    assert_eq!(attributes["MessageGroupId"], "g");
    // `printf 1 | sha256sum`
    assert_eq!(
        attributes["MessageDeduplicationId"],
        "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
    );
}

#[tokio::test]
async fn what_was_sent_in_the_last_five_minutes_is_not_sent_again() {
    let (server, url) = Server::fifo().await;
    let first = server.send_to(&url, "g", "same").await;
    let again = server.send_to(&url, "g", "same").await;
    assert_eq!(first, again);
    let received = server.receive(&url).await;
    assert_eq!(bodies(&received), ["same"]);
    server.delete(&url, &received[0]).await;
    server.service.advance(299_999);
    server.send_to(&url, "g", "same").await;
    assert_eq!(server.receive(&url).await.len(), 0);
    server.service.advance(1);
    assert_ne!(server.send_to(&url, "g", "same").await["MessageId"], first["MessageId"]);
    assert_eq!(server.receive(&url).await.len(), 1);
}

#[tokio::test]
async fn deduplication_outlives_a_restart() {
    let (server, url) = Server::fifo().await;
    let kept = server.send_to(&url, "a", "kept").await;
    let deleted = server.send_to(&url, "b", "deleted").await;
    let received = server.receive(&url).await;
    server.delete(&url, &received[1]).await;
    let server = server.crash().await;
    assert_eq!(server.send_to(&url, "a", "kept").await["MessageId"], kept["MessageId"]);
    assert_eq!(server.send_to(&url, "b", "deleted").await["MessageId"], deleted["MessageId"]);
    server.pass(301);
    server.send_to(&url, "b", "deleted").await;
    assert_eq!(bodies(&server.receive(&url).await), ["kept", "deleted"]);
}

#[tokio::test]
async fn ids_count_within_their_group_where_the_queue_says_so() {
    let server = Server::start().await;
    let attributes = json!({ "FifoQueue": "true", "DeduplicationScope": "messageGroup",
                             "FifoThroughputLimit": "perMessageGroupId" });
    let url = server.create("high.fifo", attributes).await;
    for group in ["a", "b", "a"] {
        let input = json!({ "QueueUrl": url, "MessageBody": group, "MessageGroupId": group,
                            "MessageDeduplicationId": "id" });
        server.run("SendMessage", input).await;
    }
    assert_eq!(bodies(&server.receive(&url).await), ["a", "b"]);
}

#[tokio::test]
async fn two_entries_of_a_batch_with_the_same_id_are_one_message() {
    let (server, url) = Server::fifo().await;
    let entry = |id: &str| json!({ "Id": id, "MessageBody": "same", "MessageGroupId": "g" });
    let input = json!({ "QueueUrl": url, "Entries": [entry("1"), entry("2")] });
    let sent = server.run("SendMessageBatch", input).await;
    assert_eq!(sent["Successful"][0]["MessageId"], sent["Successful"][1]["MessageId"]);
    assert_eq!(server.receive(&url).await.len(), 1);
}

// Source: SQS API reference, ReceiveMessage, ReceiveRequestAttemptId.
#[tokio::test]
async fn a_receive_that_is_tried_again_gets_the_same_messages() {
    let (server, url) = Server::fifo().await;
    server.send_to(&url, "g", "1").await;
    let terms = || json!({ "ReceiveRequestAttemptId": "attempt" });
    let first = server.receive_as(&url, terms()).await;
    server.wall.advance(10_000);
    let again = server.receive_as(&url, terms()).await;
    assert_eq!(again, first);
    // The time-out began anew.
    server.wall.advance(25_000);
    assert_eq!(server.receive(&url).await.len(), 0);
    server.delete(&url, &first[0]).await;
    let input = json!({ "QueueUrl": url, "ReceiveRequestAttemptId": "attempt" });
    server.call("ReceiveMessage", input).await.refused(
        "InvalidParameterValue",
        "Value attempt for parameter ReceiveRequestAttemptId is invalid. Reason: The receiveRequestAttemptId is not valid \
         anymore since the receive call is not retryable.",
    );
}
