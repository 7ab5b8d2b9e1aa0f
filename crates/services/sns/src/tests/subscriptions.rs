//! Subscriptions: made, shown, set, ended.

use super::{FUNCTION, QUEUE, Server, TOPIC};

#[tokio::test(start_paused = true)]
async fn a_subscription_is_made_once_and_shown_with_what_it_is_set_to() {
    let server = Server::topic().await;
    let attributes = [
        ("FilterPolicy", r#"{"a":["b"]}"#),
        ("RawMessageDelivery", "true"),
        ("RedrivePolicy", r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead"}"#),
    ];
    let arn = server.subscribe("sqs", QUEUE, &attributes).await;
    assert!(arn.starts_with(&format!("{TOPIC}:")) && arn.len() == TOPIC.len() + 37, "{arn}");
    assert_eq!(server.subscribe("sqs", QUEUE, &attributes).await, arn);
    assert_eq!(server.subscribe("sqs", QUEUE, &[]).await, arn);
    let other = server.try_subscribe("sqs", QUEUE, &[("RawMessageDelivery", "false")]).await;
    other.invalid("Attributes Reason: Subscription already exists with different attributes");
    let server = server.crash().await;
    let shown = server.call("GetSubscriptionAttributes", &[("SubscriptionArn", &arn)]).await.ok().map();
    let expected = [
        ("ConfirmationWasAuthenticated", "true"),
        ("Endpoint", QUEUE),
        ("FilterPolicy", attributes[0].1),
        ("FilterPolicyScope", "MessageAttributes"),
        ("Owner", "000000000000"),
        ("PendingConfirmation", "false"),
        ("Protocol", "sqs"),
        ("RawMessageDelivery", "true"),
        ("RedrivePolicy", attributes[2].1),
        ("SubscriptionArn", arn.as_str()),
        ("SubscriptionPrincipal", "arn:aws:iam::000000000000:root"),
        ("TopicArn", TOPIC),
    ];
    assert_eq!(shown.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>(), expected);
    let listed = server.call("ListSubscriptionsByTopic", &[("TopicArn", TOPIC)]).await.ok();
    let found = ["SubscriptionArn", "Protocol", "Endpoint", "TopicArn", "Owner"].map(|name| listed.one(name));
    assert_eq!(found, [arn.as_str(), "sqs", QUEUE, TOPIC, "000000000000"]);
}

#[tokio::test(start_paused = true)]
async fn attributes_are_set_and_taken_away() {
    let server = Server::topic().await;
    let arn = server.subscribe("sqs", QUEUE, &[]).await;
    let set = async |name: &str, value: &str| {
        let members = [("SubscriptionArn", arn.as_str()), ("AttributeName", name), ("AttributeValue", value)];
        server.call("SetSubscriptionAttributes", &members).await
    };
    set("FilterPolicyScope", "MessageBody").await.ok();
    set("FilterPolicy", r#"{"a":{"b":["c"]}}"#).await.ok();
    set("FilterPolicyScope", "MessageAttributes")
        .await
        .invalid("Filter policy scope MessageAttributes does not support nested filter policy");
    server.publish(r#"{"a":{"b":"c"}}"#).await;
    server.publish("no").await;
    server.pass(0).await;
    assert_eq!(server.receivers.sent_to(QUEUE).len(), 1);
    set("FilterPolicy", "{}").await.ok();
    set("RawMessageDelivery", "true").await.ok();
    server.publish("all").await;
    server.pass(0).await;
    assert_eq!(server.receivers.sent_to(QUEUE)[1..], ["all"]);
    set("RedrivePolicy", r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead"}"#).await.ok();
    set("RedrivePolicy", "").await.ok();
    let shown = server.call("GetSubscriptionAttributes", &[("SubscriptionArn", &arn)]).await.ok().map();
    assert!(!shown.contains_key("RedrivePolicy"), "{shown:?}");
}

#[tokio::test(start_paused = true)]
async fn what_ended_is_told_nothing_and_may_end_again() {
    let server = Server::topic().await;
    let arn = server.subscribe("lambda", FUNCTION, &[]).await;
    for _ in 0..2 {
        server.call("Unsubscribe", &[("SubscriptionArn", &arn)]).await.ok();
    }
    server.publish("hello").await;
    server.pass(0).await;
    assert_eq!((server.events().len(), server.world.waiting()), (0, 0));
    let gone = server.call("GetSubscriptionAttributes", &[("SubscriptionArn", &arn)]).await;
    gone.refused(404, "NotFound", "Subscription does not exist");
}
