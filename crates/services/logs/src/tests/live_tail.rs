//! StartLiveTail, as its event stream arrives.

use hearth_wire::event_stream::Message;

use super::*;

const ARN: &str = "arn:aws:logs:us-east-1:000000000000:log-group:g";

/// A session's events as they come.
struct Session {
    body: Body,
    bytes: Vec<u8>,
}

impl Session {
    async fn start(server: &Server, more: Value) -> Self {
        let mut input = more;
        input["logGroupIdentifiers"] = json!([ARN]);
        let response = server.request("StartLiveTail", &input).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/vnd.amazon.eventstream");
        Self { body: response.into_body(), bytes: Vec::new() }
    }

    /// The next event's type and content.
    async fn next(&mut self) -> (String, Value) {
        loop {
            if let Some((message, bytes)) = Message::decode(&self.bytes).expect("a message") {
                self.bytes.drain(..bytes);
                assert_eq!(message.text(":message-type"), Some("event"));
                let kind = message.text(":event-type").expect("a type").to_owned();
                return (kind, serde_json::from_slice(&message.payload).expect("JSON"));
            }
            let frame = self.body.frame().await.expect("goes on").expect("no error");
            self.bytes.extend(frame.into_data().expect("data"));
        }
    }

    /// Messages until there are so many.
    async fn messages(&mut self, count: usize) -> Vec<Value> {
        let mut found = Vec::new();
        while found.len() < count {
            let (kind, update) = self.next().await;
            assert_eq!(kind, "sessionUpdate");
            found.extend(update["sessionResults"].as_array().expect("results").iter().cloned());
        }
        found
    }
}

#[tokio::test]
async fn a_session_tells_its_start_and_then_what_arrives() {
    let server = Server::with_stream(LogsConfig::default()).await;
    server.put("s", &[(NOW_MS, "before")]).await;
    let mut session = Session::start(&server, json!({})).await;
    assert_eq!(session.next().await, ("initial-response".to_owned(), json!({})));
    let (kind, start) = session.next().await;
    assert_eq!((kind.as_str(), &start["logGroupIdentifiers"]), ("sessionStart", &json!([ARN])));
    assert_eq!(
        keys(&start),
        [
            "logEventFilterPattern",
            "logGroupIdentifiers",
            "logStreamNamePrefixes",
            "logStreamNames",
            "requestId",
            "sessionId"
        ]
    );
    server.put("s", &[(NOW_MS, "after")]).await;
    server.say("automatic", "by a function");
    let events = session.messages(2).await;
    assert_eq!(
        events[0],
        json!({ "logStreamName": "s", "logGroupIdentifier": "000000000000:g", "message": "after",
                "timestamp": NOW_MS, "ingestionTime": NOW_MS })
    );
    assert_eq!(events[1]["message"], "by a function");
    let (kind, update) = session.next().await;
    assert_eq!(kind, "sessionUpdate", "also when nothing came");
    assert_eq!(update, json!({ "sessionMetadata": { "sampled": false }, "sessionResults": [] }));
}

#[tokio::test]
async fn a_session_hears_the_streams_and_the_pattern_it_asked_for() {
    let server = Server::with_stream(LogsConfig::default()).await;
    let mut by_pattern = Session::start(&server, json!({ "logEventFilterPattern": "ERROR" })).await;
    let mut by_name = Session::start(&server, json!({ "logStreamNames": ["a/1"] })).await;
    let mut by_prefix = Session::start(&server, json!({ "logStreamNamePrefixes": ["a/"] })).await;
    for session in [&mut by_pattern, &mut by_name, &mut by_prefix] {
        session.next().await;
        session.next().await;
    }
    for (stream, text) in [("a/1", "INFO 1"), ("a/2", "ERROR 2"), ("b", "ERROR 3")] {
        server.say(stream, text);
    }
    let _ = server.texts().await;
    let texts = |events: Vec<Value>| events.iter().map(|event| event["message"].to_string()).collect::<Vec<_>>();
    assert_eq!(texts(by_pattern.messages(2).await), [r#""ERROR 2""#, r#""ERROR 3""#]);
    assert_eq!(texts(by_prefix.messages(2).await), [r#""INFO 1""#, r#""ERROR 2""#]);
    assert_eq!(texts(by_name.messages(1).await), [r#""INFO 1""#]);
}

#[tokio::test]
async fn of_many_events_a_sample_is_sent_and_it_says_so() {
    let server = Server::with_stream(LogsConfig::default()).await;
    let mut session = Session::start(&server, json!({})).await;
    session.next().await;
    session.next().await;
    server.put("s", &vec![(NOW_MS, "e"); 2_000]).await;
    let (_, update) = session.next().await;
    assert_eq!(update["sessionMetadata"]["sampled"], true);
    assert_eq!(update["sessionResults"].as_array().map(Vec::len), Some(500));
}

#[tokio::test]
async fn refusals_and_places() {
    let server = Server::with_stream(LogsConfig::default()).await;
    let nobody = "arn:aws:logs:us-east-1:000000000000:log-group:nobody";
    let answer = server.call("StartLiveTail", json!({ "logGroupIdentifiers": [nobody] })).await;
    answer.refused("ResourceNotFoundException", "The specified log group does not exist.");
    for input in [
        json!({ "logGroupIdentifiers": [format!("{ARN}:*")] }),
        json!({ "logGroupIdentifiers": [ARN], "logStreamNames": ["s"], "logStreamNamePrefixes": ["s"] }),
        json!({ "logGroupIdentifiers": [ARN, ARN], "logStreamNames": ["s"] }),
        json!({ "logGroupIdentifiers": [ARN], "logEventFilterPattern": "{" }),
    ] {
        let answer = server.call("StartLiveTail", input).await;
        assert_eq!((answer.status, &answer.body["__type"]), (400, &json!("InvalidParameterException")));
    }
    let mut sessions = Vec::new();
    for _ in 0..15 {
        sessions.push(Session::start(&server, json!({})).await);
    }
    let answer = server.call("StartLiveTail", json!({ "logGroupIdentifiers": [ARN] })).await;
    answer.refused("LimitExceededException", "Resource limit exceeded.");
    sessions.clear();
    let taken = || server.logs.live_tails.load(std::sync::atomic::Ordering::Acquire);
    server.until("the places are free again", || taken() == 0).await;
    Session::start(&server, json!({})).await;
}
