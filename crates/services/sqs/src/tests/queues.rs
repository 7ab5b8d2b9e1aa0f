//! Queues: made, shown, changed, listed, deleted; tags; permissions.

use serde_json::json;

use super::{Server, keys};

#[tokio::test]
async fn a_queue_is_made_once_and_asking_again_for_the_same_is_answered() {
    let server = Server::start().await;
    let url = server.create("q", json!({ "DelaySeconds": "5" })).await;
    assert_eq!(url, "http://localhost:4566/000000000000/q");
    assert_eq!(server.create("q", json!({ "DelaySeconds": "5" })).await, url);
    assert_eq!(server.create("q", json!({})).await, url);
    assert_eq!(server.create("q", json!({ "VisibilityTimeout": "30" })).await, url);
    let other = json!({ "QueueName": "q", "Attributes": { "DelaySeconds": "6" } });
    server.call("CreateQueue", other).await.refused(
        "QueueAlreadyExists",
        "A queue already exists with the same name and a different value for attribute DelaySeconds",
    );
}

#[tokio::test]
async fn the_defaults_are_those_of_the_reference() {
    let (server, url) = Server::queue().await;
    let all = server.run("GetQueueAttributes", json!({ "QueueUrl": url, "AttributeNames": ["All"] })).await;
    assert_eq!(
        all["Attributes"],
        json!({
            "QueueArn": "arn:aws:sqs:us-east-1:000000000000:q",
            "ApproximateNumberOfMessages": "0",
            "ApproximateNumberOfMessagesNotVisible": "0",
            "ApproximateNumberOfMessagesDelayed": "0",
            "CreatedTimestamp": "1768232232",
            "LastModifiedTimestamp": "1768232232",
            "VisibilityTimeout": "30",
            "MaximumMessageSize": "1048576",
            "MessageRetentionPeriod": "345600",
            "DelaySeconds": "0",
            "ReceiveMessageWaitTimeSeconds": "0",
            "SqsManagedSseEnabled": "false",
        })
    );
    let fifo = server.create("f.fifo", json!({ "FifoQueue": "true" })).await;
    for (name, value) in [
        ("FifoQueue", "true"),
        ("ContentBasedDeduplication", "false"),
        ("DeduplicationScope", "queue"),
        ("FifoThroughputLimit", "perQueue"),
    ] {
        assert_eq!(server.attribute(&fifo, name).await, value, "{name}");
    }
}

#[tokio::test]
async fn attributes_have_ranges() {
    let (server, url) = Server::queue().await;
    for (name, least, most) in [
        ("VisibilityTimeout", 0_i64, 43_200_i64),
        ("MaximumMessageSize", 1_024, 1_048_576),
        ("MessageRetentionPeriod", 60, 1_209_600),
        ("DelaySeconds", 0, 900),
        ("ReceiveMessageWaitTimeSeconds", 0, 20),
    ] {
        let set = |value: String| json!({ "QueueUrl": url, "Attributes": { name: value } });
        for value in [least, most] {
            server.run("SetQueueAttributes", set(value.to_string())).await;
            assert_eq!(server.attribute(&url, name).await, value.to_string());
        }
        for value in [(least - 1).to_string(), (most + 1).to_string(), "x".to_owned(), String::new()] {
            let refused = server.call("SetQueueAttributes", set(value)).await;
            refused.refused("InvalidAttributeValue", &format!("Invalid value for the parameter {name}."));
        }
    }
}

#[tokio::test]
async fn what_hearth_does_not_do_is_refused() {
    let (server, url) = Server::queue().await;
    for attributes in [
        json!({ "KmsMasterKeyId": "alias/aws/sqs" }),
        json!({ "KmsDataKeyReusePeriodSeconds": "60" }),
        json!({ "SqsManagedSseEnabled": "true" }),
        json!({ "Policy": "no policy" }),
        json!({ "FifoThroughputLimit": "perQueue" }),
        json!({ "Unheard": "of" }),
        json!({ "QueueArn": "x" }),
    ] {
        let refused = server.call("SetQueueAttributes", json!({ "QueueUrl": url, "Attributes": attributes })).await;
        assert_eq!(refused.status, 400, "{attributes}");
        assert!(refused.query_error.starts_with("InvalidAttribute"), "{attributes}: {}", refused.query_error);
    }
}

#[tokio::test]
async fn a_deleted_queue_is_gone_and_a_new_one_of_its_name_is_empty() {
    let (server, url) = Server::queue().await;
    server.send(&url, "old").await;
    let handle = server.receive(&url).await[0]["ReceiptHandle"].clone();
    server.run("DeleteQueue", json!({ "QueueUrl": url })).await;
    let gone = server.call("ReceiveMessage", json!({ "QueueUrl": url })).await;
    gone.refused("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.");
    assert_eq!(gone.body["__type"], "com.amazonaws.sqs#QueueDoesNotExist");
    server.create("q", json!({})).await;
    server.pass(3_600);
    assert_eq!(server.receive(&url).await.len(), 0);
    // A handle is of its queue's life.
    let refused = server.call("DeleteMessage", json!({ "QueueUrl": url, "ReceiptHandle": handle })).await;
    assert_eq!(refused.query_error, "ReceiptHandleIsInvalid;Sender");
}

#[tokio::test]
async fn queues_are_listed_by_name_with_a_prefix_and_in_pages() {
    let server = Server::start().await;
    assert_eq!(server.run("ListQueues", json!({})).await, json!({}));
    for name in ["b1", "a1", "b3", "b2"] {
        server.create(name, json!({})).await;
    }
    let url = |name: &str| format!("http://localhost:4566/000000000000/{name}");
    let all = server.run("ListQueues", json!({ "QueueNamePrefix": "b" })).await;
    assert_eq!(all, json!({ "QueueUrls": [url("b1"), url("b2"), url("b3")] }));
    let first = server.run("ListQueues", json!({ "QueueNamePrefix": "b", "MaxResults": 2 })).await;
    assert_eq!(first["QueueUrls"], json!([url("b1"), url("b2")]));
    let rest = json!({ "QueueNamePrefix": "b", "MaxResults": 2, "NextToken": first["NextToken"] });
    assert_eq!(server.run("ListQueues", rest).await, json!({ "QueueUrls": [url("b3")] }));
}

#[tokio::test]
async fn a_queue_s_url_is_found_by_name_and_account() {
    let (server, url) = Server::queue().await;
    assert_eq!(server.run("GetQueueUrl", json!({ "QueueName": "q" })).await, json!({ "QueueUrl": url }));
    let other = json!({ "QueueName": "q", "QueueOwnerAWSAccountId": "111111111111" });
    let refused = server.call("GetQueueUrl", other).await;
    refused.refused("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.");
}

#[tokio::test]
async fn tags_are_added_and_taken_away() {
    let server = Server::start().await;
    let made = json!({ "QueueName": "q", "tags": { "a": "1" } });
    let url = server.run("CreateQueue", made).await["QueueUrl"].clone();
    server.run("TagQueue", json!({ "QueueUrl": url, "Tags": { "b": "2", "c": "3" } })).await;
    server.run("UntagQueue", json!({ "QueueUrl": url, "TagKeys": ["a", "b"] })).await;
    let server = server.crash().await;
    assert_eq!(server.run("ListQueueTags", json!({ "QueueUrl": url })).await, json!({ "Tags": { "c": "3" } }));
}

#[tokio::test]
async fn permissions_are_statements_of_the_policy() {
    let (server, url) = Server::queue().await;
    let add = json!({ "QueueUrl": url, "Label": "l", "AWSAccountIds": ["111111111111"], "Actions": ["SendMessage"] });
    server.run("AddPermission", add.clone()).await;
    server
        .call("AddPermission", add)
        .await
        .refused("InvalidParameterValue", "Value l for parameter Label is invalid. Reason: Already exists.");
    let policy: serde_json::Value =
        serde_json::from_str(server.attribute(&url, "Policy").await.as_str().expect("a policy")).expect("JSON");
    assert_eq!(
        policy["Statement"],
        json!([{
            "Sid": "l",
            "Effect": "Allow",
            "Principal": { "AWS": "arn:aws:iam::111111111111:root" },
            "Action": "SQS:SendMessage",
            "Resource": "arn:aws:sqs:us-east-1:000000000000:q",
        }])
    );
    server.run("RemovePermission", json!({ "QueueUrl": url, "Label": "l" })).await;
    let all = server.run("GetQueueAttributes", json!({ "QueueUrl": url, "AttributeNames": ["All"] })).await;
    assert!(!keys(&all["Attributes"]).contains(&"Policy"));
}

#[tokio::test]
async fn names_are_checked() {
    let server = Server::start().await;
    for name in ["", "a b", "a.b", &"x".repeat(81), "x.fifo"] {
        let refused = server.call("CreateQueue", json!({ "QueueName": name })).await;
        assert_eq!(refused.status, 400, "{name}");
    }
    let refused = server.call("CreateQueue", json!({ "QueueName": "x", "Attributes": { "FifoQueue": "true" } })).await;
    assert_eq!(refused.query_error, "InvalidParameterValue;Sender");
}
