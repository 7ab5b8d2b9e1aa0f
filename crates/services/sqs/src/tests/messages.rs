//! Sending, receiving, deleting on a standard queue.

use serde_json::json;

use super::{Server, bodies, keys};

/// `md5("hello")`, RFC 1321's algorithm.
const HELLO_MD5: &str = "5d41402abc4b2a76b9719d911017c592";

#[tokio::test]
async fn a_message_is_shown_with_every_key_and_no_other() {
    let (server, url) = Server::queue().await;
    let sent = server.send(&url, "hello").await;
    assert_eq!(keys(&sent), ["MD5OfMessageBody", "MessageId"]);
    assert_eq!(sent["MD5OfMessageBody"], HELLO_MD5);
    let received = server.receive(&url).await;
    assert_eq!(keys(&received[0]), ["Attributes", "Body", "MD5OfBody", "MessageId", "ReceiptHandle"]);
    assert_eq!(received[0]["MessageId"], sent["MessageId"]);
    assert_eq!(received[0]["MD5OfBody"], HELLO_MD5);
    assert_eq!(
        received[0]["Attributes"],
        json!({
            "SenderId": "000000000000",
            "SentTimestamp": "1768232232000",
            "ApproximateReceiveCount": "1",
            "ApproximateFirstReceiveTimestamp": "1768232232000",
        })
    );
}

#[tokio::test]
async fn a_received_message_is_invisible_until_its_time_out_and_comes_back_counted() {
    let (server, url) = Server::queue().await;
    server.send(&url, "a").await;
    assert_eq!(bodies(&server.receive(&url).await), ["a"]);
    assert_eq!(server.counts(&url).await, ["0", "1", "0"]);
    server.wall.advance(29_999);
    assert_eq!(bodies(&server.receive(&url).await), [""; 0]);
    server.wall.advance(1);
    let again = server.receive(&url).await;
    assert_eq!(again[0]["Attributes"]["ApproximateReceiveCount"], "2");
    assert_eq!(again[0]["Attributes"]["ApproximateFirstReceiveTimestamp"], "1768232232000");
}

/// The wall clock alone decides: at time scale 60 a message that is worked on is not delivered twice.
#[tokio::test]
async fn visibility_does_not_go_by_the_service_clock() {
    let (server, url) = Server::queue().await;
    server.send(&url, "a").await;
    server.receive(&url).await;
    server.service.advance(60_000);
    assert_eq!(bodies(&server.receive(&url).await), [""; 0]);
}

#[tokio::test]
async fn a_deleted_message_does_not_come_back_and_may_be_deleted_again() {
    let (server, url) = Server::queue().await;
    server.send_batch(&url, &["a", "b"]).await;
    let received = server.receive(&url).await;
    server.delete(&url, &received[0]).await;
    server.delete(&url, &received[0]).await;
    server.pass(31);
    assert_eq!(bodies(&server.receive(&url).await), ["b"]);
}

#[tokio::test]
async fn a_batch_answers_for_each_entry() {
    let (server, url) = Server::queue().await;
    let entries = json!([
        { "Id": "good", "MessageBody": "hello" },
        { "Id": "bad", "MessageBody": "" },
        { "Id": "late", "MessageBody": "x", "DelaySeconds": 901 },
    ]);
    let sent = server.run("SendMessageBatch", json!({ "QueueUrl": url, "Entries": entries })).await;
    assert_eq!(sent["Successful"][0]["Id"], "good");
    assert_eq!(sent["Successful"][0]["MD5OfMessageBody"], HELLO_MD5);
    let failed = |at: usize| sent["Failed"][at].clone();
    assert_eq!(
        failed(0),
        json!({
            "Id": "bad",
            "SenderFault": true,
            "Code": "MissingParameter",
            "Message": "The request must contain the parameter MessageBody.",
        })
    );
    assert_eq!(failed(1)["Code"], "InvalidParameterValue");
    let received = server.receive(&url).await;
    let handle = &received[0]["ReceiptHandle"];
    let entries = json!([{ "Id": "1", "ReceiptHandle": handle }, { "Id": "2", "ReceiptHandle": "nonsense" }]);
    let changed = entries
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| json!({ "Id": entry["Id"], "ReceiptHandle": entry["ReceiptHandle"], "VisibilityTimeout": 5 }))
        .collect::<Vec<_>>();
    let changed = server.run("ChangeMessageVisibilityBatch", json!({ "QueueUrl": url, "Entries": changed })).await;
    assert_eq!(changed["Successful"], json!([{ "Id": "1" }]));
    assert_eq!(changed["Failed"][0]["Code"], "ReceiptHandleIsInvalid");
    let deleted = server.run("DeleteMessageBatch", json!({ "QueueUrl": url, "Entries": entries })).await;
    assert_eq!(deleted["Successful"], json!([{ "Id": "1" }]));
    assert_eq!(deleted["Failed"][0]["Code"], "ReceiptHandleIsInvalid");
    assert_eq!(server.counts(&url).await, ["0", "0", "0"]);
}

#[tokio::test]
async fn message_attributes_come_back_with_the_digest_that_clients_check() {
    let (server, url) = Server::queue().await;
    let attributes = json!({
        "text": { "DataType": "String", "StringValue": "v" },
        "number": { "DataType": "Number.int", "StringValue": "7" },
        "bytes": { "DataType": "Binary", "BinaryValue": "AAEC" },
    });
    let input = json!({ "QueueUrl": url, "MessageBody": "hello", "MessageAttributes": attributes });
    let sent = server.run("SendMessage", input).await;
    let all = server.receive_as(&url, json!({ "VisibilityTimeout": 0 })).await;
    assert_eq!(all[0]["MessageAttributes"], attributes);
    assert_eq!(all[0]["MD5OfMessageAttributes"], sent["MD5OfMessageAttributes"]);
    // Of sorted name, type, kind and value, each behind its length: computed by hand with `printf … | md5sum`.
    let some = server.receive_as(&url, json!({ "VisibilityTimeout": 0, "MessageAttributeNames": ["te.*"] })).await;
    assert_eq!(keys(&some[0]["MessageAttributes"]), ["text"]);
    assert_eq!(some[0]["MD5OfMessageAttributes"], "6e2e6eafcc771c3b9c90b04e6dacd2eb");
    let none = server.receive_as(&url, json!({ "MessageAttributeNames": [], "MessageSystemAttributeNames": [] })).await;
    assert_eq!(keys(&none[0]), ["Body", "MD5OfBody", "MessageId", "ReceiptHandle"]);
}

#[tokio::test]
async fn the_trace_header_travels_along() {
    let (server, url) = Server::queue().await;
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793";
    let system = json!({ "AWSTraceHeader": { "DataType": "String", "StringValue": trace } });
    let input = json!({ "QueueUrl": url, "MessageBody": "x", "MessageSystemAttributes": system });
    let sent = server.run("SendMessage", input).await;
    assert!(sent["MD5OfMessageSystemAttributes"].is_string(), "{sent}");
    // Named by the older of the two members.
    let terms = json!({ "MessageSystemAttributeNames": [], "AttributeNames": ["AWSTraceHeader"] });
    let received = server.receive_as(&url, terms).await;
    assert_eq!(received[0]["Attributes"], json!({ "AWSTraceHeader": trace }));
}

#[tokio::test]
async fn delays_go_by_the_service_clock_per_queue_and_per_message() {
    let server = Server::start().await;
    let url = server.create("slow", json!({ "DelaySeconds": "10" })).await;
    server.send(&url, "queue").await;
    server.run("SendMessage", json!({ "QueueUrl": url, "MessageBody": "own", "DelaySeconds": 5 })).await;
    server.run("SendMessage", json!({ "QueueUrl": url, "MessageBody": "none", "DelaySeconds": 0 })).await;
    assert_eq!(server.counts(&url).await, ["1", "0", "2"]);
    let receive = || server.receive_as(&url, json!({ "VisibilityTimeout": 0 }));
    assert_eq!(bodies(&receive().await), ["none"]);
    server.wall.advance(3_600_000);
    assert_eq!(bodies(&receive().await), ["none"]);
    server.service.advance(5_000);
    assert_eq!(bodies(&receive().await), ["own", "none"]);
    server.service.advance(5_000);
    assert_eq!(bodies(&receive().await), ["queue", "own", "none"]);
}

#[tokio::test]
async fn messages_expire_by_the_queue_s_retention_and_the_service_clock() {
    let server = Server::start().await;
    let url = server.create("short", json!({ "MessageRetentionPeriod": "60" })).await;
    server.send(&url, "a").await;
    server.service.advance(59_999);
    assert_eq!(server.receive_as(&url, json!({ "VisibilityTimeout": 0 })).await.len(), 1);
    server.service.advance(1);
    assert_eq!(server.receive(&url).await.len(), 0);
    assert_eq!(server.counts(&url).await, ["0", "0", "0"]);
    // A shorter time holds for what is there already.
    let url = server.create("long", json!({})).await;
    server.send(&url, "a").await;
    server.service.advance(61_000);
    let attributes = json!({ "MessageRetentionPeriod": "60" });
    server.run("SetQueueAttributes", json!({ "QueueUrl": url, "Attributes": attributes })).await;
    assert_eq!(server.receive(&url).await.len(), 0);
}

#[tokio::test]
async fn visibility_can_be_changed_while_in_flight_and_for_twelve_hours_in_all() {
    let (server, url) = Server::queue().await;
    server.send(&url, "a").await;
    let received = server.receive(&url).await;
    let change = |seconds: i64| json!({ "QueueUrl": url, "ReceiptHandle": received[0]["ReceiptHandle"], "VisibilityTimeout": seconds });
    server.run("ChangeMessageVisibility", change(100)).await;
    server.wall.advance(99_000);
    assert_eq!(server.receive(&url).await.len(), 0);
    server.call("ChangeMessageVisibility", change(43_200)).await.refused(
        "InvalidParameterValue",
        "Value 43200 for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is \
         beyond the limit [43200 seconds].",
    );
    server.run("ChangeMessageVisibility", change(0)).await;
    assert_eq!(server.counts(&url).await, ["1", "0", "0"]);
    let late = server.call("ChangeMessageVisibility", change(5)).await;
    assert_eq!(late.query_error, "AWS.SimpleQueueService.MessageNotInflight;Sender");
}

#[tokio::test]
async fn message_groups_of_a_standard_queue_share_it_fairly() {
    let (server, url) = Server::queue().await;
    for body in ["noisy 1", "noisy 2", "noisy 3"] {
        server.send_to(&url, "noisy", body).await;
    }
    server.send_to(&url, "quiet", "quiet 1").await;
    let received = server.receive_as(&url, json!({ "MaxNumberOfMessages": 2 })).await;
    assert_eq!(bodies(&received), ["noisy 1", "quiet 1"]);
    assert_eq!(received[1]["Attributes"]["MessageGroupId"], "quiet");
    assert_eq!(bodies(&server.receive(&url).await), ["noisy 2", "noisy 3"]);
}

#[tokio::test]
async fn purged_messages_are_gone_and_later_ones_are_not() {
    let (server, url) = Server::queue().await;
    server.send(&url, "before").await;
    server.run("PurgeQueue", json!({ "QueueUrl": url })).await;
    server.send(&url, "after").await;
    assert_eq!(bodies(&server.receive(&url).await), ["after"]);
    server.wall.advance(59_000);
    assert_eq!(server.call("PurgeQueue", json!({ "QueueUrl": url })).await.status, 403);
    server.wall.advance(1_000);
    server.run("PurgeQueue", json!({ "QueueUrl": url })).await;
    let server = server.restart().await;
    assert_eq!(server.receive(&url).await.len(), 0);
}

#[tokio::test]
async fn messages_can_be_looked_at_without_taking_them() {
    let (server, url) = Server::queue().await;
    server.send(&url, "<a>").await;
    server.send(&url, "taken").await;
    server.receive_as(&url, json!({ "MaxNumberOfMessages": 1 })).await;
    let head = |query: &str, accept: &str| {
        let request = http::Request::get(format!("/_aws/sqs/messages?{query}")).header("accept", accept);
        request.body(()).expect("a request").into_parts().0
    };
    let ctx = hearth_types::RequestContext::service(&super::scope(), "test", hearth_types::RequestId::from("r"));
    let look = async |query: &str, accept: &str| {
        let answer = server.sqs.inspect(&ctx, &head(query, accept)).await;
        let bytes = http_body_util::BodyExt::collect(answer.into_body()).await.expect("a body").to_bytes();
        String::from_utf8(bytes.to_vec()).expect("text")
    };
    let url = "QueueUrl=http%3A%2F%2Flocalhost%3A4566%2F000000000000%2Fq";
    for _ in 0..2 {
        let seen = look(url, "application/json").await;
        assert!(seen.contains("\"taken\"") && !seen.contains("<a>"), "{seen}");
    }
    let seen = look(&format!("{url}&ShowInvisible=true"), "application/xml").await;
    assert!(seen.contains("<Body>&lt;a&gt;</Body>") && seen.contains("<Body>taken</Body>"), "{seen}");
    assert!(look("QueueUrl=%2F000000000000%2Fnone", "*/*").await.contains("AWS.SimpleQueueService.NonExistentQueue"));
}
