//! Dead-letter queues, and destinations that are queues or topics.

use hearth_ports::FunctionCatalog;
use hearth_types::{RequestContext, RequestId};
use serde_json::{Value, json};

use crate::world::{ACCOUNT, World, function, refused, with};

const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:dead";
const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:dead";
const OTHER: &str = "arn:aws:sqs:us-east-1:000000000000:other";
const INVALID: &str = "InvalidParameterValueException";
const NO_SQS: &str = "The provided execution role does not have permissions to call SendMessage on SQS";

fn dead_letters(target: &str) -> Value {
    json!({"DeadLetterConfig": {"TargetArn": target}})
}

/// Where the data plane sends what fails.
fn goes_to(world: &World) -> Option<String> {
    let scope = hearth_types::Scope {
        partition: hearth_types::Partition::Aws,
        account: ACCOUNT.parse().expect("digits"),
        region: Some("us-east-1".into()),
    };
    let ctx = RequestContext::service(&scope, "test", RequestId::from("r"));
    let resolved = world.catalog.resolve(&ctx, "f", None).expect("there");
    resolved.version.dead_letters.as_ref().map(ToString::to_string)
}

#[tokio::test]
async fn failed_events_go_to_the_queue_or_topic_that_was_set() {
    let world = World::new().await;
    let created = world.create(with(function("f"), dead_letters(QUEUE))).await.ok(201);
    assert_eq!(created["DeadLetterConfig"], json!({"TargetArn": QUEUE}));
    world.settled("f").await;
    assert_eq!(goes_to(&world).as_deref(), Some(QUEUE));
    let update = async |body: Value| {
        let shown = world.call("PUT", "/2015-03-31/functions/f/configuration", body).await.ok(200);
        world.settled("f").await;
        shown["DeadLetterConfig"].clone()
    };
    assert_eq!(update(dead_letters(OTHER)).await, json!({"TargetArn": OTHER}));
    assert_eq!(goes_to(&world).as_deref(), Some(OTHER));
    assert_eq!(update(json!({"Timeout": 9})).await, json!({"TargetArn": OTHER}), "what is not named stays");
    assert_eq!(update(dead_letters("")).await, Value::Null);
    assert_eq!(goes_to(&world), None);
    assert_eq!(update(dead_letters(TOPIC)).await, json!({"TargetArn": TOPIC}));
    assert_eq!(goes_to(&world).as_deref(), Some(TOPIC));
}

#[tokio::test]
async fn a_role_that_may_not_send_is_told_so_at_once() {
    let world = World::new().await;
    world.created("f").await;
    world.permissions.denied.lock().extend(["sqs:SendMessage".to_owned(), "sns:Publish".to_owned()]);
    refused(&world.create(with(function("g"), dead_letters(QUEUE))).await, 400, INVALID, NO_SQS);
    let configuration = "/2015-03-31/functions/f/configuration";
    refused(&world.call("PUT", configuration, dead_letters(OTHER)).await, 400, INVALID, NO_SQS);
    let to = json!({"DestinationConfig": {"OnFailure": {"Destination": QUEUE}}});
    let destinations = "/2019-09-25/functions/f/event-invoke-config";
    refused(&world.call("PUT", destinations, to.clone()).await, 400, INVALID, NO_SQS);
    world.permissions.denied.lock().clear();
    let shown = world.call("PUT", destinations, to).await.ok(200);
    assert_eq!(shown["DestinationConfig"]["OnFailure"], json!({"Destination": QUEUE}));
}

#[tokio::test]
async fn what_is_no_standard_queue_or_topic_is_refused() {
    let world = World::new().await;
    for target in [
        "arn:aws:sqs:us-east-1:000000000000:q.fifo",
        "arn:aws:sns:us-east-1:000000000000:t.fifo",
        "arn:aws:s3:us-east-1:000000000000:bucket",
    ] {
        let (status, code, _, text) = world.create(with(function("f"), dead_letters(target))).await.refusal();
        assert_eq!((status, code.as_str()), (400, INVALID));
        assert!(text.contains(target), "{text}");
    }
}
