//! What goes over the wire, byte by byte. Expected statuses and texts: AWS's Runtime API documentation and the
//! source of its Runtime Interface Emulator.

mod support;

use std::time::Duration;

use bytes::Bytes;
use hearth_runtime_api::{FunctionError, RuntimeAnswer};
use support::{MAX_RESPONSE_BYTES, NEXT, PATIENCE, invocation, post, post_with, serve};
use tokio::io::AsyncWriteExt;

fn response(text: &'static str) -> RuntimeAnswer {
    RuntimeAnswer::Response { body: Bytes::from_static(text.as_bytes()) }
}

fn error_text(error_type: &str, message: &str) -> String {
    serde_json::json!({ "errorMessage": message, "errorType": error_type }).to_string()
}

#[tokio::test]
async fn an_event_reaches_the_runtime_and_the_answer_its_caller() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    let mut client = server.connect().await;
    client.send(NEXT).await;
    server.api.ready().await.expect("ready");
    let answer = server.invoke("id-1", "{\"a\":1}");
    let event = client.reply().await;
    assert_eq!((event.status, event.text()), (200, "{\"a\":1}"));
    assert_eq!(event.header("Content-Type"), Some("application/json"));
    assert_eq!(event.header("Lambda-Runtime-Aws-Request-Id"), Some("id-1"));
    assert_eq!(event.header("Lambda-Runtime-Deadline-Ms"), Some("4102444800000"));
    let accepted = client.call(post("invocation/id-1/response", "\"done\"")).await;
    assert_eq!((accepted.status, accepted.text()), (202, r#"{"status":"OK"}"#));
    assert_eq!(accepted.header("Content-Type"), Some("application/json"));
    assert_eq!(answer.await.expect("invoke"), response("\"done\""));
}

#[tokio::test]
async fn a_request_may_be_split_at_every_byte() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    let mut client = server.connect().await;
    let wire = format!("{NEXT}{}", post("invocation/id/response", "[1,2]"));
    for split in 1..wire.len() {
        // The answer is sent in two pieces; the /next as a whole where the split is behind it.
        let answer = server.invoke("id", "null");
        let (first, second) = wire.as_bytes().split_at(split);
        client.send(first).await;
        tokio::time::sleep(Duration::from_micros(300)).await;
        client.send(second).await;
        assert_eq!(client.reply().await.status, 200, "split at {split}");
        assert_eq!(client.reply().await.status, 202, "split at {split}");
        assert_eq!(answer.await.expect("invoke"), response("[1,2]"), "split at {split}");
    }
}

#[tokio::test]
async fn a_pipelined_client_gets_its_202_together_with_the_next_event() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    let mut client = server.connect().await;
    client.send(NEXT).await;
    let first = server.invoke("a", "1");
    client.reply().await;
    client.send(format!("{}{NEXT}", post("invocation/a/response", "2"))).await;
    assert_eq!(first.await.expect("invoke"), response("2"), "the caller does not wait for it");
    assert!(client.silence().await, "the 202 is held back");
    let second = server.invoke("b", "3");
    client.read_once().await;
    assert_eq!(client.buffered_reply().expect("in the same packet").status, 202);
    assert_eq!(client.buffered_reply().expect("in the same packet").text(), "3");
    client.call(post("invocation/b/error", "{}")).await;
    let error = FunctionError { body: Bytes::from_static(b"{}"), error_type: None };
    assert_eq!(second.await.expect("invoke"), RuntimeAnswer::Error(error));
}

#[tokio::test]
async fn replies_come_in_one_packet() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    let mut client = server.connect().await;
    client.send(NEXT).await;
    let answer = server.invoke("a", vec![b'x'; 10_000]);
    client.read_once().await;
    assert_eq!(client.buffered_reply().expect("whole").body.len(), 10_000);
    client.send(post("invocation/a/response", "1")).await;
    client.read_once().await;
    assert_eq!(client.buffered_reply().expect("whole").status, 202);
    answer.await.expect("invoke");
}

#[tokio::test]
async fn an_invocation_before_the_runtime_is_ready_waits_for_it() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    let answer = server.invoke("a", "1");
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut client = server.connect().await;
    assert_eq!(client.call(NEXT).await.text(), "1");
    client.call(post("invocation/a/response", "2")).await;
    assert_eq!(answer.await.expect("invoke"), response("2"));
}

#[tokio::test]
async fn a_cancelled_invocation_that_was_not_handed_out_never_is() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    let gone = server.invoke("gone", "1");
    tokio::time::sleep(Duration::from_millis(20)).await;
    gone.abort();
    let _ = gone.await;
    let _kept = server.invoke("kept", "2");
    assert_eq!(server.connect().await.call(NEXT).await.header("Lambda-Runtime-Aws-Request-Id"), Some("kept"));
}

#[tokio::test]
async fn a_late_answer_is_an_unknown_id_and_the_runtime_goes_on() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    let mut client = server.connect().await;
    client.send(NEXT).await;
    let late = server.invoke("late", "1");
    client.reply().await;
    late.abort();
    let _ = late.await;
    let reply = client.call(post("invocation/late/response", "2")).await;
    assert_eq!((reply.status, reply.text()), (400, &*error_text("InvalidRequestID", "Invalid request ID")));
    let answer = server.invoke("b", "3");
    assert_eq!(client.call(NEXT).await.text(), "3");
    client.call(post("invocation/b/response", "4")).await;
    assert_eq!(answer.await.expect("invoke"), response("4"));
}

#[tokio::test]
async fn a_caller_that_leaves_while_the_answer_arrives_does_not_disturb_the_next_one() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    let mut client = server.connect().await;
    client.send(NEXT).await;
    let late = server.invoke("late", "1");
    client.reply().await;
    let wire = post("invocation/late/response", "\"late\"");
    let (first, second) = wire.split_at(wire.len() - 3);
    client.send(first).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    late.abort();
    let _ = late.await;
    let mut other = server.connect().await;
    let answer = server.invoke("b", "3");
    assert_eq!(other.call(NEXT).await.text(), "3");
    assert_eq!(client.call(second).await.status, 400);
    other.call(post("invocation/b/response", "4")).await;
    assert_eq!(answer.await.expect("invoke"), response("4"));
}

#[tokio::test]
async fn asking_again_while_running_gives_the_same_event_again() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    let answer = server.invoke("a", "1");
    let first = server.connect().await.call(NEXT).await;
    let mut client = server.connect().await;
    assert_eq!(client.call(NEXT).await, first);
    client.call(post("invocation/a/response", "2")).await;
    assert_eq!(answer.await.expect("invoke"), response("2"));
}

#[tokio::test]
async fn an_event_survives_the_loss_of_the_waiting_connection() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    let mut lost = server.connect().await;
    lost.send(NEXT).await;
    server.api.ready().await.expect("ready");
    drop(lost);
    tokio::time::sleep(Duration::from_millis(20)).await;
    let answer = server.invoke("a", "1");
    let mut client = server.connect().await;
    assert_eq!(client.call(NEXT).await.text(), "1");
    client.call(post("invocation/a/response", "2")).await;
    assert_eq!(answer.await.expect("invoke"), response("2"));
}

#[tokio::test]
async fn calls_out_of_order_are_refused_with_the_documented_errors() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    let mut client = server.connect().await;
    let unknown = client.call(post("invocation/nope/response", "1")).await;
    assert_eq!((unknown.status, unknown.text()), (400, &*error_text("InvalidRequestID", "Invalid request ID")));
    assert_eq!(unknown.header("Content-Type"), Some("application/json"));
    client.send(NEXT).await;
    let answer = server.invoke("a", "1");
    client.reply().await;
    let init = client.call(post("init/error", "{}")).await;
    let text = "State transition from Running to InitError failed for runtime. Error: State transition is not allowed";
    assert_eq!((init.status, init.text()), (403, &*error_text("InvalidStateTransition", text)));
    assert_eq!(client.call(post("invocation/a/response", "2")).await.status, 202);
    let twice = client.call(post("invocation/a/response", "2")).await;
    let text = "State transition from RuntimeResponseSentState to InvocationResponse failed for runtime. \
                Error: State transition is not allowed";
    assert_eq!((twice.status, twice.text()), (403, &*error_text("InvalidStateTransition", text)));
    assert_eq!(answer.await.expect("invoke"), response("2"));
}

#[tokio::test]
async fn an_init_error_reaches_whoever_waits_for_init() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    let mut client = server.connect().await;
    let headers = "Lambda-Runtime-Function-Error-Type: Runtime.ImportModuleError\r\n";
    assert_eq!(client.call(post_with("init/error", headers, "{\"errorType\":\"x\"}")).await.status, 202);
    let error = server.api.ready().await.expect_err("failed");
    assert_eq!(&error.body[..], b"{\"errorType\":\"x\"}");
    assert_eq!(error.error_type.as_deref(), Some("Runtime.ImportModuleError"));
    assert_eq!(client.call(NEXT).await.status, 403);
}

#[tokio::test]
async fn a_response_over_the_limit_is_refused_and_the_connection_stays_usable() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    let mut client = server.connect().await;
    let exact = "x".repeat(MAX_RESPONSE_BYTES);
    let over = "x".repeat(MAX_RESPONSE_BYTES + 1);
    let half = "x".repeat(MAX_RESPONSE_BYTES / 2);
    let (size, rest) = (half.len(), MAX_RESPONSE_BYTES + 1 - 2 * half.len());
    let chunked = format!(
        "POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
         {size:x}\r\n{half}\r\n{size:x}\r\n{half}\r\n{rest:x}\r\n{}\r\n0\r\n\r\n",
        "x".repeat(rest)
    );
    let text = error_text("RequestEntityTooLarge", "Exceeded maximum allowed payload size (1000 bytes).");
    for (wire, want) in [
        (post("invocation/a/response", &exact), RuntimeAnswer::Response { body: exact.clone().into() }),
        (post("invocation/a/response", &over), RuntimeAnswer::TooLarge { size: MAX_RESPONSE_BYTES + 1 }),
        (chunked, RuntimeAnswer::TooLarge { size: MAX_RESPONSE_BYTES + 1 }),
        (post("invocation/a/error", &over), RuntimeAnswer::TooLarge { size: MAX_RESPONSE_BYTES + 1 }),
    ] {
        let answer = server.invoke("a", "1");
        client.call(NEXT).await;
        let reply = client.call(wire).await;
        if matches!(want, RuntimeAnswer::TooLarge { .. }) {
            assert_eq!((reply.status, reply.text()), (413, &*text));
        }
        assert_eq!(answer.await.expect("invoke"), want);
    }
}

#[tokio::test]
async fn a_response_that_breaks_off_is_truncated() {
    for headers in ["Content-Length: 10\r\n\r\n12345", "Transfer-Encoding: chunked\r\n\r\na\r\n12345"] {
        let server = serve(MAX_RESPONSE_BYTES).await;
        let mut client = server.connect().await;
        let answer = server.invoke("a", "1");
        client.call(NEXT).await;
        client.send(format!("POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\n{headers}")).await;
        client.stream.shutdown().await.expect("half close");
        let reply = client.reply().await;
        let text = error_text("TruncatedHTTPRequest", "HTTP request detected as truncated");
        assert_eq!((reply.status, reply.text()), (400, &*text));
        assert_eq!(answer.await.expect("invoke"), RuntimeAnswer::Truncated);
        assert!(client.is_closed().await);
        // The runtime may go on over a new connection.
        let answer = server.invoke("b", "1");
        let mut client = server.connect().await;
        client.call(NEXT).await;
        client.call(post("invocation/b/response", "2")).await;
        assert_eq!(answer.await.expect("invoke"), response("2"));
    }
}

#[tokio::test]
async fn a_broken_chunk_is_a_bad_request_and_a_truncated_answer() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    let mut client = server.connect().await;
    let answer = server.invoke("a", "1");
    client.call(NEXT).await;
    let wire = "POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
    assert_eq!(client.call(wire).await.status, 400);
    assert_eq!(answer.await.expect("invoke"), RuntimeAnswer::Truncated);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn expect_100_continue_is_answered_before_the_body_is_sent() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    let mut client = server.connect().await;
    let answer = server.invoke("a", "1");
    client.call(NEXT).await;
    let head =
        "POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    assert_eq!(client.call(head).await.status, 100);
    assert_eq!(client.call("123").await.status, 202);
    assert_eq!(answer.await.expect("invoke"), response("123"));
    let refused = client.call(head).await;
    assert_eq!((refused.status, refused.header("Connection")), (403, Some("close")));
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn chunked_streams_are_put_together_and_their_error_trailers_read() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    let mut client = server.connect().await;
    let stream = |trailers: &str| {
        format!(
            "POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\
             Lambda-Runtime-Function-Response-Mode: streaming\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n{trailers}\r\n"
        )
    };
    let answer = server.invoke("a", "1");
    client.call(NEXT).await;
    assert_eq!(client.call(stream("")).await.status, 202);
    assert_eq!(answer.await.expect("invoke"), response("abcdefg"));
    let answer = server.invoke("a", "1");
    client.call(NEXT).await;
    let trailers =
        "Lambda-Runtime-Function-Error-Type: Function.Boom\r\nLambda-Runtime-Function-Error-Body: eyJhIjoxfQ==\r\n";
    assert_eq!(client.call(stream(trailers)).await.status, 202);
    let error = FunctionError { body: Bytes::from_static(br#"{"a":1}"#), error_type: Some("Function.Boom".to_owned()) };
    assert_eq!(answer.await.expect("invoke"), RuntimeAnswer::Error(error));
}

#[tokio::test]
async fn an_unknown_response_mode_is_refused_and_fails_the_invocation() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    let mut client = server.connect().await;
    let answer = server.invoke("a", "1");
    client.call(NEXT).await;
    let headers = "Lambda-Runtime-Function-Response-Mode: chunky\r\n";
    let reply = client.call(post_with("invocation/a/response", headers, "1")).await;
    let text = error_text("InvalidFunctionResponseMode", "Invalid function response mode");
    assert_eq!((reply.status, reply.text()), (400, &*text));
    let RuntimeAnswer::Error(error) = answer.await.expect("invoke") else { panic!("not an error") };
    assert_eq!(error.error_type.as_deref(), Some("Runtime.InvalidResponseModeHeader"));
}

#[tokio::test]
async fn what_is_not_the_runtime_api_is_refused() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    for (wire, status, stays) in [
        ("GET /2018-06-01/ping HTTP/1.1\r\n\r\n", 200, true),
        ("GET /nowhere HTTP/1.1\r\n\r\n", 404, true),
        ("POST /2018-06-01/runtime/invocation/next HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi", 405, true),
        ("DELETE /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n", 405, false),
        ("hello\r\n\r\n", 400, false),
        ("GET / HTTP/1.1\r\nbad header\r\n\r\n", 400, false),
        ("POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, false),
    ] {
        let mut client = server.connect().await;
        assert_eq!(client.call(wire).await.status, status, "{wire}");
        if stays {
            assert_eq!(client.call("GET /2018-06-01/ping HTTP/1.1\r\n\r\n").await.text(), "pong", "{wire}");
        } else {
            assert!(client.is_closed().await, "{wire}");
        }
    }
}

#[tokio::test]
async fn an_endless_head_is_refused() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nX: ").await;
    let piece = vec![b'x'; 65_536];
    // The server may close before everything is sent.
    for _ in 0..20 {
        if client.stream.write_all(&piece).await.is_err() {
            break;
        }
    }
    assert_eq!(client.reply().await.status, 431);
}

#[tokio::test]
async fn large_heads_are_rationed() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    let large = format!("GET /2018-06-01/ping HTTP/1.1\r\nX: {}", "x".repeat(100_000));
    let mut waiting = Vec::new();
    for _ in 0..4 {
        let mut client = server.connect().await;
        client.send(&large).await;
        waiting.push(client);
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut fifth = server.connect().await;
    fifth.send(&large).await;
    assert_eq!(fifth.reply().await.status, 431);
    for client in &mut waiting {
        assert_eq!(client.call("\r\n\r\n").await.status, 200);
    }
    assert_eq!(server.connect().await.call(format!("{large}\r\n\r\n")).await.status, 200, "the ration is given back");
}

#[tokio::test]
async fn http_1_0_and_connection_close_are_honoured() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    for (headers, want) in [("", Some("close")), ("Connection: keep-alive\r\n", Some("keep-alive"))] {
        let mut client = server.connect().await;
        let reply = client.call(format!("GET /2018-06-01/ping HTTP/1.0\r\n{headers}\r\n")).await;
        assert_eq!(reply.header("Connection"), want);
        if want == Some("close") {
            assert!(client.is_closed().await);
        } else {
            client.call("GET /2018-06-01/ping HTTP/1.0\r\n\r\n").await;
        }
    }
    let mut client = server.connect().await;
    let answer = server.invoke("a", "1");
    let event = client.call("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nConnection: close\r\n\r\n").await;
    assert_eq!((event.text(), event.header("Connection")), ("1", Some("close")));
    assert!(client.is_closed().await);
    server.connect().await.call(post("invocation/a/response", "2")).await;
    assert_eq!(answer.await.expect("invoke"), response("2"));
}

#[tokio::test]
async fn a_large_event_reaches_a_slow_reader_whole() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    let payload: Vec<u8> = (0..6_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let mut client = server.connect().await;
    client.send(NEXT).await;
    server.api.ready().await.expect("ready");
    let answer = server.invoke("a", payload.clone());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(client.reply().await.body == payload);
    client.call(post("invocation/a/response", "2")).await;
    assert_eq!(answer.await.expect("invoke"), response("2"));
}

#[tokio::test]
async fn a_large_response_reaches_the_caller_whole() {
    let server = serve(6_291_556).await;
    let body: String = (0..6_000_000_u32).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
    let mut client = server.connect().await;
    let answer = server.invoke("a", "1");
    client.call(NEXT).await;
    assert_eq!(client.call(post("invocation/a/response", &body)).await.status, 202);
    assert!(answer.await.expect("invoke") == RuntimeAnswer::Response { body: body.into() });
}

#[tokio::test]
async fn a_reset_forgets_the_old_process() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    let mut old = server.connect().await;
    old.send(NEXT).await;
    server.api.ready().await.expect("ready");
    let lost = server.invoke("lost", "1");
    old.reply().await;
    server.api.reset();
    assert_eq!(lost.await.expect("invoke"), RuntimeAnswer::Closed);
    assert!(old.is_closed().await);
    assert!(tokio::time::timeout(Duration::from_millis(50), server.api.ready()).await.is_err(), "not ready any more");
    let mut new = server.connect().await;
    assert_eq!(new.call(post("invocation/lost/response", "1")).await.status, 400);
    let answer = server.invoke("a", "2");
    assert_eq!(new.call(NEXT).await.text(), "2");
    new.call(post("invocation/a/response", "3")).await;
    assert_eq!(answer.await.expect("invoke"), response("3"));
}

#[tokio::test]
async fn closing_ends_everything() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    let mut client = server.connect().await;
    client.send(NEXT).await;
    server.api.ready().await.expect("ready");
    let lost = server.invoke("lost", "1");
    client.reply().await;
    server.api.close();
    assert_eq!(lost.await.expect("invoke"), RuntimeAnswer::Closed);
    assert!(client.is_closed().await);
    tokio::time::timeout(PATIENCE, server.task).await.expect("serve ends").expect("serve");
    assert!(server.api.ready().await.is_err());
    assert_eq!(server.api.invoke(invocation("late", "1")).await, RuntimeAnswer::Closed);
}

#[tokio::test]
async fn a_second_invocation_at_the_same_time_is_refused() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    let first = server.invoke("a", "1");
    let mut client = server.connect().await;
    client.call(NEXT).await;
    assert_eq!(server.api.invoke(invocation("b", "2")).await, RuntimeAnswer::Closed);
    client.call(post("invocation/a/response", "3")).await;
    assert_eq!(first.await.expect("invoke"), response("3"));
}

#[tokio::test]
async fn connections_are_capped() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    let ping = "GET /2018-06-01/ping HTTP/1.1\r\n\r\n";
    let mut clients = Vec::new();
    for _ in 0..64 {
        let mut client = server.connect().await;
        client.call(ping).await;
        clients.push(client);
    }
    let mut refused = server.connect().await;
    assert!(refused.is_closed().await);
    drop(clients.pop());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(server.connect().await.call(ping).await.status, 200);
}
