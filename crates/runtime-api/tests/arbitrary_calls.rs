//! Whatever runtime, extensions and owner do, in whatever order: no panic, no hang, never an answer for somebody else,
//! and the next start of the environment is served.

mod support;

use std::time::Duration;

use hearth_runtime_api::event::{LogRecord, Record};
use hearth_runtime_api::{Assignment, RuntimeAnswer, RuntimeApi, ShutdownReason, TelemetryEvent};
use proptest::prelude::*;
use serde_json::json;
use support::{
    Client, Extension, NEXT, NOW_MS, PATIENCE, Server, identity, invocation, post, register, request, serve_as,
    settings,
};
use tokio::io::AsyncWriteExt;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// One thing that somebody does. Numbers choose a connection or an extension.
#[derive(Clone, Debug)]
enum Act {
    Send {
        connection: usize,
        call: Call,
    },
    HangUp {
        connection: usize,
    },
    Invoke,
    /// The caller of every invocation goes.
    Abandon,
    Publish,
    Exit {
        extension: usize,
    },
    ShutDown,
    Freeze(bool),
    Assign,
    Reset,
    Pause,
}

#[derive(Clone, Debug)]
enum Call {
    Next,
    Response,
    InitError,
    Assignment,
    Register { extension: usize, shutdown: bool },
    ExtensionNext { extension: usize },
    ExtensionError { extension: usize, path: &'static str },
    Subscribe { extension: usize, path: &'static str, port: u16 },
}

const CONNECTIONS: usize = 4;
const EXTENSIONS: usize = 3;

fn call() -> impl Strategy<Value = Call> {
    let extension = 0..EXTENSIONS;
    prop_oneof![
        3 => Just(Call::Next),
        3 => Just(Call::Response),
        1 => Just(Call::InitError),
        1 => Just(Call::Assignment),
        4 => (extension.clone(), any::<bool>()).prop_map(|(extension, shutdown)| Call::Register { extension, shutdown }),
        6 => extension.clone().prop_map(|extension| Call::ExtensionNext { extension }),
        1 => (extension.clone(), prop_oneof![Just("init/error"), Just("exit/error")])
            .prop_map(|(extension, path)| Call::ExtensionError { extension, path }),
        2 => (extension, prop_oneof![Just("/2022-07-01/telemetry"), Just("/2020-08-15/logs")], 1..3_u16)
            .prop_map(|(extension, path, port)| Call::Subscribe { extension, path, port }),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let connection = 0..CONNECTIONS;
    prop_oneof![
        20 => (connection.clone(), call()).prop_map(|(connection, call)| Act::Send { connection, call }),
        2 => connection.prop_map(|connection| Act::HangUp { connection }),
        3 => Just(Act::Invoke),
        1 => Just(Act::Abandon),
        2 => Just(Act::Publish),
        1 => (0..EXTENSIONS).prop_map(|extension| Act::Exit { extension }),
        1 => Just(Act::ShutDown),
        1 => any::<bool>().prop_map(Act::Freeze),
        1 => Just(Act::Assign),
        1 => Just(Act::Reset),
        4 => Just(Act::Pause),
    ]
}

/// Everybody at once.
struct World {
    server: Server,
    connections: Vec<Client>,
    /// Identifiers that were given out, by extension.
    ids: Vec<String>,
    invocations: usize,
    answers: JoinSet<(String, RuntimeAnswer)>,
    shutdowns: JoinSet<()>,
}

fn name(extension: usize) -> String {
    format!("agent-{extension}")
}

impl World {
    async fn new(prepared: bool) -> Self {
        let (mut settings, _) = settings();
        settings.prepared = prepared;
        let server = serve_as(RuntimeApi::with(settings)).await;
        server.api.expect_extensions([name(0)]).expect("one");
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(server.connect().await);
        }
        let ids = vec!["a1b2c3d4-5678-90ab-cdef-000000000000".to_owned(); EXTENSIONS];
        Self { server, connections, ids, invocations: 0, answers: JoinSet::new(), shutdowns: JoinSet::new() }
    }

    fn request(&self, call: &Call) -> String {
        let id = |extension: usize| format!("Lambda-Extension-Identifier: {}\r\n", self.ids[extension]);
        match call {
            Call::Next => NEXT.to_owned(),
            Call::Response => {
                let current = self.invocations;
                post(&format!("invocation/id-{current}/response"), &current.to_string())
            }
            Call::InitError => post("init/error", "{}"),
            Call::Assignment => request("GET", "/2018-06-01/hearth/assignment", "", ""),
            Call::Register { extension, shutdown } => {
                register(&name(*extension), if *shutdown { r#"["INVOKE","SHUTDOWN"]"# } else { r#"["INVOKE"]"# })
            }
            Call::ExtensionNext { extension } => {
                request("GET", "/2020-01-01/extension/event/next", &id(*extension), "")
            }
            Call::ExtensionError { extension, path } => {
                let headers = format!("{}Lambda-Extension-Function-Error-Type: Extension.X\r\n", id(*extension));
                request("POST", &format!("/2020-01-01/extension/{path}"), &headers, "{}")
            }
            Call::Subscribe { extension, path, port } => {
                let body = json!({
                    "schemaVersion": if path.contains("logs") { "2021-03-18" } else { "2022-12-13" },
                    "types": ["platform", "function"],
                    "buffering": { "timeoutMs": 25 },
                    "destination": { "protocol": "TCP", "port": port },
                });
                request("PUT", path, &id(*extension), &body.to_string())
            }
        }
    }

    async fn act(&mut self, act: &Act) {
        let api = self.server.api.clone();
        match act {
            Act::Send { connection, call } => {
                let request = self.request(call);
                let client = &mut self.connections[*connection];
                if client.stream.write_all(request.as_bytes()).await.is_err() {
                    self.connections[*connection] = self.server.connect().await;
                } else if let Call::Register { extension, .. } = call {
                    // Only what a registration gave out can be used further. A connection that waits answers nothing.
                    let reply = tokio::time::timeout(Duration::from_millis(20), client.read_once()).await;
                    let text = String::from_utf8_lossy(&client.buffer).into_owned();
                    if reply.is_ok()
                        && let Some((_, rest)) = text.rsplit_once("Lambda-Extension-Identifier: ")
                    {
                        self.ids[*extension] = rest.chars().take(36).collect();
                    }
                }
            }
            Act::HangUp { connection } => self.connections[*connection] = self.server.connect().await,
            Act::Invoke => {
                self.invocations += 1;
                let (id, payload) = (format!("id-{}", self.invocations), self.invocations.to_string());
                let invocation = invocation(&id, payload.clone());
                self.answers.spawn(async move { (payload, api.invoke(invocation).await) });
                tokio::task::yield_now().await;
            }
            Act::Abandon => self.answers.abort_all(),
            Act::Publish => {
                let record = Record::Function(LogRecord::Text("hello".to_owned()));
                api.publish(&TelemetryEvent { time_ms: NOW_MS, record });
            }
            Act::Exit { extension } => api.extension_exited(&name(*extension), "exit status 1"),
            Act::ShutDown => {
                self.shutdowns.spawn(async move { api.shut_down(ShutdownReason::Failure, 0).await });
                tokio::task::yield_now().await;
            }
            Act::Freeze(frozen) => api.set_frozen(*frozen),
            Act::Assign => drop(api.assign(Assignment { identity: identity(), environment: [].into() })),
            Act::Reset => {
                api.reset();
                api.expect_extensions([name(0)]).expect("one");
            }
            Act::Pause => tokio::time::sleep(Duration::from_millis(1)).await,
        }
        while let Some(answer) = self.answers.try_join_next() {
            check(answer);
        }
    }
}

/// An answer that came is the one to the invocation it is for.
fn check(answer: Result<(String, RuntimeAnswer), tokio::task::JoinError>) {
    match answer {
        Ok((payload, RuntimeAnswer::Response { body })) => assert_eq!(&body[..], payload.as_bytes()),
        Ok((_, RuntimeAnswer::Closed)) => {}
        Ok(other) => panic!("{other:?}"),
        Err(error) => assert!(error.is_cancelled(), "{error}"),
    }
}

async fn play(prepared: bool, acts: &[Act]) {
    let mut world = World::new(prepared).await;
    for act in acts {
        world.act(act).await;
    }
    let World { server, mut answers, mut shutdowns, connections, .. } = world;
    let ended = async {
        // A task may have begun after a reset: the next one ends it.
        while !answers.is_empty() || !shutdowns.is_empty() {
            server.api.reset();
            tokio::time::sleep(Duration::from_millis(1)).await;
            while let Some(answer) = answers.try_join_next() {
                check(answer);
            }
            while let Some(shutdown) = shutdowns.try_join_next() {
                shutdown.expect("shutdown");
            }
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("somebody waits for ever");
    drop(connections);
    server.api.reset();
    serves(&server).await;
    server.api.close();
    server.task.await.expect("serve");
}

/// A whole life of well-behaved processes.
async fn serves(server: &Server) {
    server.api.expect_extensions([name(0)]).expect("one");
    let mut agent = Extension::register(server, &name(0), r#"["INVOKE","SHUTDOWN"]"#).await;
    agent.ask().await;
    let mut runtime = server.connect().await;
    runtime.send(NEXT).await;
    tokio::time::timeout(PATIENCE, server.api.initialized()).await.expect("init hangs").expect("ready");
    let answer = server.invoke("after", "1");
    assert_eq!(runtime.reply().await.text(), "1");
    assert_eq!(agent.event().await["requestId"], "after");
    runtime.send(format!("{}{NEXT}", post("invocation/after/response", "2"))).await;
    answer.await.expect("answer");
    agent.ask().await;
    tokio::time::timeout(PATIENCE, server.api.settled()).await.expect("it never settles").expect("settled");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_calls_neither_panic_nor_hang(prepared: bool, acts in proptest::collection::vec(act(), 0..40)) {
        let runtime = Runtime::new().expect("runtime");
        runtime.block_on(play(prepared, &acts));
    }
}
