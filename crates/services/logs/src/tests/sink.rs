//! The ports: what functions write, and what `hearth logs` reads.

use super::*;

#[tokio::test]
async fn a_group_is_read_in_order_of_arrival_and_apart_from_others() {
    let server = Server::start().await;
    server.logs.append(&context(), "a", "s1", vec![event("1"), event("2")]);
    server.logs.append(&context(), "b", "s1", vec![event("other group")]);
    server.logs.append(&context(), "a", "s2", vec![event("3")]);
    let read = server.texts_after("a", 0).await;
    assert_eq!(read.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), ["1", "2", "3"]);
    assert_eq!(server.texts_after("a", read[1].0).await, [read[2].clone()]);
    let mut elsewhere = context();
    elsewhere.region = Region::from("eu-west-1");
    let query = LogQuery { group: "a".to_owned(), after_sequence: 0, limit: 9 };
    assert_eq!(server.logs.read(&elsewhere, &query).await, [], "regions are separate worlds");
}

#[tokio::test]
async fn a_limit_pages_through_everything_once() {
    let server = Server::with(small_segments()).await;
    for number in 0..500 {
        let group = if number % 3 == 0 { "noise" } else { "a" };
        server.logs.append(&context(), group, "s", vec![event(&format!("{number}"))]);
    }
    let (mut seen, mut after_sequence) = (Vec::new(), 0);
    loop {
        let query = LogQuery { group: "a".to_owned(), after_sequence, limit: 7 };
        let page = server.logs.read(&context(), &query).await;
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 7);
        after_sequence = last.sequence;
        seen.extend(page.iter().map(|event| String::from_utf8_lossy(&event.message).parse::<u32>().expect("a number")));
    }
    assert_eq!(seen, (0..500).filter(|number| number % 3 != 0).collect::<Vec<u32>>());
}

#[tokio::test]
async fn waiting_ends_when_the_group_gets_something_and_not_before() {
    let server = Server::start().await;
    let started = std::time::Instant::now();
    server.logs.wait(&context(), "a", 0, 30).await;
    assert!(started.elapsed() >= Duration::from_millis(30));
    let waiting = tokio::spawn({
        let logs = server.logs.clone();
        async move { logs.wait(&context(), "a", 0, 20_000).await }
    });
    server.logs.append(&context(), "b", "s", vec![event("another group")]);
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert!(!waiting.is_finished());
    server.logs.append(&context(), "a", "s", vec![event("this one")]);
    waiting.await.expect("no panic");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn what_has_expired_is_no_news() {
    let server = Server::start().await;
    server.say("s", "old");
    let _ = server.texts().await;
    server.run("PutRetentionPolicy", json!({ "logGroupName": "g", "retentionInDays": 1 })).await;
    server.clock.advance(2 * DAY_MS);
    let started = std::time::Instant::now();
    server.logs.wait(&context(), "g", 0, 50).await;
    assert!(started.elapsed() >= Duration::from_millis(50), "who follows must not ask again and again");
}

#[tokio::test]
async fn an_overfull_queue_tells_how_much_it_dropped() {
    let server = Server::with(LogsConfig { queue_bytes_max: 2_000, ..LogsConfig::default() }).await;
    for _ in 0..50 {
        server.say("s", &"x".repeat(300));
    }
    // The line about the loss comes with the batch that follows it.
    let kept = server.texts().await;
    let (lines, told): (Vec<_>, Vec<_>) = kept.into_iter().partition(|text| text.starts_with('x'));
    let dropped: usize = told
        .iter()
        .map(|line| line.strip_prefix("LOGS_DROPPED Records: ").and_then(|rest| rest.split('\t').next()).expect(line))
        .map(|number| number.parse::<usize>().expect("a number"))
        .sum();
    assert!(dropped > 0);
    assert_eq!(lines.len() + dropped, 50);
}

#[tokio::test]
async fn the_first_line_makes_group_and_stream_and_they_stay() {
    let server = Server::start().await;
    assert!(!server.logs.has_group(&context(), "/aws/lambda/f"));
    server.logs.append(&context(), "/aws/lambda/f", "2026/01/12/[$LATEST]ab", vec![event("START")]);
    let _ = server.texts_after("/aws/lambda/f", 0).await;
    assert!(server.logs.has_group(&context(), "/aws/lambda/f"));
    let again = server.restart(LogsConfig::default()).await;
    assert!(again.logs.has_group(&context(), "/aws/lambda/f"));
    let streams = again.run("DescribeLogStreams", json!({ "logGroupName": "/aws/lambda/f" })).await;
    assert_eq!(streams["logStreams"][0]["logStreamName"], "2026/01/12/[$LATEST]ab");
    assert_eq!(streams["logStreams"][0]["lastEventTimestamp"], NOW_MS);
}

#[tokio::test]
async fn a_deleted_group_is_gone_and_comes_back_empty_with_the_next_line() {
    let server = Server::with(small_segments()).await;
    for number in 0..40 {
        server.say("s", &format!("secret {number} {}", "x".repeat(100)));
    }
    server.say("s", "queued just before");
    server.run("DeleteLogGroup", json!({ "logGroupName": "g" })).await;
    assert!(!server.logs.has_group(&context(), "g"));
    assert_eq!(server.texts().await, [""; 0]);
    server.say("s", "new life");
    assert_eq!(server.texts().await, ["new life"]);
    let events = server.run("GetLogEvents", json!({ "logGroupName": "g", "logStreamName": "s" })).await;
    assert_eq!(messages(&events), ["new life"]);
    let again = server.restart(small_segments()).await;
    assert_eq!(again.texts().await, ["new life"]);
}

#[tokio::test]
async fn what_is_deleted_leaves_the_disk() {
    let server = Server::with(small_segments()).await;
    for number in 0..100 {
        let group = if number % 2 == 0 { "g" } else { "other" };
        server.logs.append(&context(), group, "s", vec![event(&format!("line {number} {}", "x".repeat(100)))]);
        let _ = server.texts().await;
    }
    server.packed().await;
    let group = server.logs.directory.find(&scope(), "g").expect("a group").id;
    let sealed_bytes = || {
        let index = server.logs.index.read();
        index.sealed().filter_map(|segment| segment.summary.blocks.get(&group)).flatten().count()
    };
    assert!(sealed_bytes() > 3);
    server.run("DeleteLogGroup", json!({ "logGroupName": "g" })).await;
    // A packed segment is packed again at most once an hour.
    server.clock.advance(60 * 60 * 1_000);
    server.logs.tidy();
    server.until("gone", || sealed_bytes() == 0).await;
    assert_eq!(server.texts_after("other", 0).await.len(), 50);
}
