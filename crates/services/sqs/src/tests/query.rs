//! The older protocol: forms in, XML out. Source: SQS API reference of 2012-11-05, "Making Query API requests".

use hearth_service_testing::Reply;
use http::Request;
use serde_json::json;

use super::Server;

/// Without a signature, which open mode does not ask for.
async fn ask(server: &Server, path: &str, form: &str) -> (u16, String) {
    let head = Request::post(format!("http://localhost:4566{path}"))
        .header("host", "localhost:4566")
        .header("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    let reply = Reply::to(&server.front, head, form.to_owned()).await;
    (reply.status, reply.text())
}

fn element<'x>(xml: &'x str, name: &str) -> &'x str {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let from = xml.find(&open).unwrap_or_else(|| panic!("no {name} in {xml}")) + open.len();
    &xml[from..from + xml[from..].find(&close).expect("closed")]
}

#[tokio::test]
async fn a_message_goes_through_a_queue() {
    let server = Server::start().await;
    let (status, made) = ask(
        &server,
        "/",
        "Action=CreateQueue&Version=2012-11-05&QueueName=q&Attribute.1.Name=VisibilityTimeout&Attribute.1.Value=40\
         &Tag.1.Key=k&Tag.1.Value=v",
    )
    .await;
    assert_eq!(status, 200, "{made}");
    assert!(made.starts_with("<CreateQueueResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\">"), "{made}");
    assert_eq!(element(&made, "QueueUrl"), "http://localhost:4566/000000000000/q");
    // To the queue's own URL, as SDKs do.
    let (status, sent) = ask(
        &server,
        "/000000000000/q",
        "Action=SendMessage&Version=2012-11-05&MessageBody=hello&MessageAttribute.1.Name=a\
         &MessageAttribute.1.Value.DataType=String&MessageAttribute.1.Value.StringValue=v",
    )
    .await;
    assert_eq!(status, 200, "{sent}");
    assert_eq!(element(&sent, "MD5OfMessageBody"), "5d41402abc4b2a76b9719d911017c592");
    let (_, received) = ask(
        &server,
        "/",
        "Action=ReceiveMessage&Version=2012-11-05&QueueUrl=http%3A%2F%2Flocalhost%3A4566%2F000000000000%2Fq\
         &AttributeName.1=SenderId&MessageAttributeName.1=All&MaxNumberOfMessages=5",
    )
    .await;
    let message = element(&received, "Message");
    assert_eq!(element(message, "MessageId"), element(&sent, "MessageId"));
    assert_eq!(element(message, "Attribute"), "<Name>SenderId</Name><Value>000000000000</Value>");
    assert_eq!(
        element(message, "MessageAttribute"),
        "<Name>a</Name><Value><StringValue>v</StringValue><DataType>String</DataType></Value>"
    );
    let handle = element(message, "ReceiptHandle").replace('+', "%2B").replace('=', "%3D");
    let form = format!(
        "Action=DeleteMessageBatch&Version=2012-11-05&DeleteMessageBatchRequestEntry.1.Id=one\
         &DeleteMessageBatchRequestEntry.1.ReceiptHandle={handle}"
    );
    let (_, deleted) = ask(&server, "/000000000000/q", &form).await;
    assert_eq!(element(&deleted, "DeleteMessageBatchResultEntry"), "<Id>one</Id>");
    let form = "Action=GetQueueAttributes&Version=2012-11-05&AttributeName.1=VisibilityTimeout";
    let (_, shown) = ask(&server, "/000000000000/q", form).await;
    assert_eq!(element(&shown, "Attribute"), "<Name>VisibilityTimeout</Name><Value>40</Value>");
    let (_, tags) = ask(&server, "/000000000000/q", "Action=ListQueueTags&Version=2012-11-05").await;
    assert_eq!(element(&tags, "Tag"), "<Key>k</Key><Value>v</Value>");
    let (_, listed) = ask(&server, "/", "Action=ListQueues&Version=2012-11-05").await;
    assert_eq!(element(&listed, "ListQueuesResult"), "<QueueUrl>http://localhost:4566/000000000000/q</QueueUrl>");
}

#[tokio::test]
async fn errors_have_their_older_names_and_texts() {
    let server = Server::start().await;
    let (status, gone) = ask(&server, "/000000000000/none", "Action=ReceiveMessage&Version=2012-11-05").await;
    assert_eq!(status, 400);
    assert_eq!(element(&gone, "Type"), "Sender");
    assert_eq!(element(&gone, "Code"), "AWS.SimpleQueueService.NonExistentQueue");
    assert_eq!(element(&gone, "Message"), "The specified queue does not exist for this wsdl version.");
}

#[tokio::test]
async fn both_protocols_speak_of_the_same_queues() {
    let (server, url) = Server::queue().await;
    let entries = "Action=SendMessageBatch&Version=2012-11-05&SendMessageBatchRequestEntry.1.Id=1\
                   &SendMessageBatchRequestEntry.1.MessageBody=a&SendMessageBatchRequestEntry.2.Id=2\
                   &SendMessageBatchRequestEntry.2.MessageBody=b&SendMessageBatchRequestEntry.2.DelaySeconds=901";
    let (_, sent) = ask(&server, "/000000000000/q", entries).await;
    assert_eq!(element(element(&sent, "SendMessageBatchResultEntry"), "Id"), "1");
    assert_eq!(element(element(&sent, "BatchResultErrorEntry"), "Code"), "InvalidParameterValue");
    assert_eq!(server.receive_as(&url, json!({})).await.len(), 1);
}
