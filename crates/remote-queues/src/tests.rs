//! Against an endpoint that answers what it is told to, and shows what it was asked.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hearth_ports::{
    Access, AttributeValue, Authorizer, Denied, MessageAttribute, OutgoingMessage, QueueConsumer, QueueError,
    QueueFacts, QueueSender, ReceiveTerms, ReceivedMessage,
};
use hearth_types::{AccountId, Arn, Clock, Partition, Region, RequestContext, RequestId, Scope};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Queues, Remote};

const ACCOUNT: &str = "111122223333";
const QUEUE: &str = "arn:aws:sqs:eu-west-1:111122223333:away-orders";
const SECRET: &str = "hush-hush";

/// Status, `x-amzn-query-error` and body of an answer; `None` never comes.
type Answer = Option<(u16, &'static str, Value)>;

#[derive(Default)]
struct Endpoint {
    answers: Mutex<Vec<Answer>>,
    /// Operation, body and `Authorization` of what was asked.
    asked: Mutex<Vec<(String, Value, String)>>,
}

impl Endpoint {
    async fn start(answers: Vec<Answer>) -> (Arc<Self>, String) {
        let endpoint = Arc::new(Self { answers: Mutex::new(answers), ..Self::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let served = Arc::clone(&endpoint);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let served = Arc::clone(&served);
                let answer = service_fn(move |request| Arc::clone(&served).answer(request));
                tokio::spawn(async move {
                    let _ =
                        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        (endpoint, url)
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let header = |name: &str| head.headers[name].to_str().expect("text").to_owned();
        let body = serde_json::from_slice(&body.collect().await.expect("a body").to_bytes()).expect("JSON");
        assert_eq!(header("content-type"), "application/x-amz-json-1.0");
        let operation = header("x-amz-target").trim_start_matches("AmazonSQS.").to_owned();
        self.asked.lock().push((operation, body, header("authorization")));
        let answer = self.answers.lock().remove(0);
        let Some((status, older, body)) = answer else { std::future::pending().await };
        let response = Response::builder().status(status).header("x-amzn-query-error", older);
        Ok(response.body(Full::from(body.to_string())).expect("an answer"))
    }

    fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().iter().map(|(operation, body, _)| (operation.clone(), body.clone())).collect()
    }
}

/// The queues here: none.
struct Nowhere;

#[async_trait::async_trait]
impl QueueSender for Nowhere {
    async fn send(&self, _: &RequestContext, _: &Arn, _: OutgoingMessage) -> Result<String, QueueError> {
        Ok("here".to_owned())
    }
}

#[async_trait::async_trait]
impl QueueConsumer for Nowhere {
    async fn facts(&self, _: &RequestContext, _: &Arn) -> Result<QueueFacts, QueueError> {
        Err(QueueError::NotFound)
    }

    async fn allows(&self, _: &RequestContext, _: &Arn, _: &'static str) -> Result<(), QueueError> {
        Err(QueueError::NotFound)
    }

    async fn receive(&self, _: &RequestContext, _: &Arn, _: ReceiveTerms) -> Result<Vec<ReceivedMessage>, QueueError> {
        Err(QueueError::NotFound)
    }

    async fn delete(&self, _: &RequestContext, _: &Arn, _: &[String]) -> Result<(), QueueError> {
        Err(QueueError::NotFound)
    }

    async fn change_visibility(&self, _: &RequestContext, _: &Arn, _: &[String], _: u32) -> Result<(), QueueError> {
        Err(QueueError::NotFound)
    }
}

struct Policies(Option<&'static str>);

impl Authorizer for Policies {
    fn authorize(&self, ctx: &RequestContext, access: &Access<'_>) -> Result<(), Denied> {
        assert_eq!((ctx.account.as_str(), access.resource.to_string().as_str()), (ACCOUNT, QUEUE));
        match self.0 {
            Some(action) if action == access.action => Err(Denied { message: "no".to_owned() }),
            _ => Ok(()),
        }
    }

    fn revision(&self) -> u64 {
        0
    }
}

struct At;

impl Clock for At {
    fn now_ms(&self) -> i64 {
        1_440_938_160_000
    }
}

fn queues(endpoint: &str, denied: Option<&'static str>) -> Queues {
    let keys = ("AKIDEXAMPLE".to_owned(), SECRET.to_owned());
    let remote = Remote::new(endpoint, ACCOUNT, "eu-west-1", "away-".to_owned(), keys, None).expect("an entry");
    Queues::new(Arc::new(Nowhere), vec![remote], Arc::new(Policies(denied)), Arc::new(At))
}

fn ctx() -> RequestContext {
    let region = Some(Region::from("eu-west-1"));
    let scope = Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region };
    RequestContext::service(&scope, "lambda.amazonaws.com", RequestId::from("r"))
}

fn queue() -> Arn {
    QUEUE.parse().expect("an ARN")
}

fn ok(body: Value) -> Answer {
    Some((200, "", body))
}

fn handles(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("handle-{number}")).collect()
}

fn text(text: &str) -> MessageAttribute {
    MessageAttribute { data_type: "String".to_owned(), value: AttributeValue::Text(text.to_owned()) }
}

#[tokio::test]
async fn a_message_is_sent_with_everything_it_has_and_signed() {
    let (endpoint, url) = Endpoint::start(vec![ok(json!({ "MessageId": "m", "MD5OfMessageBody": "x" }))]).await;
    let binary = MessageAttribute { data_type: "Binary".to_owned(), value: AttributeValue::Binary(vec![1, 2].into()) };
    let message = OutgoingMessage {
        body: "hello".to_owned(),
        attributes: [("a".to_owned(), text("b")), ("c".to_owned(), binary)].into(),
        trace_header: Some("Root=1".to_owned()),
        group_id: Some("g".to_owned()),
        deduplication_id: Some("d".to_owned()),
    };
    assert_eq!(queues(&url, None).send(&ctx(), &queue(), message).await, Ok("m".to_owned()));
    let expected = json!({
        "QueueUrl": format!("{url}/{ACCOUNT}/away-orders"),
        "MessageBody": "hello",
        "MessageAttributes": {
            "a": { "DataType": "String", "StringValue": "b" }, "c": { "DataType": "Binary", "BinaryValue": "AQI=" },
        },
        "MessageSystemAttributes": { "AWSTraceHeader": { "DataType": "String", "StringValue": "Root=1" } },
        "MessageGroupId": "g",
        "MessageDeduplicationId": "d",
    });
    assert_eq!(endpoint.asked(), [("SendMessage".to_owned(), expected)]);
    let authorization = endpoint.asked.lock()[0].2.clone();
    let start = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/eu-west-1/sqs/aws4_request, \
                 SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=";
    assert!(authorization.starts_with(start) && !authorization.contains(SECRET), "{authorization}");
}

#[tokio::test]
async fn a_queue_that_nothing_names_is_here() {
    let queues = queues("http://127.0.0.1:1", None);
    let other = "arn:aws:sqs:eu-west-1:111122223333:orders".parse().expect("an ARN");
    assert_eq!(queues.send(&ctx(), &other, OutgoingMessage::default()).await, Ok("here".to_owned()));
}

#[tokio::test]
async fn messages_come_with_all_their_attributes() {
    let message = json!({
        "MessageId": "m", "ReceiptHandle": "h", "Body": "hello", "MD5OfBody": "0a",
        "Attributes": { "SenderId": "s", "MessageGroupId": "g" },
        "MessageAttributes": {
            "a": { "DataType": "String", "StringValue": "b" }, "c": { "DataType": "Binary", "BinaryValue": "AQI=" },
        },
        "MD5OfMessageAttributes": "0b",
    });
    let (endpoint, url) = Endpoint::start(vec![ok(json!({ "Messages": [message] })), ok(json!({}))]).await;
    let queues = queues(&url, None);
    let terms = ReceiveTerms { messages_max: 7, wait_s: 20 };
    let received = queues.receive(&ctx(), &queue(), terms).await.expect("received");
    let [message] = &received[..] else { panic!("{received:?}") };
    assert_eq!((message.message_id.as_str(), message.receipt_handle.as_str()), ("m", "h"));
    assert_eq!((message.body.as_str(), message.body_md5.as_str()), ("hello", "0a"));
    assert_eq!((message.group_id(), message.attributes_md5.as_deref()), (Some("g"), Some("0b")));
    assert_eq!(message.attributes["a"], text("b"));
    assert_eq!(message.attributes["c"].value, AttributeValue::Binary(vec![1, 2].into()));
    assert_eq!(queues.receive(&ctx(), &queue(), terms).await, Ok(Vec::new()));
    let asked = &endpoint.asked()[0].1;
    assert_eq!((&asked["MaxNumberOfMessages"], &asked["WaitTimeSeconds"]), (&json!(7), &json!(20)));
}

#[tokio::test]
async fn what_is_on_its_way_to_nobody_is_given_back() {
    let message = json!({ "MessageId": "m", "ReceiptHandle": "h", "Body": "hello", "MD5OfBody": "0a" });
    let (endpoint, url) = Endpoint::start(vec![ok(json!({ "Messages": [message] })), ok(json!({}))]).await;
    let queues = queues(&url, None);
    let (ctx, queue) = (ctx(), queue());
    let receive = queues.receive(&ctx, &queue, ReceiveTerms { messages_max: 10, wait_s: 20 });
    // The request is on its way when it is given up.
    let _ = futures_poll_once(receive).await;
    while endpoint.asked().len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (operation, input) = endpoint.asked().remove(1);
    assert_eq!(operation, "ChangeMessageVisibilityBatch");
    assert_eq!(input["Entries"], json!([{ "Id": "0", "ReceiptHandle": "h", "VisibilityTimeout": 0 }]));
}

/// Polls once and drops it.
async fn futures_poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = future => Some(done),
        () = std::future::ready(()) => None,
    }
}

#[tokio::test]
async fn many_messages_go_by_ten_and_void_handles_are_passed_over() {
    let void = json!({ "Failed": [{ "Id": "0", "SenderFault": true, "Code": "ReceiptHandleIsInvalid" }] });
    let failed = json!({ "Failed": [{ "Id": "1", "SenderFault": false, "Code": "InternalError", "Message": "x" }] });
    let answers = vec![ok(void.clone()), ok(json!({})), ok(failed), ok(json!({}))];
    let (endpoint, url) = Endpoint::start(answers).await;
    let queues = queues(&url, None);
    assert_eq!(queues.delete(&ctx(), &queue(), &handles(12)).await, Ok(()));
    let outcome = queues.change_visibility(&ctx(), &queue(), &handles(12), 30).await;
    assert!(matches!(outcome, Err(QueueError::Elsewhere { .. })), "{outcome:?}");
    let asked = endpoint.asked();
    let sizes: Vec<(&str, usize)> = asked
        .iter()
        .map(|(operation, input)| (operation.as_str(), input["Entries"].as_array().expect("entries").len()))
        .collect();
    let (delete, change) = ("DeleteMessageBatch", "ChangeMessageVisibilityBatch");
    // What failed keeps nothing else from being tried.
    assert_eq!(sizes, [(delete, 10), (delete, 2), (change, 10), (change, 2)]);
    assert_eq!(asked[2].1["Entries"][1]["VisibilityTimeout"], 30);
}

#[tokio::test]
async fn facts_are_those_of_the_endpoint() {
    let attributes = json!({ "Attributes": { "VisibilityTimeout": "45" } });
    let (_endpoint, url) = Endpoint::start(vec![ok(attributes), ok(json!({}))]).await;
    let queues = queues(&url, None);
    let facts = QueueFacts { visibility_timeout_s: 45, is_fifo: false };
    assert_eq!(queues.facts(&ctx(), &queue()).await, Ok(facts));
    assert!(queues.facts(&ctx(), &queue()).await.expect_err("nothing").to_string().contains("VisibilityTimeout"));
}

#[tokio::test]
async fn policies_here_are_asked_before_anything_is_sent() {
    let queues = queues("http://127.0.0.1:1", Some("sqs:ReceiveMessage"));
    let denied = Err(QueueError::AccessDenied { message: "no".to_owned() });
    assert_eq!(queues.allows(&ctx(), &queue(), "sqs:ReceiveMessage").await, denied);
    assert_eq!(queues.allows(&ctx(), &queue(), "sqs:DeleteMessage").await, Ok(()));
    let terms = ReceiveTerms { messages_max: 1, wait_s: 0 };
    assert!(matches!(queues.receive(&ctx(), &queue(), terms).await, Err(QueueError::AccessDenied { .. })));
}

/// What an answer becomes.
#[derive(Debug, PartialEq)]
enum Kind {
    NotFound,
    /// Worth trying again; the text has this in it.
    Elsewhere(&'static str),
    Invalid(&'static str),
}

// Codes, statuses and texts of SQS are recorded; those of signatures are IAM's and STS's, as SQS answers them.
#[tokio::test]
async fn what_is_refused_says_whether_waiting_may_mend_it() {
    let table = [
        (
            (400, "AWS.SimpleQueueService.NonExistentQueue;Sender", "com.amazonaws.sqs#QueueDoesNotExist"),
            "The specified queue does not exist.",
            Kind::NotFound,
        ),
        ((400, "AWS.SimpleQueueService.NonExistentQueue;Sender", ""), "", Kind::NotFound),
        (
            (403, "", "com.amazon.coral.service#InvalidClientTokenId"),
            "The security token included in the request is invalid.",
            Kind::Elsewhere("The credentials of [[remote_queues]] are refused"),
        ),
        (
            (400, "InvalidClientTokenId;Sender", "com.amazon.coral.service#UnrecognizedClientException"),
            "The security token included in the request is invalid.",
            Kind::Elsewhere("The security token included in the request is invalid."),
        ),
        (
            (403, "", "com.amazon.coral.service#AccessDeniedException"),
            "User: arn:aws:iam::111122223333:user/u is not authorized to perform: sqs:receivemessage",
            Kind::Elsewhere("is not authorized to perform"),
        ),
        ((403, "RequestThrottled;Sender", "com.amazonaws.sqs#RequestThrottled"), "slow", Kind::Elsewhere("slow")),
        ((400, "OverLimit;Sender", "com.amazonaws.sqs#OverLimit"), "Too many messages", Kind::Elsewhere("Too many")),
        ((500, "", "com.amazonaws.sqs#InternalFailure"), "", Kind::Elsewhere("500")),
        ((503, "", ""), "", Kind::Elsewhere("503")),
        ((302, "", ""), "", Kind::Elsewhere("no answer of SQS")),
        (
            (400, "InvalidParameterValue;Sender", "com.amazonaws.sqs#InvalidParameterValueException"),
            "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.",
            Kind::Invalid("Message must be shorter than 1048576 bytes."),
        ),
        (
            (400, "MissingParameter;Sender", "com.amazonaws.sqs#MissingRequiredParameterException"),
            "The request must contain the parameter MessageGroupId.",
            Kind::Invalid("The request must contain the parameter MessageGroupId."),
        ),
    ];
    for ((status, older, kind), message, expected) in table {
        let answer = Some((status, older, json!({ "__type": kind, "message": message })));
        let (_endpoint, url) = Endpoint::start(vec![answer]).await;
        let queues = queues(&url, None);
        let error = queues.send(&ctx(), &queue(), OutgoingMessage::default()).await.expect_err(kind);
        let shown = error.to_string();
        match (&error, &expected) {
            (QueueError::NotFound, Kind::NotFound) => {}
            (QueueError::Elsewhere { .. }, Kind::Elsewhere(text)) => assert!(shown.contains(text), "{shown}"),
            (QueueError::Invalid { .. }, Kind::Invalid(text)) => assert!(shown.contains(text), "{shown}"),
            _ => panic!("{status} {kind}: {error:?} is not {expected:?}"),
        }
        assert!(!shown.contains(SECRET), "{shown}");
        assert_eq!(error.is_transient(), matches!(expected, Kind::Elsewhere(_)), "{shown}");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_told_of_and_worth_another_try() {
    let error = queues("http://127.0.0.1:1", None).facts(&ctx(), &queue()).await.expect_err("nobody");
    assert!(error.is_transient() && error.to_string().contains("http://127.0.0.1:1 does not answer"), "{error}");
}

#[tokio::test]
async fn an_endpoint_that_speaks_otherwise_is_told_of() {
    let (_endpoint, url) = Endpoint::start(vec![ok(json!([1]))]).await;
    let error = queues(&url, None).facts(&ctx(), &queue()).await.expect_err("nothing");
    assert!(matches!(error, QueueError::Elsewhere { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_not_waited_for_without_end() {
    let (_endpoint, url) = Endpoint::start(vec![None]).await;
    let error = queues(&url, None).facts(&ctx(), &queue()).await.expect_err("nothing");
    assert!(error.is_transient(), "{error}");
}
