//! HTTP endpoints: confirmation, what they get, and how often they are tried.

use hearth_types::AuthMode;
use http::StatusCode;
use serde_json::{Value, json};

use super::{DEAD, QUEUE, Server, TOPIC};
use crate::{Post, WebError};

const URL: &str = "http://example.com/told?by=sns";

impl Server {
    /// With an endpoint that has confirmed; answers the subscription's ARN.
    async fn endpoint(&self, attributes: &[(&str, &str)]) -> String {
        self.try_subscribe("http", URL, attributes).await.ok();
        self.pass(0).await;
        let asked = self.documents().pop().expect("a confirmation");
        let arn = self.follow(asked["SubscribeURL"].as_str().expect("a link")).await.ok().one("SubscriptionArn");
        self.endpoints.posted.lock().clear();
        arn
    }

    fn posted(&self) -> Vec<Post> {
        self.endpoints.posted.lock().clone()
    }

    fn documents(&self) -> Vec<Value> {
        self.posted().iter().map(|post| serde_json::from_str(&post.body).expect("JSON")).collect()
    }

    fn answers(&self, answers: impl IntoIterator<Item = u16>) {
        let answers = answers.into_iter().map(|status| Ok(StatusCode::from_u16(status).expect("a status")));
        self.endpoints.answers.lock().extend(answers);
    }

    async fn attribute(&self, arn: &str, name: &str) -> String {
        let answer = self.call("GetSubscriptionAttributes", &[("SubscriptionArn", arn)]).await.ok();
        answer.map().remove(name).unwrap_or_default()
    }

    async fn counts(&self) -> [String; 3] {
        let mut map = self.call("GetTopicAttributes", &[("TopicArn", TOPIC)]).await.ok().map();
        ["SubscriptionsConfirmed", "SubscriptionsPending", "SubscriptionsDeleted"]
            .map(|name| map.remove(name).expect("a count"))
    }
}

fn header<'p>(post: &'p Post, name: &str) -> Option<&'p str> {
    post.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_told_nothing_before_it_has_confirmed() {
    let server = Server::topic().await;
    let answer = server.try_subscribe("http", URL, &[]).await.ok();
    assert_eq!(answer.one("SubscriptionArn"), "pending confirmation");
    assert_eq!(server.counts().await, ["0", "1", "0"]);
    let listed = server.call("ListSubscriptionsByTopic", &[("TopicArn", TOPIC)]).await.ok();
    assert_eq!(listed.one("SubscriptionArn"), "PendingConfirmation");
    server.publish("too early").await;
    server.pass(0).await;
    let [post] = &server.posted()[..] else { panic!("only the confirmation") };
    assert_eq!(header(post, "x-amz-sns-message-type"), Some("SubscriptionConfirmation"));
    assert_eq!(header(post, "content-type"), Some("text/plain; charset=UTF-8"));
    assert_eq!(header(post, "user-agent"), Some("Amazon Simple Notification Service Agent"));
    let asked: Value = serde_json::from_str(&post.body).expect("JSON");
    let token = asked["Token"].as_str().expect("a token");
    let link = format!("http://localhost:4566/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token={token}");
    assert_eq!((&asked["Type"], &asked["SubscribeURL"]), (&json!("SubscriptionConfirmation"), &json!(link)));
    let arn = server.follow(&link).await.ok().one("SubscriptionArn");
    assert_eq!(server.follow(&link).await.ok().one("SubscriptionArn"), arn, "a link may be followed twice");
    assert_eq!(server.counts().await, ["1", "0", "0"]);
    assert_eq!(server.attribute(&arn, "PendingConfirmation").await, "false");
    assert_eq!(server.attribute(&arn, "ConfirmationWasAuthenticated").await, "false");
    server.publish("hello").await;
    server.pass(0).await;
    let post = server.posted().pop().expect("a notification");
    assert_eq!(post.url, URL);
    assert_eq!(header(&post, "x-amz-sns-message-type"), Some("Notification"));
    assert_eq!(header(&post, "x-amz-sns-topic-arn"), Some(TOPIC));
    assert_eq!(header(&post, "x-amz-sns-subscription-arn"), Some(&*arn));
    let body: Value = serde_json::from_str(&post.body).expect("JSON");
    assert_eq!(
        (&body["Message"], body["MessageId"].as_str()),
        (&json!("hello"), header(&post, "x-amz-sns-message-id"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_is_the_endpoints_and_ends_after_two_days() {
    let server = Server::topic().await;
    let members = [("TopicArn", TOPIC), ("Protocol", "http"), ("Endpoint", URL), ("ReturnSubscriptionArn", "true")];
    let arn = server.call("Subscribe", &members).await.ok().one("SubscriptionArn");
    assert_eq!(server.attribute(&arn, "PendingConfirmation").await, "true");
    server.pass(0).await;
    let token = server.documents()[0]["Token"].as_str().expect("a token").to_owned();
    let confirm = |token: &str| {
        let token = token.to_owned();
        let server = &server;
        async move { server.call("ConfirmSubscription", &[("TopicArn", TOPIC), ("Token", &token)]).await }
    };
    confirm("guessed").await.invalid("Token");
    // Who subscribes again is asked again, and the old token is void.
    server.call("Subscribe", &members).await.ok();
    server.pass(0).await;
    let second = server.documents()[1]["Token"].as_str().expect("a token").to_owned();
    confirm(&token).await.invalid("Token");
    server.pass(2 * 24 * 60 * 60).await;
    confirm(&second).await.invalid("Token");
    server.pass(60).await;
    assert_eq!(server.counts().await, ["0", "0", "0"]);
    assert_eq!(server.world.store.count(&super::scope(), "sns.subscription"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_link_ends_a_subscription_and_another_takes_that_back() {
    let server = Server::topic().await;
    let arn = server.endpoint(&[]).await;
    server.publish("hello").await;
    server.pass(0).await;
    let link = server.documents()[0]["UnsubscribeURL"].as_str().expect("a link").to_owned();
    server.follow(&link).await.ok();
    assert_eq!(server.counts().await, ["0", "0", "1"]);
    server.publish("not told").await;
    server.pass(0).await;
    let post = server.posted().pop().expect("a confirmation");
    assert_eq!(header(&post, "x-amz-sns-message-type"), Some("UnsubscribeConfirmation"));
    assert_eq!(server.posted().len(), 2);
    let body: Value = serde_json::from_str(&post.body).expect("JSON");
    let server = server.crash().await;
    server.follow(body["SubscribeURL"].as_str().expect("a link")).await.ok();
    assert_eq!(server.counts().await, ["1", "0", "0"]);
    assert_eq!(server.attribute(&arn, "Endpoint").await, URL);
}

#[tokio::test(start_paused = true)]
async fn who_confirms_with_a_signature_may_keep_others_from_ending_it() {
    let server = Server::topic().await;
    server.try_subscribe("http", URL, &[]).await.ok();
    server.pass(0).await;
    let asked = server.documents().remove(0);
    let (token, link) = (asked["Token"].as_str().expect("a token"), asked["SubscribeURL"].as_str().expect("a link"));
    server.follow(&format!("{link}&AuthenticateOnUnsubscribe=true")).await.invalid("AuthenticateOnUnsubscribe");
    let members = [("TopicArn", TOPIC), ("Token", token), ("AuthenticateOnUnsubscribe", "true")];
    let arn = server.call("ConfirmSubscription", &members).await.ok().one("SubscriptionArn");
    assert_eq!(server.attribute(&arn, "ConfirmationWasAuthenticated").await, "true");
    let unsubscribe = format!("http://localhost:4566/?Action=Unsubscribe&SubscriptionArn={arn}");
    assert_eq!(server.follow(&unsubscribe).await.status, 403);
    server.call("Unsubscribe", &[("SubscriptionArn", &arn)]).await.ok();
    assert_eq!(server.counts().await, ["0", "0", "1"]);
}

#[tokio::test(start_paused = true)]
async fn links_work_where_everybody_has_to_sign_and_nothing_else_does() {
    let server = Server::topic().await;
    server.try_subscribe("http", URL, &[]).await.ok();
    server.pass(0).await;
    let link = server.documents()[0]["SubscribeURL"].as_str().expect("a link").to_owned();
    server.stop.cancel();
    let server = Server::over(server.world.next_life(), AuthMode::Enforce).await;
    let arn = server.follow(&link).await.ok().one("SubscriptionArn");
    let other = link.replace(":t&", ":there-is-none&");
    server.follow(&other).await.invalid("Token");
    let attributes = format!("http://localhost:4566/?Action=GetTopicAttributes&TopicArn={TOPIC}&Version=2010-03-31");
    assert_eq!(server.follow(&attributes).await.status, 403);
    let unsubscribe = format!("http://localhost:4566/?Action=Unsubscribe&SubscriptionArn={arn}&Version=2010-03-31");
    server.follow(&unsubscribe).await.ok();
    assert_eq!(
        server.sns.find(&super::scope(), "t").expect("a topic").subscription(&arn[arn.len() - 36..]).map(|_| ()),
        None
    );
}

#[tokio::test(start_paused = true)]
async fn raw_delivery_posts_the_message_itself() {
    let server = Server::topic().await;
    let policy = r#"{"requestPolicy":{"headerContentType":"application/xml"}}"#;
    server.endpoint(&[("RawMessageDelivery", "true"), ("DeliveryPolicy", policy)]).await;
    server.publish("<hello/>").await;
    server.pass(0).await;
    let post = server.posted().pop().expect("a notification");
    assert_eq!((&*post.body, header(&post, "x-amz-sns-rawdelivery")), ("<hello/>", Some("true")));
    assert_eq!(header(&post, "content-type"), Some("application/xml"));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_is_tried_again_as_the_policy_says_and_then_the_message_is_a_dead_letter() {
    let server = Server::topic().await;
    let redrive = json!({ "deadLetterTargetArn": DEAD }).to_string();
    server.endpoint(&[("RedrivePolicy", &redrive)]).await;
    server.answers([503, 500, 429]);
    server.endpoints.answers.lock().push_back(Err(WebError::Unreachable("no answer".to_owned())));
    server.publish("hello").await;
    for (seconds, tried) in [(0, 1), (19, 1), (1, 2), (20, 3), (20, 4)] {
        server.pass(seconds).await;
        assert_eq!(server.posted().len(), tried);
    }
    let ids: Vec<_> =
        server.posted().iter().map(|post| header(post, "x-amz-sns-message-id").map(str::to_owned)).collect();
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "a retry has the id of the message");
    server.pass(0).await;
    assert_eq!(server.receivers.sent_to(DEAD).len(), 1);
    assert_eq!(server.world.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_the_client_did_wrong_is_not_tried_again() {
    for answer in [Ok(StatusCode::NOT_FOUND), Ok(StatusCode::FOUND), Err(WebError::Closed("no".to_owned()))] {
        let server = Server::topic().await;
        let redrive = json!({ "deadLetterTargetArn": DEAD }).to_string();
        server.endpoint(&[("RedrivePolicy", &redrive)]).await;
        server.endpoints.answers.lock().push_back(answer.clone());
        server.publish("hello").await;
        server.pass(100).await;
        server.pass(0).await;
        assert_eq!((server.posted().len(), server.receivers.sent_to(DEAD).len()), (1, 1), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_told_no_faster_than_it_says() {
    let server = Server::topic().await;
    server.endpoint(&[("DeliveryPolicy", r#"{"throttlePolicy":{"maxReceivesPerSecond":1}}"#)]).await;
    for number in 0..4 {
        server.publish(&number.to_string()).await;
    }
    for told in 1..=4 {
        server.pass(u64::from(told > 1)).await;
        assert_eq!(server.posted().len(), told);
    }
}

/// The members are the real service's.
#[tokio::test(start_paused = true)]
async fn policies_are_shown_as_they_hold() {
    let server = Server::topic().await;
    let set = |policy: &'static str| {
        let server = &server;
        async move {
            let members = [("TopicArn", TOPIC), ("AttributeName", "DeliveryPolicy"), ("AttributeValue", policy)];
            server.call("SetTopicAttributes", &members).await
        }
    };
    let effective = || async {
        let attributes = server.call("GetTopicAttributes", &[("TopicArn", TOPIC)]).await.ok().map();
        serde_json::from_str::<Value>(&attributes["EffectiveDeliveryPolicy"]).expect("JSON")
    };
    let retries = |number: u32| {
        json!({
            "minDelayTarget": 20, "maxDelayTarget": 20, "numRetries": number, "numMaxDelayRetries": 0,
            "numNoDelayRetries": 0, "numMinDelayRetries": 0, "backoffFunction": "linear",
        })
    };
    let topics = |number: u32| {
        json!({ "http": {
            "defaultHealthyRetryPolicy": retries(number),
            "disableSubscriptionOverrides": false,
            "defaultRequestPolicy": { "headerContentType": "text/plain; charset=UTF-8" },
        }})
    };
    assert_eq!(effective().await, topics(3));
    set(r#"{"http":{"defaultHealthyRetryPolicy":{"numRetries":5}}}"#).await.ok();
    assert_eq!(effective().await, topics(5));
    let arn = server.endpoint(&[("DeliveryPolicy", r#"{"throttlePolicy":{"maxReceivesPerSecond":7}}"#)]).await;
    let shown: Value = serde_json::from_str(&server.attribute(&arn, "EffectiveDeliveryPolicy").await).expect("JSON");
    let expected = json!({
        "healthyRetryPolicy": retries(5), "sicklyRetryPolicy": null, "throttlePolicy": { "maxReceivesPerSecond": 7 },
        "requestPolicy": { "headerContentType": "text/plain; charset=UTF-8" }, "guaranteed": false,
    });
    assert_eq!(shown, expected);
    assert_eq!(set("nonsense").await.status, 400);
    let queue = server.try_subscribe("sqs", QUEUE, &[("DeliveryPolicy", "{}")]).await;
    queue.invalid("Attributes Reason: DeliveryPolicy: protocol [sqs] has none");
    set("").await.ok();
    assert_eq!(effective().await, topics(3));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_a_url_of_its_protocol() {
    let server = Server::topic().await;
    for (protocol, endpoint) in [("http", "https://example.com"), ("https", "http://example.com"), ("http", "/path")] {
        let answer = server.try_subscribe(protocol, endpoint, &[]).await;
        answer.invalid("Endpoint must match the specified protocol");
    }
    server.try_subscribe("http", "http://exa mple.com/", &[]).await.invalid("Endpoint");
}

#[tokio::test(start_paused = true)]
async fn another_accounts_queue_is_asked_by_a_message() {
    let server = Server::topic().await;
    let queue = "arn:aws:sqs:us-east-1:111111111111:q";
    let answer = server.try_subscribe("sqs", queue, &[]).await.ok();
    assert_eq!(answer.one("SubscriptionArn"), "pending confirmation");
    server.publish("too early").await;
    server.pass(0).await;
    let [asked] = &server.receivers.sent_to(queue)[..] else { panic!("only the confirmation") };
    let asked: Value = serde_json::from_str(asked).expect("JSON");
    server.follow(asked["SubscribeURL"].as_str().expect("a link")).await.ok();
    server.publish("hello").await;
    server.pass(0).await;
    assert_eq!(server.receivers.sent_to(queue).len(), 2);
}
