//! Runtime clients against the Runtime API alone: what one invocation costs a client before any platform is around it.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use hearth_runtime_api::{Invocation, RuntimeAnswer, RuntimeApi};
use hearth_types::limits::INVOKE_RESPONSE_BYTES_MAX;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::report::{self, Measurement};
use crate::{BenchError, RunArgs};

/// How long a client may take until it asks for its first event.
const START_MAX: Duration = Duration::from_secs(10);

pub(crate) const ECHO_PYTHON: &str = "def handler(event, context):\n    return event\n";
pub(crate) const ECHO_NODE: &str = "export const handler = async (event) => event;\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Client {
    Stock,
    /// One that does nothing but what it must.
    Small,
    Python,
    Node,
}

impl Client {
    pub(crate) const ALL: [Self; 4] = [Self::Stock, Self::Small, Self::Python, Self::Node];

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Stock => "stock lambda_runtime",
            Self::Small => "own small client",
            Self::Python => "own Python bootstrap",
            Self::Node => "own Node.js bootstrap",
        }
    }
}

pub(crate) struct Programs {
    /// The folder of the own bootstraps.
    pub(crate) runtimes: PathBuf,
    pub(crate) python: PathBuf,
    pub(crate) node: PathBuf,
    /// Where an interpreter finds its shared library, if it must be told.
    pub(crate) library_path: Option<PathBuf>,
}

/// The function on AWS's own Rust client, beside this program.
pub(crate) fn stock_program() -> Result<PathBuf, BenchError> {
    beside("bench-echo")
}

/// The function on the smallest client.
pub(crate) fn small_program() -> Result<PathBuf, BenchError> {
    beside("bench-small")
}

fn beside(name: &str) -> Result<PathBuf, BenchError> {
    Ok(std::env::current_exe().map_err(BenchError::io("this program"))?.with_file_name(name))
}

impl Programs {
    pub(crate) fn command(&self, client: Client) -> Result<Command, BenchError> {
        let bootstrap = |path: &str| {
            let path = self.runtimes.join(path);
            path.canonicalize().map_err(BenchError::io(format!("{} (use --runtimes)", path.display())))
        };
        let mut command = match client {
            Client::Stock => Command::new(stock_program()?),
            Client::Small => Command::new(small_program()?),
            Client::Python => {
                let mut command = Command::new(&self.python);
                command.args(["-I", "-S"]).arg(bootstrap("python/bootstrap.py")?);
                command
            }
            Client::Node => {
                let mut command = Command::new(&self.node);
                command.arg(bootstrap("node/bootstrap.cjs")?);
                command
            }
        };
        command.envs(self.library_path.iter().map(|path| ("LD_LIBRARY_PATH", path)));
        Ok(command)
    }
}

pub(crate) async fn print(args: &RunArgs, clients: &[Client], programs: &Programs) -> Result<(), BenchError> {
    let task_root = TaskRoot::create()?;
    let mut measured = Vec::new();
    for client in Client::ALL {
        if !clients.is_empty() && !clients.contains(&client) {
            continue;
        }
        match measure(args, client, programs, &task_root).await {
            Ok(measurement) => measured.push(measurement),
            Err(BenchError::Io { what, source })
                if clients.is_empty() && source.kind() == std::io::ErrorKind::NotFound =>
            {
                eprintln!("SKIPPED {}: {what}: {source}", client.title());
            }
            Err(error) => return Err(error),
        }
    }
    report::print("null-runtime", measured);
    Ok(())
}

/// The echo functions, deleted with the value.
pub(crate) struct TaskRoot(PathBuf);

impl TaskRoot {
    pub(crate) fn create() -> Result<Self, BenchError> {
        let root = Self(std::env::temp_dir().join(format!("hearth-bench-{}", std::process::id())));
        std::fs::create_dir_all(&root.0).map_err(BenchError::io("temporary folder"))?;
        for (name, text) in [("app.py", ECHO_PYTHON), ("app.mjs", ECHO_NODE)] {
            std::fs::write(root.0.join(name), text).map_err(BenchError::io(name))?;
        }
        Ok(root)
    }
}

impl Drop for TaskRoot {
    fn drop(&mut self) {
        // A folder left in the temporary directory is no reason to fail.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// One client's turn-around, one event at a time.
pub(crate) async fn measure(
    args: &RunArgs,
    client: Client,
    programs: &Programs,
    task_root: &TaskRoot,
) -> Result<Measurement, BenchError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(BenchError::io("listen"))?;
    let address = listener.local_addr().map_err(BenchError::io("listen"))?;
    let api = RuntimeApi::new(INVOKE_RESPONSE_BYTES_MAX);
    let serving = api.serve(listener);
    let mut process = programs
        .command(client)?
        .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
        .env("LAMBDA_TASK_ROOT", &task_root.0)
        .envs([("_HANDLER", "app.handler"), ("AWS_LAMBDA_FUNCTION_NAME", "echo"), ("AWS_LAMBDA_FUNCTION_VERSION", "1")])
        .envs([("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769"), ("AWS_LAMBDA_LOG_GROUP_NAME", "g")])
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "s")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(BenchError::io(client.title()))?;
    let ready = tokio::time::timeout(START_MAX, api.ready()).await;
    if !matches!(ready, Ok(Ok(()))) {
        return Err(BenchError::Other(format!("{} did not start: {ready:?}", client.title())));
    }
    let invocation = Invocation {
        request_id: "8476a536-e9f4-11e8-9739-2dfe598c3fcd".into(),
        deadline_ms: i64::MAX / 2,
        invoked_arn: "arn:aws:lambda:us-east-1:000000000000:function:echo".to_owned(),
        trace: Some("Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700".into()),
        client_context: None,
        content_type: None,
        payload: args.payload().into(),
        sink: None,
    };
    let start = Instant::now() + args.warm_up();
    let end = start + args.duration();
    let mut latencies = Vec::with_capacity(1 << 18);
    loop {
        let event = invocation.clone();
        let from = Instant::now();
        if from >= end {
            break;
        }
        match api.invoke(event).await {
            RuntimeAnswer::Response { body } if body == invocation.payload => {}
            other => return Err(BenchError::Other(format!("{} answered {other:?}", client.title()))),
        }
        if from >= start {
            latencies.push(from.elapsed());
        }
    }
    api.close();
    process.kill().await.map_err(BenchError::io(client.title()))?;
    serving.await.map_err(|error| BenchError::Other(error.to_string()))?;
    Ok(Measurement {
        what: client.title().to_owned(),
        cores: args.cores(),
        connections: 1,
        asked_rate: None,
        elapsed: args.duration(),
        latencies,
    })
}
