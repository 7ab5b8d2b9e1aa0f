//! Callers, runtime and connections on several threads: every answer reaches the caller it belongs to, also when
//! callers give up at any moment.

mod support;

use std::time::Duration;

use hearth_runtime_api::RuntimeAnswer;
use support::{
    Client, Extension, MAX_RESPONSE_BYTES, NEXT, PATIENCE, Reply, invocation, post, serve, serve_extensions,
};
use tokio::io::AsyncWriteExt;

const INVOCATIONS: u64 = 5_000;

/// Answers every event with its payload until the API closes.
async fn echo(mut client: Client, pipelined: bool) {
    async fn reply(client: &mut Client) -> Option<Reply> {
        loop {
            match client.buffered_reply() {
                Some(reply) => return Some(reply),
                None if client.read_once().await == 0 => return None,
                None => {}
            }
        }
    }
    let mut request = NEXT.to_owned();
    while client.stream.write_all(request.as_bytes()).await.is_ok() {
        let Some(event) = reply(&mut client).await else { return };
        assert_eq!(event.status, 200, "{event:?}");
        let id = event.header("Lambda-Runtime-Aws-Request-Id").expect("id");
        request = post(&format!("invocation/{id}/response"), event.text());
        if pipelined {
            request.push_str(NEXT);
        }
        if client.stream.write_all(request.as_bytes()).await.is_err() || reply(&mut client).await.is_none() {
            return;
        }
        request = if pipelined { String::new() } else { NEXT.to_owned() };
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_answer_reaches_its_caller_while_others_give_up() {
    for pipelined in [true, false] {
        let server = serve(MAX_RESPONSE_BYTES).await;
        let runtime = tokio::spawn(echo(server.connect().await, pipelined));
        let mut given_up = 0;
        for n in 0..INVOCATIONS {
            let payload = n.to_string();
            let invoke = server.api.invoke(invocation(&format!("id-{n}"), payload.clone()));
            // Sooner or later than the answer, by chance.
            let patience = if n % 3 == 0 { Duration::from_micros(n % 97) } else { PATIENCE };
            match tokio::time::timeout(patience, invoke).await {
                Ok(answer) => {
                    assert_eq!(answer, RuntimeAnswer::Response { body: payload.into() }, "pipelined: {pipelined}")
                }
                Err(_) if n % 3 == 0 => given_up += 1,
                Err(_) => panic!("invocation {n} hangs, pipelined: {pipelined}"),
            }
        }
        assert!(given_up < INVOCATIONS / 3 + 1);
        server.api.close();
        tokio::time::timeout(PATIENCE, runtime).await.expect("the client ends").expect("client");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn resets_at_any_moment_leave_nothing_behind() {
    let server = serve(MAX_RESPONSE_BYTES).await;
    for n in 0..300_u64 {
        let runtime = tokio::spawn(echo(server.connect().await, n % 2 == 0));
        let invocations = tokio::spawn({
            let api = server.api.clone();
            async move {
                for n in 0.. {
                    if api.invoke(invocation("id", n.to_string())).await == RuntimeAnswer::Closed {
                        return;
                    }
                }
            }
        });
        tokio::time::sleep(Duration::from_micros(n * 7 % 1_000)).await;
        server.api.reset();
        tokio::time::timeout(PATIENCE, runtime).await.expect("its connection is closed").expect("client");
        // An invocation may have begun after the reset: it waits for the next process.
        while !invocations.is_finished() {
            server.api.reset();
            tokio::task::yield_now().await;
        }
        invocations.await.expect("invocations");
    }
}

/// Calls for events until the API closes; gives the request ids it was told.
async fn listen(mut agent: Extension) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        if agent.client.stream.write_all(agent.next_request().as_bytes()).await.is_err() {
            return told;
        }
        let event = loop {
            match agent.client.buffered_reply() {
                Some(reply) => break reply,
                None if agent.client.read_once().await == 0 => return told,
                None => {}
            }
        };
        let event: serde_json::Value = serde_json::from_slice(&event.body).expect("JSON");
        told.push(event["requestId"].as_str().expect("id").to_owned());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_extension_is_told_of_every_invocation_once_and_in_order() {
    let (server, _) = serve_extensions(&["one", "two"]).await;
    let mut agents = Vec::new();
    for name in ["one", "two", "inside"] {
        agents.push(tokio::spawn(listen(Extension::register(&server, name, r#"["INVOKE"]"#).await)));
    }
    let runtime = tokio::spawn(echo(server.connect().await, true));
    server.api.initialized().await.expect("ready");
    let mut ids = Vec::new();
    for n in 0..2_000_u64 {
        let (id, payload) = (format!("id-{n}"), n.to_string());
        let answer = tokio::time::timeout(PATIENCE, server.api.invoke(invocation(&id, payload.clone()))).await;
        assert_eq!(answer.expect("invocation hangs"), RuntimeAnswer::Response { body: payload.into() });
        tokio::time::timeout(PATIENCE, server.api.runtime_done()).await.expect("never done").expect("done");
        tokio::time::timeout(PATIENCE, server.api.settled()).await.expect("never settled").expect("settled");
        ids.push(id);
    }
    server.api.close();
    tokio::time::timeout(PATIENCE, runtime).await.expect("the client ends").expect("client");
    for agent in agents {
        assert_eq!(tokio::time::timeout(PATIENCE, agent).await.expect("the client ends").expect("client"), ids);
    }
}
