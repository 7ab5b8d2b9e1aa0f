//! The command line. One file per command.

mod audit;
mod backup;
mod ca;
mod client;
mod doctor;
mod invoke;
mod logs;
mod progress;
mod restore;
mod root_key;
mod runtimes;
mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hearth_types::Region;

/// AWS Lambda on your own machines.
#[derive(Parser)]
#[command(
    name = "hearth",
    version,
    about = "AWS Lambda on your own machines",
    long_about = "AWS Lambda on your own machines: one binary that speaks the AWS APIs and runs functions in isolated execution environments.",
    after_help = "Start with:\n  hearth up                                   # serve on http://127.0.0.1:4566\n  export AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1\n  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test\n  aws lambda create-function ...              # any AWS client works unmodified\n  hearth invoke my-function -p '{\"name\": \"you\"}'\n  hearth logs -f my-function\n\n`hearth doctor` says what isolation this machine gives and what is missing, `hearth runtimes`\nwhich runtimes functions can have here."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server
    Up(up::Args),
    /// Invoke a function and print its answer
    Invoke(invoke::Args),
    /// Print a function's log lines
    Logs(logs::Args),
    /// Print who did what, what was decided, and why
    Audit(audit::Args),
    /// Write everything a data directory holds into one file, while the server runs or not
    Backup(backup::Args),
    /// Bring a backup back into an empty data directory
    Restore(restore::Args),
    /// Make a root access key for an account, while no server runs
    RootKey(root_key::Args),
    /// Say how clients trust this server's HTTPS
    Ca(ca::Args),
    /// Say what isolation this machine gives and what is missing
    Doctor(doctor::Args),
    /// List the runtimes and what this machine has of them, or install one
    Runtimes(runtimes::Args),
}

/// Where the commands that talk to a running server find it.
#[derive(clap::Args, Clone)]
struct Target {
    /// Address of the Hearth server
    #[arg(long, env = "AWS_ENDPOINT_URL", default_value = "http://127.0.0.1:4566", global = true)]
    endpoint: String,

    /// Region the function lives in [also: AWS_DEFAULT_REGION]
    #[arg(long, env = "AWS_REGION", default_value_t = default_region(), global = true)]
    region: String,

    /// Access key id; twelve digits select that account on a server in open mode
    #[arg(long, env = "AWS_ACCESS_KEY_ID", default_value = "test", hide_env_values = true, global = true)]
    access_key_id: String,

    /// Secret of the access key
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", default_value = "test", hide_env_values = true, global = true)]
    secret_access_key: String,

    /// Token of temporary credentials
    #[arg(long, env = "AWS_SESSION_TOKEN", hide_env_values = true, global = true)]
    session_token: Option<String>,
}

/// boto3 and version 1 of the AWS CLI read this name only.
fn default_region() -> String {
    std::env::var("AWS_DEFAULT_REGION").unwrap_or_else(|_| Region::DEFAULT.to_owned())
}

/// One sentence that says what went wrong and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failure(pub(crate) String);

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Up(args) => up::run(args),
        Command::Invoke(args) => invoke::run(args),
        Command::Logs(args) => logs::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Backup(args) => backup::run(&args),
        Command::Restore(args) => restore::run(&args),
        Command::RootKey(args) => root_key::run(&args),
        Command::Ca(args) => ca::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Runtimes(args) => runtimes::run(&args),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("hearth: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// A small runtime for the commands that only send requests.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?
        .block_on(work)
}
