//! FIFO topics: numbers, deduplication, and the order of each group to each subscription.

use std::collections::BTreeMap;

use hearth_ports::QueueError;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Answer, FUNCTION, QUEUE, Server};

const FIFO: &str = "arn:aws:sns:us-east-1:000000000000:t.fifo";
const FIFO_QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q.fifo";
const FIFO_DEAD: &str = "arn:aws:sqs:us-east-1:000000000000:dead.fifo";

impl Server {
    /// With a topic `t.fifo`.
    async fn fifo_topic(attributes: &[(&str, &str)]) -> Self {
        let server = Self::start().await;
        server.create_fifo("t.fifo", attributes).await.ok();
        server
    }

    async fn create_fifo(&self, name: &str, attributes: &[(&str, &str)]) -> Answer {
        let mut members = vec![("Name".to_owned(), name)];
        for (number, (name, value)) in (1..).zip([&[("FifoTopic", "true")], attributes].concat()) {
            members.push((format!("Attributes.entry.{number}.key"), name));
            members.push((format!("Attributes.entry.{number}.value"), value));
        }
        let members: Vec<(&str, &str)> = members.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        self.call("CreateTopic", &members).await
    }

    async fn fifo_subscribe(&self, endpoint: &str, attributes: &[(&str, &str)]) -> Answer {
        self.subscribe_to(FIFO, "sqs", endpoint, attributes).await
    }

    async fn fifo_publish(&self, message: &str, group: &str, id: Option<&str>) -> Answer {
        let members = [("TopicArn", FIFO), ("Message", message), ("MessageGroupId", group)];
        let id = id.map(|id| ("MessageDeduplicationId", id));
        self.call("Publish", &members.into_iter().chain(id).collect::<Vec<_>>()).await
    }

    /// What a queue got: group, deduplication id and body.
    fn got(&self, queue: &str) -> Vec<(String, Option<String>, String)> {
        let sent = self.receivers.sent.lock();
        let got = sent.iter().filter(|(to, _)| to == queue).map(|(_, message)| message.clone());
        got.map(|message| (message.group_id.unwrap_or_default(), message.deduplication_id, message.body)).collect()
    }
}

fn is_down() -> QueueError {
    QueueError::Unavailable { detail: "down".to_owned() }
}

#[tokio::test(start_paused = true)]
async fn a_fifo_topic_is_named_so_and_says_so() {
    let server = Server::fifo_topic(&[]).await;
    let attributes = server.call("GetTopicAttributes", &[("TopicArn", FIFO)]).await.ok().map();
    assert_eq!((&*attributes["FifoTopic"], &*attributes["ContentBasedDeduplication"]), ("true", "false"));
    server.create_fifo("t.fifo", &[]).await.ok();
    let other = server.create_fifo("t.fifo", &[("ContentBasedDeduplication", "true")]).await;
    other.invalid("Attributes Reason: Topic already exists with different attributes");
    server.create_fifo("t", &[]).await.invalid("Topic Name");
    server.create_fifo(".fifo", &[]).await.invalid("Topic Name");
    server.call("CreateTopic", &[("Name", "u.fifo")]).await.invalid("Topic Name");
    let archive = server.create_fifo("u.fifo", &[("ArchivePolicy", r#"{"MessageRetentionPeriod":"30"}"#)]).await;
    archive.invalid("Attributes Reason: ArchivePolicy is not supported by Hearth");
    let set = [("TopicArn", FIFO), ("AttributeName", "FifoTopic"), ("AttributeValue", "true")];
    server.call("SetTopicAttributes", &set).await.invalid("AttributeName");
}

#[tokio::test(start_paused = true)]
async fn only_queues_subscribe_and_dead_letters_keep_the_order() {
    let server = Server::fifo_topic(&[]).await;
    let reason = "Invalid parameter: Endpoint Reason: Please use FIFO SQS queue";
    server.subscribe_to(FIFO, "lambda", FUNCTION, &[]).await.invalid(reason);
    server.subscribe_to(FIFO, "https", "https://example.com/", &[]).await.invalid(reason);
    let to = |queue: &str| json!({ "deadLetterTargetArn": queue }).to_string();
    let refused = server.fifo_subscribe(FIFO_QUEUE, &[("RedrivePolicy", &to(super::DEAD))]).await;
    refused.invalid(
        "Attributes Reason: RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic.",
    );
    server.fifo_subscribe(FIFO_QUEUE, &[("RedrivePolicy", &to(FIFO_DEAD))]).await.ok();
    server.fifo_subscribe(QUEUE, &[("RedrivePolicy", &to(super::DEAD))]).await.ok();
    server.call("CreateTopic", &[("Name", "t")]).await.ok();
    let standard = server.try_subscribe("sqs", FIFO_QUEUE, &[]).await;
    standard
        .invalid("Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics");
}

#[tokio::test(start_paused = true)]
async fn a_message_says_its_group_and_what_it_must_not_repeat() {
    let server = Server::fifo_topic(&[]).await;
    let without = server.call("Publish", &[("TopicArn", FIFO), ("Message", "m")]).await;
    without.invalid("The MessageGroupId parameter is required for FIFO topics");
    let ambiguous = "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided \
                     explicitly";
    server.fifo_publish("m", "g", None).await.invalid(ambiguous);
    let batch = [
        ("TopicArn", FIFO),
        ("PublishBatchRequestEntries.member.1.Id", "1"),
        ("PublishBatchRequestEntries.member.1.Message", "m"),
        ("PublishBatchRequestEntries.member.1.MessageGroupId", "g"),
    ];
    server.call("PublishBatch", &batch).await.invalid(ambiguous);
    server.fifo_publish("m", "g", Some(&"x".repeat(129))).await.invalid("MessageDeduplicationId");
}

#[tokio::test(start_paused = true)]
async fn queues_get_group_number_and_deduplication_id() {
    let server = Server::fifo_topic(&[]).await;
    server.fifo_subscribe(FIFO_QUEUE, &[]).await.ok();
    server.fifo_subscribe(QUEUE, &[("RawMessageDelivery", "true")]).await.ok();
    let published = server.fifo_publish("hello", "g", Some("d")).await.ok();
    server.pass(0).await;
    let [(group, id, body)] = &server.got(FIFO_QUEUE)[..] else { panic!("one message") };
    assert_eq!((group.as_str(), id.as_deref()), ("g", Some("d")));
    let body: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(body["SequenceNumber"], published.one("SequenceNumber"));
    assert_eq!(published.one("SequenceNumber").len(), 20);
    // A standard queue knows no deduplication.
    assert_eq!(server.got(QUEUE), [("g".to_owned(), None, "hello".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn what_was_published_is_not_published_again_for_five_minutes() {
    let server = Server::fifo_topic(&[("ContentBasedDeduplication", "true")]).await;
    server.fifo_subscribe(FIFO_QUEUE, &[("RawMessageDelivery", "true")]).await.ok();
    let first = server.fifo_publish("same", "a", None).await.ok();
    let again = server.fifo_publish("same", "b", None).await.ok();
    let known = |answer: &Answer| (answer.one("MessageId"), answer.one("SequenceNumber"));
    assert_eq!(known(&first), known(&again), "an id is the topic's");
    server.fifo_publish("same", "a", Some("other")).await.ok();
    server.pass(299).await;
    // A restart forgets nothing of it.
    let server = server.crash().await;
    assert_eq!(known(&server.fifo_publish("same", "a", None).await.ok()), known(&first));
    server.pass(1).await;
    let later = server.fifo_publish("same", "a", None).await.ok();
    assert!(later.one("SequenceNumber") > first.one("SequenceNumber"));
    server.pass(0).await;
    // The id that a message has by its content. Source: SNS API reference, SetTopicAttributes: SHA-256 of the body.
    let id = "0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5";
    assert_eq!(server.got(FIFO_QUEUE), [("a".to_owned(), Some(id.to_owned()), "same".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn an_id_may_be_its_groups() {
    let server = Server::fifo_topic(&[("FifoThroughputScope", "MessageGroup")]).await;
    server.fifo_subscribe(FIFO_QUEUE, &[("RawMessageDelivery", "true")]).await.ok();
    for (message, group) in [("1", "a"), ("2", "a"), ("3", "b")] {
        server.fifo_publish(message, group, Some("id")).await.ok();
    }
    server.pass(0).await;
    let bodies: Vec<String> = server.got(FIFO_QUEUE).into_iter().map(|(_, _, body)| body).collect();
    assert_eq!(bodies, ["1", "3"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_waits_holds_up_its_group_also_over_a_restart() {
    let server = Server::fifo_topic(&[("ContentBasedDeduplication", "true")]).await;
    server.fifo_subscribe(FIFO_QUEUE, &[("RawMessageDelivery", "true")]).await.ok();
    *server.receivers.fifo_error.lock() = Some(("a1".to_owned(), is_down()));
    for message in ["a1", "b1", "a2", "b2"] {
        server.fifo_publish(message, &message[..1], None).await.ok();
    }
    let bodies = |server: &Server| server.got(FIFO_QUEUE).into_iter().map(|(_, _, body)| body).collect::<Vec<_>>();
    server.pass(60).await;
    assert_eq!(bodies(&server), ["b1", "b2"], "the other group goes on");
    let server = server.crash().await;
    *server.receivers.fifo_error.lock() = Some(("a1".to_owned(), is_down()));
    server.pass(60).await;
    assert_eq!(bodies(&server), [""; 0]);
    server.fifo_publish("a3", "a", None).await.ok();
    *server.receivers.fifo_error.lock() = None;
    server.pass(20).await;
    assert_eq!(bodies(&server), ["a1", "a2", "a3"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_fifo_queue_refuses_goes_to_its_dead_letter_queue_in_order() {
    let server = Server::fifo_topic(&[("ContentBasedDeduplication", "true")]).await;
    let redrive = json!({ "deadLetterTargetArn": FIFO_DEAD }).to_string();
    server.fifo_subscribe(FIFO_QUEUE, &[("RawMessageDelivery", "true"), ("RedrivePolicy", &redrive)]).await.ok();
    *server.receivers.fifo_error.lock() = Some((String::new(), QueueError::NotFound));
    for message in ["1", "2", "3"] {
        server.fifo_publish(message, "g", None).await.ok();
    }
    server.pass(0).await;
    server.pass(0).await;
    let dead = server.got(FIFO_DEAD);
    assert!(dead.iter().all(|(group, id, _)| group == "g" && id.as_ref().is_some_and(|id| id.len() == 64)), "{dead:?}");
    assert_eq!(dead.into_iter().map(|(_, _, body)| body).collect::<Vec<_>>(), ["1", "2", "3"]);
    assert_eq!(server.world.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_of_a_topic_that_is_gone_nor_of_what_is_long_ago() {
    let server = Server::fifo_topic(&[]).await;
    let kept = |server: &Server| server.world.store.count(&super::scope(), "sns.published");
    for number in 0..10 {
        server.fifo_publish("m", "g", Some(&number.to_string())).await.ok();
    }
    assert_eq!(kept(&server), 10);
    server.pass(300).await;
    server.fifo_publish("m", "g", Some("more")).await.ok();
    // The last of before stays: its number is not given again.
    assert_eq!(kept(&server), 2);
    server.call("DeleteTopic", &[("TopicArn", FIFO)]).await.ok();
    assert_eq!(kept(&server), 0);
}

#[derive(Clone, Debug)]
enum Step {
    Publish {
        group: u8,
        id: u8,
    },
    /// The queue cannot be reached for messages of this group, or for none.
    Fail(Option<u8>),
    Pass(u64),
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..3_u8, 0..6_u8).prop_map(|(group, id)| Step::Publish { group, id }),
        2 => proptest::option::of(0..3_u8).prop_map(Step::Fail),
        3 => prop_oneof![Just(0), Just(1), Just(30), Just(301)].prop_map(Step::Pass),
        1 => Just(Step::Crash),
    ];
    proptest::collection::vec(step, 1..40)
}

/// Each group's messages that are to be delivered, by a list searched from the front.
#[derive(Default)]
struct Model {
    now_s: u64,
    known: Vec<(u8, u64)>,
    expected: BTreeMap<u8, Vec<String>>,
}

impl Model {
    fn publish(&mut self, group: u8, id: u8, message: &str) {
        if !self.known.iter().any(|(known, at_s)| *known == id && self.now_s - at_s < 300) {
            self.known.push((id, self.now_s));
            self.expected.entry(group).or_default().push(message.to_owned());
        }
    }
}

/// Repeated deliveries, as a crash makes them, taken out: a FIFO queue does so by the deduplication id.
fn once(bodies: impl Iterator<Item = String>) -> Vec<String> {
    let mut once: Vec<String> = Vec::new();
    bodies.for_each(|body| {
        if !once.contains(&body) {
            once.push(body);
        }
    });
    once
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_group_comes_in_its_order_and_nothing_comes_twice_or_not(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let got = runtime.expect("a runtime").block_on(follow(steps));
        for (group, (expected, got)) in got {
            prop_assert_eq!(expected, got, "group {}", group);
        }
    }
}

async fn follow(steps: Vec<Step>) -> BTreeMap<u8, (Vec<String>, Vec<String>)> {
    let mut server = Server::fifo_topic(&[]).await;
    server.fifo_subscribe(FIFO_QUEUE, &[("RawMessageDelivery", "true")]).await.ok();
    let (mut model, mut got) = (Model::default(), Vec::new());
    for (number, step) in (0..).zip(steps.into_iter().chain([Step::Fail(None), Step::Pass(30), Step::Pass(30)])) {
        match step {
            Step::Publish { group, id } => {
                let message = format!("{group} {number}");
                server.fifo_publish(&message, &group.to_string(), Some(&id.to_string())).await.ok();
                model.publish(group, id, &message);
            }
            Step::Fail(group) => {
                *server.receivers.fifo_error.lock() = group.map(|group| (format!("{group} "), is_down()));
            }
            Step::Pass(seconds) => {
                server.pass(seconds).await;
                model.now_s += seconds;
            }
            Step::Crash => {
                let fails = server.receivers.fifo_error.lock().clone();
                got.extend(server.got(FIFO_QUEUE));
                server = server.crash().await;
                *server.receivers.fifo_error.lock() = fails;
            }
        }
    }
    got.extend(server.got(FIFO_QUEUE));
    let of = |group: u8| got.iter().filter(move |(of, _, _)| *of == group.to_string()).map(|(_, _, body)| body.clone());
    model.expected.into_iter().map(|(group, expected)| (group, (expected, once(of(group))))).collect()
}
