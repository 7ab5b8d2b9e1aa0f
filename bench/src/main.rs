//! Measures the warm path (the machine's floor, the Runtime API alone, and a whole server), cold starts, every language, many
//! functions and many log lines.
//!
//! What the numbers mean (ARCHITECTURE: measuring the warm path). On one core,
//! `added = p50(invoke) − p50(floor) − p50(null-runtime)` of the same run is what the platform adds. On two cores
//! wake-ups overlap and the difference means nothing: compare the absolutes there.

mod alarm;
mod cold;
mod cpu;
mod directory;
mod floor;
mod functions;
mod goals;
mod http;
mod interpreters;
mod invoke;
mod languages;
mod load;
mod logs;
mod many;
mod memory;
mod messages;
mod null_runtime;
mod report;
mod server;
mod sign;
mod warm;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// What went wrong, in one sentence.
#[derive(Debug, thiserror::Error)]
enum BenchError {
    #[error("{what}: {source}")]
    Io { what: String, source: std::io::Error },
    #[error("{0}")]
    Other(String),
}

impl BenchError {
    fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

#[derive(Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    about = "Measures Hearth. Without a command everything: see `cold`, `many`, `logs` and `warm`.",
    after_help = "Latencies are microseconds. Without --rate the load is closed: each connection sends its next request \
        when the answer to the one before is there, so a stalled server is asked less often and the tail looks better \
        than a client at a fixed rate would see it (coordinated omission). With --rate requests are due at fixed times \
        and latency counts from when a request was due.\n\n\
        Every measurement is printed as a row of a table and, below it, as one line of JSON."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    all: AllArgs,
}

#[derive(Args, Clone)]
struct AllArgs {
    #[command(flatten)]
    program: ProgramArgs,
    #[command(flatten)]
    warm: warm::WarmArgs,
    #[command(flatten)]
    cold: cold::ColdArgs,
    #[command(flatten)]
    logs: logs::LogsArgs,
    #[command(flatten)]
    messages: messages::MessagesArgs,
}

/// Which server, and where the figures go.
#[derive(Args, Clone)]
struct ProgramArgs {
    /// Where to write every figure, one line of JSON each.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The server program. Default: beside this one.
    #[arg(long, value_name = "FILE")]
    hearth: Option<PathBuf>,
    /// The folder that holds python/bootstrap.py and node/bootstrap.cjs.
    #[arg(long, default_value = "runtimes")]
    runtimes: PathBuf,
}

impl ProgramArgs {
    fn hearth(&self) -> Result<PathBuf, BenchError> {
        match &self.hearth {
            Some(program) => Ok(program.clone()),
            None => Ok(std::env::current_exe().map_err(BenchError::io("this program"))?.with_file_name("hearth")),
        }
    }
}

/// What a part measured, printed already.
struct Outcome {
    json_lines: String,
    /// Something is missing that should have been measured.
    has_failed: bool,
}

#[derive(Subcommand)]
enum Command {
    /// The floor, the Runtime API alone and a server of its own, on one core and on two; its memory. Beside the goals.
    Warm {
        #[command(flatten)]
        program: ProgramArgs,
        #[command(flatten)]
        warm: warm::WarmArgs,
    },
    /// Cold starts with the pool and without, many at once, at a steady rate; the pool's and idle environments' memory;
    /// freezing. On servers of its own, beside the bare interpreters and the goals.
    Cold {
        #[command(flatten)]
        program: ProgramArgs,
        #[command(flatten)]
        cold: cold::ColdArgs,
    },
    /// Every runtime this machine has: cold starts with the pool and without, warm invocations, memory; beside the bare
    /// interpreter.
    Languages {
        #[command(flatten)]
        program: ProgramArgs,
        #[command(flatten)]
        languages: languages::LanguagesArgs,
    },
    /// A server with 10,000 functions, 100 versions and 1,000 layers: lists, start-up, and the warm path beside one with ten.
    Many {
        #[command(flatten)]
        program: ProgramArgs,
        #[command(flatten)]
        many: many::ManyArgs,
    },
    /// 50,000 log lines a second: another function's latency, the server's memory, and whether all are kept.
    Logs {
        #[command(flatten)]
        program: ProgramArgs,
        #[command(flatten)]
        logs: logs::LogsArgs,
    },
    /// Asynchronous invocations accepted, messages through a queue, with few and many that wait; beside the disk's limit.
    Messages {
        #[command(flatten)]
        program: ProgramArgs,
        #[command(flatten)]
        messages: messages::MessagesArgs,
    },
    /// A bare HTTP echo over loopback: what this machine can do at all.
    Floor {
        #[command(flatten)]
        load: LoadArgs,
    },
    /// Runtime clients against the Runtime API with nothing around it.
    NullRuntime {
        #[command(flatten)]
        run: RunArgs,
        /// Which clients: stock (AWS's Rust client), python, node. Default: all that are there.
        #[arg(long, value_delimiter = ',')]
        clients: Vec<null_runtime::Client>,
        /// The folder that holds python/bootstrap.py and node/bootstrap.cjs.
        #[arg(long, default_value = "runtimes")]
        runtimes: PathBuf,
        /// Python 3.11 to run the Python bootstrap with.
        #[arg(long, default_value = "python3.11")]
        python: PathBuf,
        /// Node.js 20 to run the Node.js bootstrap with.
        #[arg(long, default_value = "node")]
        node: PathBuf,
    },
    /// A running Hearth server's Invoke, with signed requests.
    Invoke {
        #[command(flatten)]
        load: LoadArgs,
        /// The server, for example http://127.0.0.1:4566.
        #[arg(long)]
        endpoint: String,
        /// Name of an existing function (no qualifier).
        #[arg(long)]
        function: String,
        #[arg(long, default_value = "us-east-1", env = "AWS_REGION")]
        region: String,
        #[arg(long, env = "AWS_ACCESS_KEY_ID")]
        access_key_id: String,
        /// The signature is verified only if the server knows the key.
        #[arg(long, env = "AWS_SECRET_ACCESS_KEY", hide_env_values = true)]
        secret_access_key: String,
        #[arg(long, env = "AWS_SESSION_TOKEN", hide_env_values = true)]
        session_token: Option<String>,
    },
    /// The server of `floor`; prints its port.
    #[command(hide = true)]
    EchoServer {
        #[arg(long)]
        one_core: bool,
    },
}

#[derive(Args, Clone)]
struct RunArgs {
    /// How long to measure.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How long to warm up before. Default: a tenth of --seconds.
    #[arg(long)]
    warm_up_ms: Option<u64>,
    /// Pins everything this program starts to one core. Start the Hearth server on the same core yourself.
    #[arg(long)]
    one_core: bool,
    /// The core of --one-core.
    #[arg(long, default_value_t = 0)]
    core: usize,
    /// Bytes of JSON sent as the event.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(2..=6_000_000))]
    payload_bytes: u32,
}

impl RunArgs {
    const fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    fn warm_up(&self) -> Duration {
        Duration::from_millis(self.warm_up_ms.unwrap_or(self.seconds * 100))
    }

    /// A JSON string of the wanted size.
    fn payload(&self) -> String {
        format!("\"{}\"", "x".repeat(self.payload_bytes as usize - 2))
    }

    const fn cores(&self) -> &'static str {
        if self.one_core { "one" } else { "all" }
    }
}

#[derive(Args, Clone)]
struct LoadArgs {
    #[command(flatten)]
    run: RunArgs,
    /// Connections, each with one request at a time. Several numbers are measured one after the other.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 32])]
    connections: Vec<usize>,
    /// Requests per second over all connections together, due at fixed times. Default: closed loop.
    #[arg(long)]
    rate: Option<f64>,
}

fn main() -> ExitCode {
    let Cli { command, all } = Cli::parse();
    let done = match command {
        Some(command) => run(command),
        None => run_all(&all),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hearth-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), BenchError> {
    match command {
        Command::Floor { load } => {
            cpu::pin_if(load.run.one_core, load.run.core)?;
            runtime()?.block_on(floor::print(&load))
        }
        Command::NullRuntime { run, clients, runtimes, python, node } => {
            cpu::pin_if(run.one_core, run.core)?;
            let programs = null_runtime::Programs { runtimes, python, node, library_path: None };
            runtime()?.block_on(null_runtime::print(&run, &clients, &programs))
        }
        Command::Invoke { load, endpoint, function, region, access_key_id, secret_access_key, session_token } => {
            cpu::pin_if(load.run.one_core, load.run.core)?;
            let keys = sign::Keys { access_key_id, secret_access_key, session_token, region };
            runtime()?.block_on(invoke::print(&load, &endpoint, &function, keys))
        }
        Command::Warm { program, warm } => finish(&program, [runtime()?.block_on(warm::run(&program, &warm))?]),
        Command::Cold { program, cold } => finish(&program, [runtime()?.block_on(cold::run(&program, &cold))?]),
        Command::Languages { program, languages } => {
            finish(&program, [runtime()?.block_on(languages::run(&program, &languages))?])
        }
        Command::Many { program, many } => finish(&program, [runtime()?.block_on(many::run(&program, &many))?]),
        Command::Logs { program, logs } => finish(&program, [runtime()?.block_on(logs::run(&program, &logs))?]),
        Command::Messages { program, messages } => {
            finish(&program, [runtime()?.block_on(messages::run(&program, &messages))?])
        }
        Command::EchoServer { one_core } => floor::serve(one_core),
    }
}

fn run_all(AllArgs { program, warm, cold, logs, messages }: &AllArgs) -> Result<(), BenchError> {
    let (many, languages) = (many::ManyArgs { quick: cold.quick }, languages::LanguagesArgs::usual(cold.quick));
    // Cold starts come first: the warm part leaves this program pinned.
    let cold = runtime()?.block_on(cold::run(program, cold))?;
    println!();
    let languages = runtime()?.block_on(languages::run(program, &languages))?;
    println!();
    let many = runtime()?.block_on(many::run(program, &many))?;
    println!();
    let logs = runtime()?.block_on(logs::run(program, logs))?;
    println!();
    let messages = runtime()?.block_on(messages::run(program, messages))?;
    println!();
    let warm = runtime()?.block_on(warm::run(program, warm))?;
    finish(program, [cold, languages, many, logs, messages, warm])
}

fn finish<const N: usize>(program: &ProgramArgs, parts: [Outcome; N]) -> Result<(), BenchError> {
    if let Some(path) = &program.json {
        let lines: String = parts.iter().map(|part| part.json_lines.as_str()).collect();
        std::fs::write(path, lines).map_err(BenchError::io(path.display().to_string()))?;
    }
    if parts.iter().any(|part| part.has_failed) {
        return Err(BenchError::Other("some rows are missing: see above".to_owned()));
    }
    Ok(())
}

/// The measuring side needs no more than one thread.
fn runtime() -> Result<tokio::runtime::Runtime, BenchError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(BenchError::io("tokio"))
}
