//! FilterLogEvents and TestMetricFilter. The pattern language has its own tests.

use super::*;

/// Streams `a` and `b` with events at odd and even times.
async fn two_streams() -> Server {
    let server = Server::with(small_segments()).await;
    server.run("CreateLogGroup", json!({ "logGroupName": "g" })).await;
    for (stream, first) in [("a", 1), ("b", 0)] {
        server.run("CreateLogStream", json!({ "logGroupName": "g", "logStreamName": stream })).await;
        for at in (first..10).step_by(2) {
            let level = if at % 3 == 0 { "ERROR" } else { "INFO" };
            server.put(stream, &[(NOW_MS + at, &format!("{level} {at}"))]).await;
        }
    }
    server
}

async fn filter(server: &Server, more: Value) -> Value {
    let mut input = more;
    input["logGroupName"] = json!("g");
    server.run("FilterLogEvents", input).await
}

/// The last characters of all messages of all pages.
async fn all(server: &Server, more: Value) -> String {
    let (mut input, mut found) = (more, String::new());
    loop {
        let page = filter(server, input.clone()).await;
        found.extend(messages(&page).iter().filter_map(|message| message.chars().last()));
        match page.get("nextToken") {
            Some(token) => input["nextToken"] = token.clone(),
            None => return found,
        }
    }
}

#[tokio::test]
async fn an_event_is_shown_with_every_key_and_no_other() {
    let server = two_streams().await;
    let page = filter(&server, json!({ "filterPattern": "ERROR", "limit": 1 })).await;
    assert_eq!(keys(&page), ["events", "nextToken", "searchedLogStreams"]);
    assert_eq!(page["searchedLogStreams"], json!([]));
    let event = &page["events"][0];
    assert_eq!(keys(event), ["eventId", "ingestionTime", "logStreamName", "message", "timestamp"]);
    assert_eq!((&event["logStreamName"], &event["message"]), (&json!("b"), &json!("ERROR 0")));
    let id = event["eventId"].as_str().expect("an id");
    assert!(id.len() == 56 && id.bytes().all(|byte| byte.is_ascii_digit()), "{id}");
}

#[tokio::test]
async fn streams_are_interleaved_in_order_of_time_and_paged() {
    let server = two_streams().await;
    assert_eq!(all(&server, json!({})).await, "0123456789");
    assert_eq!(all(&server, json!({ "limit": 3 })).await, "0123456789");
    assert_eq!(all(&server, json!({ "limit": 1, "filterPattern": "ERROR" })).await, "0369");
    assert_eq!(all(&server, json!({ "filterPattern": "ERROR", "interleaved": false })).await, "0369");
    // Both ends belong to the range.
    assert_eq!(all(&server, json!({ "startTime": NOW_MS + 2, "endTime": NOW_MS + 5 })).await, "2345");
    server.packed().await;
    assert_eq!(all(&server, json!({ "limit": 2 })).await, "0123456789", "and from packed segments");
}

#[tokio::test]
async fn the_newest_first_when_asked_for() {
    let server = two_streams().await;
    let newest = json!({ "startFromHead": false, "startTime": NOW_MS, "limit": 4 });
    assert_eq!(all(&server, newest).await, "9876543210");
    let early = json!({ "logGroupName": "g", "startFromHead": false, "startTime": 1_704_067_199_999_i64 });
    assert_eq!(server.call("FilterLogEvents", early).await.body["__type"], "InvalidParameterException");
}

#[tokio::test]
async fn streams_are_chosen_by_name_or_prefix() {
    let server = two_streams().await;
    assert_eq!(all(&server, json!({ "logStreamNames": ["a"] })).await, "13579");
    assert_eq!(all(&server, json!({ "logStreamNames": ["b", "a"] })).await, "0123456789");
    assert_eq!(all(&server, json!({ "logStreamNamePrefix": "b" })).await, "02468");
    assert_eq!(all(&server, json!({ "logStreamNamePrefix": "c" })).await, "");
    let missing =
        server.call("FilterLogEvents", json!({ "logGroupName": "g", "logStreamNames": ["a", "nobody"] })).await;
    missing.refused("ResourceNotFoundException", "The specified log stream does not exist.");
    let both = json!({ "logGroupName": "g", "logStreamNames": ["a"], "logStreamNamePrefix": "b" });
    let both = server.call("FilterLogEvents", both).await;
    let text = "logStreamNames and logStreamNamePrefix are mutually exclusive parameters.";
    both.refused("InvalidParameterException", text);
}

#[tokio::test]
async fn recorded_refusals() {
    let server = two_streams().await;
    let answer = server.call("FilterLogEvents", json!({ "logGroupName": "nobody" })).await;
    answer.refused("ResourceNotFoundException", "The specified log group does not exist.");
    for operation in ["FilterLogEvents", "GetLogEvents"] {
        let both = json!({ "logGroupName": "g", "logGroupIdentifier": "g", "logStreamName": "a" });
        let answer = server.call(operation, both).await;
        answer.refused("ValidationException", "LogGroup name and LogGroup ARN are mutually exclusive parameters.");
    }
    let answer = server.call("FilterLogEvents", json!({ "logGroupName": "g", "filterPattern": "a:b" })).await;
    answer.refused("InvalidParameterException", "Invalid character(s) in term ':'");
}

#[tokio::test]
async fn function_output_that_is_no_text_is_shown_all_the_same() {
    let server = two_streams().await;
    let raw = LogEvent { timestamp_ms: NOW_MS + 50, message: Bytes::from_static(b"raw \xff ERROR") };
    server.logs.append(&context(), "g", "a", vec![raw]);
    let found = filter(&server, json!({ "filterPattern": "raw ERROR" })).await;
    assert_eq!(messages(&found), ["raw \u{fffd} ERROR"]);
}

#[tokio::test]
async fn a_metric_filter_can_be_tried() {
    let server = Server::start().await;
    let input = json!({
        "filterPattern": "[ip, ..., status = 4*]",
        "logEventMessages": ["1.1.1.1 x 404", "2.2.2.2 x 200", "3.3.3.3 y z 400"],
    });
    let expected = json!({ "matches": [
        { "eventNumber": 1, "eventMessage": "1.1.1.1 x 404", "extractedValues": { "$ip": "1.1.1.1", "$status": "404" } },
        { "eventNumber": 3, "eventMessage": "3.3.3.3 y z 400", "extractedValues": { "$ip": "3.3.3.3", "$status": "400" } },
    ] });
    assert_eq!(server.run("TestMetricFilter", input).await, expected);
}

/// A larger group of random events, against a list that is sorted and filtered by hand.
#[tokio::test]
async fn pages_in_both_directions_have_everything_once_whatever_the_order_of_arrival() {
    let server = Server::with(LogsConfig { segment_bytes_max: 3_000, ..LogsConfig::default() }).await;
    let mut state = 42_u64;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % below
    };
    let mut expected: Vec<(i64, usize, String)> = Vec::new();
    for number in 0..400 {
        let timestamp_ms = NOW_MS + random(60) as i64;
        let message = Bytes::from(format!("{number}"));
        let stream = format!("s{}", random(5));
        server.logs.append(&context(), "g", &stream, vec![LogEvent { timestamp_ms, message }]);
        expected.push((timestamp_ms, number, stream));
        if number % 20 == 0 {
            let _ = server.texts().await;
        }
    }
    expected.sort();
    for (limit, forward) in [(7, true), (7, false), (1_000, true)] {
        let mut input = json!({ "logGroupName": "g", "limit": limit, "startFromHead": forward, "startTime": NOW_MS });
        let mut seen: Vec<(i64, usize, String)> = Vec::new();
        loop {
            let page = server.run("FilterLogEvents", input.clone()).await;
            for event in page["events"].as_array().expect("events") {
                let number = event["message"].as_str().and_then(|text| text.parse().ok()).expect("a number");
                let stream = event["logStreamName"].as_str().expect("a stream").to_owned();
                seen.push((event["timestamp"].as_i64().expect("a time"), number, stream));
            }
            match page.get("nextToken") {
                Some(token) => input["nextToken"] = token.clone(),
                None => break,
            }
        }
        if !forward {
            seen.reverse();
        }
        assert_eq!(seen, expected, "limit {limit}, forward {forward}");
    }
}
