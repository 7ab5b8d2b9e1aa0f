//! Answers that go to the caller as they come: what arrives when, and how each kind of end is told.

use std::time::Duration;

use hearth_ports::{
    InvocationType, InvokeError, InvokeRequest, Invoker, StreamCompletion, StreamError, StreamEvent, StreamedResponse,
};
use hearth_types::{Millis, Version};
use tokio::time::Instant;

use crate::testing::function;
use crate::testing::world::{World, config, context, request, with_handler};
use crate::{EngineConfig, StreamLimits};

async fn stream(world: &World, event: &str) -> StreamedResponse {
    world.engine.invoke_streaming(&context("req-1"), request("f", event)).await.expect("runs")
}

/// All chunks in one, and the end.
async fn collect(mut response: StreamedResponse) -> (Vec<u8>, StreamCompletion) {
    let mut bytes = Vec::new();
    loop {
        match response.next().await.expect("an end") {
            StreamEvent::Chunk(chunk) => bytes.extend_from_slice(&chunk),
            StreamEvent::Complete(completion) => {
                assert_eq!(response.next().await, None, "nothing comes after the end");
                return (bytes, completion);
            }
        }
    }
}

fn failed(code: &'static str, details: &str) -> StreamCompletion {
    let error = Some(StreamError { code, details: details.to_owned().into() });
    StreamCompletion { error, log_tail: None }
}

fn unhandled(details: &str) -> StreamCompletion {
    failed("Unhandled", details)
}

fn text(event: Option<StreamEvent>) -> String {
    match event {
        Some(StreamEvent::Chunk(chunk)) => String::from_utf8(chunk.to_vec()).expect("text"),
        other => panic!("{other:?}"),
    }
}

fn report(world: &World) -> String {
    world.sink.lines().into_iter().rfind(|line| line.starts_with("REPORT")).expect("a report")
}

#[tokio::test(start_paused = true)]
async fn chunks_arrive_when_they_are_written_and_the_duration_is_the_whole_stream_s() {
    let world = World::new([function("f")]).await;
    let started = Instant::now();
    let mut response = stream(&world, "stream ~200 a ~1000 b ~500").await;
    assert_eq!((response.is_streamed, response.content_type.as_deref()), (true, Some("text/event-stream")));
    assert_eq!(response.executed_version, Some(Version::Latest));
    assert_eq!(started.elapsed(), Duration::ZERO, "the head was there at once");
    assert_eq!(text(response.next().await), "a");
    assert_eq!(started.elapsed(), Duration::from_millis(200));
    assert_eq!(text(response.next().await), "b");
    assert_eq!(started.elapsed(), Duration::from_millis(1_200));
    assert_eq!(collect(response).await, (Vec::new(), StreamCompletion::default()));
    assert_eq!(started.elapsed(), Duration::from_millis(1_700));
    assert!(report(&world).contains("\tDuration: 1700.00 ms\tBilled Duration: 1700 ms\t"), "{}", report(&world));
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_in_the_middle_is_told_after_the_chunks_and_in_the_report() {
    let world = World::new([function("f")]).await;
    let exited =
        |text: &str| format!(r#"{{"errorType":"Runtime.ExitError","errorMessage":"RequestId: req-1 Error: {text}"}}"#);
    let table = [
        ("!fail", r#"{"errorType":"Exception"}"#.to_owned(), "Max Memory Used: 36 MB\t"),
        (
            "!exit",
            exited("Runtime exited with error: exit status 1"),
            "\tStatus: error\tError Type: Runtime.ExitError",
        ),
        (
            "!oom",
            exited("Runtime exited with error: signal: killed"),
            "\tStatus: error\tError Type: Runtime.OutOfMemory",
        ),
        (
            "!cut",
            r#"{"errorType":"Runtime.TruncatedResponse","errorMessage":"RequestId: req-1 Error: Runtime closed the connection before the end of the response"}"#.to_owned(),
            "\tStatus: error\tError Type: Runtime.TruncatedResponse",
        ),
        (
            "!hang",
            r#"{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: req-1 Error: Task timed out after 3.00 seconds"}"#.to_owned(),
            "\tStatus: timeout",
        ),
    ];
    world.answer("f", "id").await;
    for (step, details, status) in table {
        let (bytes, completion) = collect(stream(&world, &format!("stream partial {step}")).await).await;
        assert_eq!((bytes, completion), (b"partial".to_vec(), unhandled(&details)), "{step}");
        assert!(report(&world).ends_with(status), "{step}: {}", report(&world));
        assert!(world.answer("f", "id").await.starts_with("1:"), "{step}: the environment works on");
    }
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_before_it_begins_is_told_by_the_end_alone() {
    let world = World::new([function("f")]).await;
    for (event, details) in [
        ("fail", r#"{"errorMessage":"no","errorType":"Exception"}"#),
        (
            "hang",
            r#"{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: req-1 Error: Task timed out after 3.00 seconds"}"#,
        ),
        (
            "large",
            r#"{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).","errorType":"Function.ResponseSizeTooLarge"}"#,
        ),
    ] {
        let response = stream(&world, event).await;
        assert_eq!((response.is_streamed, response.content_type.as_deref()), (false, None));
        assert_eq!(collect(response).await, (Vec::new(), unhandled(details)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_buffered_answer_is_a_chunk_and_a_streamed_one_can_be_had_whole() {
    let world = World::new([function("f")]).await;
    let response = stream(&world, "echo").await;
    assert!(!response.is_streamed);
    assert_eq!(collect(response).await, (b"\"echo\"".to_vec(), StreamCompletion::default()));
    assert_eq!(world.answer("f", "stream a ~10 b").await, "ab");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_stops_neither_the_function_nor_its_environment() {
    let world = World::new([function("f")]).await;
    let started = Instant::now();
    let mut response = stream(&world, "stream a ~1000 b *20000000 c").await;
    assert_eq!(text(response.next().await), "a");
    drop(response);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(report(&world).contains("\tDuration: 1000.00 ms"), "unread bytes need no bandwidth: {}", report(&world));
    assert_eq!(world.answer("f", "id").await, "1:2:1");
    assert_eq!(started.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_before_the_answer_begins_stops_nothing() {
    let world = World::new([function("f")]).await;
    let gone = stream(&world, "sleep 1000");
    assert!(tokio::time::timeout(Duration::from_millis(100), gone).await.is_err());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(report(&world).contains("\tDuration: 1000.00 ms"));
    assert_eq!(world.answer("f", "id").await, "1:2:1");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_holds_the_function_until_its_time_out_and_no_longer() {
    let world = World::new([function("f")]).await;
    let response = stream(&world, &format!("stream {}", "x ".repeat(100).trim())).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(report(&world).ends_with("\tStatus: timeout"), "{}", report(&world));
    assert_eq!(world.answer("f", "id").await, "1:2:2", "the environment serves others");
    let (bytes, completion) = collect(response).await;
    assert_eq!(bytes, b"x".repeat(8), "what was on its way, and no more");
    assert!(completion.error.is_some_and(|error| error.details.starts_with(b"{\"errorType\":\"Sandbox.Timedout\"")));
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_more_than_200_mib_ends_there_after_97_seconds() {
    let mut slow = function("f");
    slow.timeout = Millis::from_secs(900);
    let world = World::new([slow]).await;
    let started = Instant::now();
    let steps = "*1048576 ".repeat(201);
    let mut response = stream(&world, &format!("stream {}", steps.trim())).await;
    let mut bytes = 0;
    let completion = loop {
        match response.next().await {
            Some(StreamEvent::Chunk(chunk)) => bytes += chunk.len(),
            Some(StreamEvent::Complete(completion)) => break completion,
            None => panic!("no end"),
        }
    };
    assert_eq!(bytes, 200 << 20);
    assert_eq!(started.elapsed().as_secs(), 97, "6 MiB at once, 194 MiB at 2 MiB/s");
    assert_eq!(
        completion,
        unhandled(
            r#"{"errorMessage":"Response payload size exceeded maximum allowed payload size (209715200 bytes).","errorType":"Function.ResponseSizeTooLarge"}"#
        )
    );
    assert!(report(&world).ends_with("\tStatus: error\tError Type: Function.ResponseSizeTooLarge"));
    assert_eq!(world.answer("f", "id").await, "1:2:1", "and the environment works on");
}

#[tokio::test(start_paused = true)]
async fn the_limits_can_be_others() {
    let limits = StreamLimits { bytes_max: 3_000, burst_bytes: 1_000, bytes_per_second: 1_000 };
    let world =
        World::with(EngineConfig { stream: limits, ..config() }, std::sync::Arc::default(), [function("f")]).await;
    let started = Instant::now();
    let (bytes, completion) = collect(stream(&world, "stream *1000 *1000 *1000").await).await;
    assert_eq!((bytes.len(), completion), (3_000, StreamCompletion::default()));
    assert_eq!(started.elapsed(), Duration::from_secs(2));
    let (bytes, completion) = collect(stream(&world, "stream *1000 *2001").await).await;
    assert_eq!(bytes.len(), 1_000);
    assert!(completion.error.is_some());
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_machine_s_memory_is_a_throttle_of_the_stream() {
    let world = World::new([function("f")]).await;
    let (bytes, completion) = collect(stream(&world, "stream a !host-oom").await).await;
    let want = failed("TooManyRequestsException", r#"{"errorMessage":"Rate Exceeded."}"#);
    assert_eq!((bytes, completion), (b"a".to_vec(), want));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_a_stream_as_the_service_s_doing() {
    let world = World::new([function("f")]).await;
    let response = stream(&world, "stream a !hang").await;
    world.engine.shutdown(Duration::from_millis(100)).await;
    let (bytes, completion) = collect(response).await;
    let want = failed("ServiceException", r#"{"errorMessage":"The service ended the invocation."}"#);
    assert_eq!((bytes, completion), (b"a".to_vec(), want));
}

#[tokio::test(start_paused = true)]
async fn the_log_tail_comes_with_the_end() {
    let world = World::new([function("f")]).await;
    let request = InvokeRequest { log_tail: true, ..request("f", "stream a") };
    let response = world.engine.invoke_streaming(&context("req-1"), request).await.expect("runs");
    let tail = collect(response).await.1.log_tail.expect("a tail");
    let tail = String::from_utf8(tail.to_vec()).expect("text");
    assert!(tail.contains("START RequestId: req-1") && tail.contains("REPORT RequestId: req-1"), "{tail}");
}

#[tokio::test(start_paused = true)]
async fn what_runs_no_function_is_refused_as_with_invoke() {
    let world = World::new([function("f"), with_handler("broken", "init-error")]).await;
    let invoke = |name: &str, kind| {
        let request = InvokeRequest { invocation_type: kind, ..request(name, "echo") };
        let engine = world.engine.clone();
        async move { engine.invoke_streaming(&context("req-1"), request).await }
    };
    let missing = invoke("nobody", InvocationType::RequestResponse).await.expect_err("not there");
    assert!(matches!(missing, InvokeError::FunctionNotFound { .. }));
    let event = invoke("f", InvocationType::Event).await.expect_err("an event has no answer");
    assert!(matches!(event, InvokeError::Internal { .. }));
    let dry = invoke("f", InvocationType::DryRun).await.expect("checked");
    assert_eq!(dry.executed_version, None);
    assert_eq!(world.environments(), (0, 0), "nothing has run");
    let failed = invoke("broken", InvocationType::RequestResponse).await.expect("answers");
    assert_eq!(collect(failed).await.1, unhandled(r#"{"init":"error"}"#));
    world.catalog.concurrency.lock().reserved = Some(0);
    let throttled = invoke("f", InvocationType::RequestResponse).await.expect_err("no concurrency");
    assert!(matches!(throttled, InvokeError::Throttled { .. }));
}
