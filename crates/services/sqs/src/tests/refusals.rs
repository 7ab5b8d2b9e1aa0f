//! The recorded refusals of the real service, one by one, in both protocols' names.

use serde_json::{Value, json};

use super::Server;

struct Case {
    operation: &'static str,
    input: Value,
    code: &'static str,
    message: &'static str,
}

fn case(operation: &'static str, input: Value, code: &'static str, message: &'static str) -> Case {
    Case { operation, input, code, message }
}

const INVALID: &str = "InvalidParameterValue";
const SQS: &str = "AWS.SimpleQueueService.";

#[tokio::test]
async fn recorded_refusals_are_answered_to_the_letter() {
    let server = Server::start().await;
    let url = server.create("q", json!({})).await;
    let small = server.create("small", json!({ "MaximumMessageSize": "1024" })).await;
    let fifo = server.create("f.fifo", json!({ "FifoQueue": "true" })).await;
    let long = "a".repeat(129);
    let entries = |count: usize| -> Vec<Value> {
        (0..count).map(|id| json!({ "Id": id.to_string(), "MessageBody": "x" })).collect()
    };
    let to_fifo = |group: Option<&str>, id: Option<&str>| {
        let mut input = json!({ "QueueUrl": fifo, "MessageBody": "x" });
        if let Some(group) = group {
            input["MessageGroupId"] = group.into();
        }
        if let Some(id) = id {
            input["MessageDeduplicationId"] = id.into();
        }
        input
    };
    let id_reason = |name: &str, value: &str| {
        format!(
            "Value {value} for parameter {name} is invalid. Reason: {name} can only include alphanumeric and punctuation \
             characters. 1 to 128 in length."
        )
    };
    let leaked = |text: String| -> &'static str { text.leak() };
    let attribute = json!({ "ErrorDetails": { "DataType": "String", "StringValue": "" } });
    let create = |attributes: Value| json!({ "QueueName": "new", "Attributes": attributes });
    let cases = [
        case(
            "SendMessage",
            json!({ "QueueUrl": url, "MessageBody": "" }),
            "MissingParameter",
            "The request must contain the parameter MessageBody.",
        ),
        case(
            "SendMessage",
            json!({ "QueueUrl": url, "MessageBody": "x".repeat(1_048_577) }),
            INVALID,
            "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.",
        ),
        case(
            "SendMessage",
            json!({ "QueueUrl": small, "MessageBody": "x".repeat(1_025) }),
            INVALID,
            "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes.",
        ),
        case(
            "SendMessage",
            json!({ "QueueUrl": url, "MessageBody": "x", "MessageAttributes": attribute }),
            INVALID,
            "Message (user) attribute 'ErrorDetails' must contain a non-empty value of type 'String'.",
        ),
        case(
            "SendMessage",
            to_fifo(None, Some("id")),
            "MissingParameter",
            "The request must contain the parameter MessageGroupId.",
        ),
        case(
            "SendMessage",
            to_fifo(Some("g"), None),
            INVALID,
            "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
        ),
        case("SendMessage", to_fifo(Some(""), Some("id")), INVALID, leaked(id_reason("MessageGroupId", ""))),
        case(
            "SendMessage",
            to_fifo(Some("group 123"), Some("id")),
            INVALID,
            leaked(id_reason("MessageGroupId", "group 123")),
        ),
        case("SendMessage", to_fifo(Some(&long), Some("id")), INVALID, leaked(id_reason("MessageGroupId", &long))),
        case("SendMessage", to_fifo(Some("g"), Some("")), INVALID, leaked(id_reason("MessageDeduplicationId", ""))),
        case(
            "SendMessage",
            to_fifo(Some("g"), Some("group 123")),
            INVALID,
            leaked(id_reason("MessageDeduplicationId", "group 123")),
        ),
        case(
            "SendMessage",
            to_fifo(Some("g"), Some(&long)),
            INVALID,
            leaked(id_reason("MessageDeduplicationId", &long)),
        ),
        case(
            "SendMessage",
            json!({ "QueueUrl": fifo, "MessageBody": "x", "MessageGroupId": "g", "MessageDeduplicationId": "i", "DelaySeconds": 2 }),
            INVALID,
            "Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for \
             this queue type.",
        ),
        case(
            "SendMessageBatch",
            json!({ "QueueUrl": url, "Entries": entries(20) }),
            leaked(format!("{SQS}TooManyEntriesInBatchRequest")),
            "Maximum number of entries per request are 10. You have sent 20.",
        ),
        case(
            "SendMessageBatch",
            json!({ "QueueUrl": url, "Entries": [{ "Id": "a b", "MessageBody": "x" }] }),
            leaked(format!("{SQS}InvalidBatchEntryId")),
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 \
             letters long.",
        ),
        case(
            "SendMessageBatch",
            json!({ "QueueUrl": url, "Entries": [
                { "Id": "1", "MessageBody": "x".repeat(1_048_576) }, { "Id": "2", "MessageBody": "x" }] }),
            leaked(format!("{SQS}BatchRequestTooLong")),
            "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.",
        ),
        case(
            "ReceiveMessage",
            json!({ "QueueUrl": url, "MaxNumberOfMessages": 11 }),
            INVALID,
            "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.",
        ),
        case(
            "ReceiveMessage",
            json!({ "QueueUrl": url, "WaitTimeSeconds": 21 }),
            INVALID,
            "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.",
        ),
        case(
            "ReceiveMessage",
            json!({ "QueueUrl": url, "WaitTimeSeconds": -1 }),
            INVALID,
            "Value -1 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.",
        ),
        case(
            "ReceiveMessage",
            json!({ "QueueUrl": format!("{url}x") }),
            leaked(format!("{SQS}NonExistentQueue")),
            "The specified queue does not exist.",
        ),
        case(
            "CreateQueue",
            create(json!({ "FifoQueue": "false" })),
            "InvalidAttributeName",
            "Unknown Attribute FifoQueue.",
        ),
        case(
            "CreateQueue",
            create(json!({ "ContentBasedDeduplication": "true" })),
            "InvalidAttributeName",
            "Unknown Attribute ContentBasedDeduplication.",
        ),
        case(
            "CreateQueue",
            create(json!({ "DeduplicationScope": "queue" })),
            "InvalidAttributeName",
            "You can specify the DeduplicationScope only when FifoQueue is set to true.",
        ),
        case(
            "CreateQueue",
            create(json!({ "FifoThroughputLimit": "perQueue" })),
            "InvalidAttributeName",
            "You can specify the FifoThroughputLimit only when FifoQueue is set to true.",
        ),
        case(
            "SetQueueAttributes",
            json!({ "QueueUrl": url, "Attributes": { "FifoQueue": "true" } }),
            "InvalidAttributeValue",
            "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.",
        ),
        case(
            "CreateQueue",
            json!({ "QueueName": "f.fifo", "Attributes": { "FifoQueue": "true", "ContentBasedDeduplication": "true" } }),
            "QueueAlreadyExists",
            "A queue already exists with the same name and a different value for attribute ContentBasedDeduplication",
        ),
        case(
            "RemovePermission",
            json!({ "QueueUrl": url, "Label": "crossaccountpermission2" }),
            INVALID,
            "Value crossaccountpermission2 for parameter Label is invalid. Reason: can't find label.",
        ),
        case(
            "StartMessageMoveTask",
            json!({ "SourceArn": "arn:aws:sqs:us-east-1:000000000000:q" }),
            INVALID,
            "Source queue must be configured as a Dead Letter Queue.",
        ),
        case(
            "StartMessageMoveTask",
            json!({ "SourceArn": "arn:aws:sqs:us-east-1:000000000000:none" }),
            "ResourceNotFoundException",
            "The resource that you specified for the SourceArn parameter doesn't exist.",
        ),
        case(
            "StartMessageMoveTask",
            json!({ "SourceArn": "arn:aws:sqs:us-east-1:000000000000:q",
                    "DestinationArn": "arn:aws:sqs:us-east-1:000000000000:none" }),
            "ResourceNotFoundException",
            "The resource that you specified for the DestinationArn parameter doesn't exist.",
        ),
        case(
            "CancelMessageMoveTask",
            json!({ "TaskHandle": "nonsense" }),
            INVALID,
            "Value for parameter TaskHandle is invalid.",
        ),
        case(
            "ListMessageMoveTasks",
            json!({ "SourceArn": "arn:aws:sqs:us-east-1:000000000000:none" }),
            "ResourceNotFoundException",
            "The resource that you specified for the SourceArn parameter doesn't exist.",
        ),
    ];
    for Case { operation, input, code, message } in cases {
        let answer = server.call(operation, input).await;
        let found = (answer.query_error.as_str(), answer.body["message"].as_str().unwrap_or_default());
        assert_eq!(found, (format!("{code};Sender").as_str(), message), "{operation}");
    }
}

#[tokio::test]
async fn an_expired_handle_of_a_fifo_queue_is_refused_as_recorded() {
    let (server, url) = Server::fifo().await;
    server.send_to(&url, "g", "x").await;
    let handle = server.receive(&url).await[0]["ReceiptHandle"].as_str().expect("a handle").to_owned();
    server.wall.advance(31_000);
    let text =
        format!("Value {handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.");
    let input = json!({ "QueueUrl": url, "ReceiptHandle": handle });
    server.call("DeleteMessage", input).await.refused(INVALID, &text);
    let input = json!({ "QueueUrl": url, "ReceiptHandle": handle, "VisibilityTimeout": 1 });
    server.call("ChangeMessageVisibility", input).await.refused(INVALID, &text);
}

#[tokio::test]
async fn a_second_purge_within_a_minute_is_refused_as_recorded() {
    let (server, url) = Server::queue().await;
    server.run("PurgeQueue", json!({ "QueueUrl": url })).await;
    let refused = server.call("PurgeQueue", json!({ "QueueUrl": url })).await;
    assert_eq!(refused.status, 403);
    refused.refused(
        "AWS.SimpleQueueService.PurgeQueueInProgress",
        "Only one PurgeQueue operation on q is allowed every 60 seconds.",
    );
}

#[tokio::test]
async fn what_the_recordings_do_not_have_is_refused_too() {
    let (server, url) = Server::queue().await;
    let send = |more: Value| {
        let mut input = json!({ "QueueUrl": url, "MessageBody": "x" });
        for (name, value) in more.as_object().expect("members") {
            input[name] = value.clone();
        }
        input
    };
    let attribute = |name: &str, value: Value| send(json!({ "MessageAttributes": { name: value } }));
    let many: serde_json::Map<String, Value> =
        (0..11).map(|at| (format!("a{at}"), json!({ "DataType": "String", "StringValue": "v" }))).collect();
    let text = || json!({ "DataType": "String", "StringValue": "v" });
    for (operation, input, code) in [
        ("SendMessage", json!({ "MessageBody": "x" }), "MissingParameter"),
        ("SendMessage", json!({ "QueueUrl": "nonsense", "MessageBody": "x" }), "InvalidAddress"),
        ("SendMessage", send(json!({ "MessageBody": "\u{1}" })), "InvalidMessageContents"),
        ("SendMessage", send(json!({ "MessageBody": "\u{ffff}" })), "InvalidMessageContents"),
        ("SendMessage", send(json!({ "DelaySeconds": 901 })), INVALID),
        ("SendMessage", send(json!({ "DelaySeconds": -1 })), INVALID),
        ("SendMessage", send(json!({ "MessageDeduplicationId": "d" })), INVALID),
        ("SendMessage", send(json!({ "MessageAttributes": many })), INVALID),
        ("SendMessage", attribute("AWS.x", text()), INVALID),
        ("SendMessage", attribute("a..b", text()), INVALID),
        ("SendMessage", attribute("a", json!({ "StringValue": "v" })), INVALID),
        ("SendMessage", attribute("a", json!({ "DataType": "Text", "StringValue": "v" })), INVALID),
        ("SendMessage", attribute("a", json!({ "DataType": "Number", "StringValue": "v" })), INVALID),
        ("SendMessage", attribute("a", json!({ "DataType": "Binary", "StringValue": "v" })), INVALID),
        (
            "SendMessage",
            attribute("a", json!({ "DataType": "String", "StringValue": "v", "StringListValues": ["w"] })),
            "AWS.SimpleQueueService.UnsupportedOperation",
        ),
        ("SendMessage", send(json!({ "MessageSystemAttributes": { "Other": text() } })), INVALID),
        ("SendMessageBatch", json!({ "QueueUrl": url }), "AWS.SimpleQueueService.EmptyBatchRequest"),
        (
            "DeleteMessageBatch",
            json!({ "QueueUrl": url, "Entries": [{ "Id": "1" }, { "Id": "1" }] }),
            "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
        ),
        ("ReceiveMessage", json!({ "QueueUrl": url, "VisibilityTimeout": 43_201 }), INVALID),
        ("ReceiveMessage", json!({ "QueueUrl": url, "ReceiveRequestAttemptId": "a" }), INVALID),
        ("ReceiveMessage", json!({ "QueueUrl": url, "AttributeNames": ["x"] }), "InvalidAttributeName"),
        ("GetQueueAttributes", json!({ "QueueUrl": url, "AttributeNames": ["x"] }), "InvalidAttributeName"),
        ("DeleteMessage", json!({ "QueueUrl": url, "ReceiptHandle": "x" }), "ReceiptHandleIsInvalid"),
        ("ListQueues", json!({ "MaxResults": 1_001 }), INVALID),
        ("ListQueues", json!({ "NextToken": "!" }), INVALID),
        ("TagQueue", json!({ "QueueUrl": url, "Tags": { "aws:x": "y" } }), INVALID),
    ] {
        let answer = server.call(operation, input.clone()).await;
        assert_eq!(answer.query_error, format!("{code};Sender"), "{operation} {input}");
    }
}
