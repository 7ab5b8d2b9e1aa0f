//! Who may do what: every operation asks about its queue, with the queue's own policy.

use serde_json::json;

use super::Server;

#[tokio::test]
async fn every_operation_asks_and_takes_no_for_an_answer() {
    let (server, url) = Server::queue().await;
    let arn = "arn:aws:sqs:us-east-1:000000000000:q";
    let handle = crate::move_task::handle("id", &arn.parse().expect("an ARN"));
    for (operation, action, input) in [
        ("AddPermission", "sqs:AddPermission", json!({})),
        ("CancelMessageMoveTask", "sqs:CancelMessageMoveTask", json!({ "TaskHandle": handle })),
        ("ChangeMessageVisibility", "sqs:ChangeMessageVisibility", json!({})),
        ("ChangeMessageVisibilityBatch", "sqs:ChangeMessageVisibility", json!({})),
        ("CreateQueue", "sqs:CreateQueue", json!({ "QueueName": "q" })),
        ("DeleteMessage", "sqs:DeleteMessage", json!({})),
        ("DeleteMessageBatch", "sqs:DeleteMessage", json!({})),
        ("DeleteQueue", "sqs:DeleteQueue", json!({})),
        ("GetQueueAttributes", "sqs:GetQueueAttributes", json!({})),
        ("GetQueueUrl", "sqs:GetQueueUrl", json!({ "QueueName": "q" })),
        ("ListDeadLetterSourceQueues", "sqs:ListDeadLetterSourceQueues", json!({})),
        ("ListMessageMoveTasks", "sqs:ListMessageMoveTasks", json!({ "SourceArn": arn })),
        ("ListQueueTags", "sqs:ListQueueTags", json!({})),
        ("ListQueues", "sqs:ListQueues", json!({})),
        ("PurgeQueue", "sqs:PurgeQueue", json!({})),
        ("ReceiveMessage", "sqs:ReceiveMessage", json!({})),
        ("RemovePermission", "sqs:RemovePermission", json!({})),
        ("SendMessage", "sqs:SendMessage", json!({})),
        ("SendMessageBatch", "sqs:SendMessage", json!({})),
        ("SetQueueAttributes", "sqs:SetQueueAttributes", json!({})),
        ("StartMessageMoveTask", "sqs:StartMessageMoveTask", json!({ "SourceArn": arn })),
        ("TagQueue", "sqs:TagQueue", json!({})),
        ("UntagQueue", "sqs:UntagQueue", json!({})),
    ] {
        let mut input = input;
        input["QueueUrl"] = url.clone().into();
        *server.policies.denied.lock() = Some(action);
        let refused = server.call(operation, input).await;
        assert_eq!((refused.status, refused.query_error.as_str()), (403, "AccessDenied;Sender"), "{operation}");
        assert_eq!(refused.body["message"], format!("no {action}"));
    }
}

#[tokio::test]
async fn a_queue_s_policy_is_weighed_with_requests_for_it() {
    let (server, url) = Server::queue().await;
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*" }],
    });
    let attributes = json!({ "Policy": policy.to_string() });
    server.run("SetQueueAttributes", json!({ "QueueUrl": url, "Attributes": attributes })).await;
    server.policies.asked.lock().clear();
    server.receive(&url).await;
    let asked = server.policies.asked.lock().clone();
    assert_eq!(asked, ["sqs:ReceiveMessage arn:aws:sqs:us-east-1:000000000000:q by its policy"]);
}

#[tokio::test]
async fn the_account_and_region_in_a_url_are_those_of_the_queue() {
    let server = Server::start().await;
    for (url, arn) in [
        ("http://localhost:4566/111111111111/q", "arn:aws:sqs:us-east-1:111111111111:q"),
        ("http://sqs.eu-west-1.localhost:4566/000000000000/q", "arn:aws:sqs:eu-west-1:000000000000:q"),
        ("https://sqs.us-east-1.amazonaws.com/000000000000/q", "arn:aws:sqs:us-east-1:000000000000:q"),
    ] {
        server.policies.asked.lock().clear();
        server.call("DeleteQueue", json!({ "QueueUrl": url })).await;
        assert_eq!(*server.policies.asked.lock(), [format!("sqs:DeleteQueue {arn}")]);
    }
}
