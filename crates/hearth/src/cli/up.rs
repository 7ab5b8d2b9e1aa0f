//! `hearth up`: run the server until a signal ends it.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use hearth_sandbox::time_slice::TimeSlice;
use hearth_types::{AuthMode, SandboxAuth};

use super::Failure;
use crate::config::{Config, Freeze, Overrides};
use crate::server;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Address to listen on; port 0 takes a free one and prints it
    #[arg(long, value_name = "ADDRESS:PORT", env = "HEARTH_LISTEN")]
    listen: Option<String>,

    /// Directory that holds functions, code, logs and keys (default:
    /// $XDG_DATA_HOME/hearth, for root /var/lib/hearth)
    #[arg(long, value_name = "DIR", env = "HEARTH_DATA", conflicts_with = "ephemeral")]
    data: Option<PathBuf>,

    /// Keep records in this PostgreSQL database (15 or newer), such as postgres://user@host/database, instead of in the
    /// data directory, which stays the place of code, logs and keys. A password can be given in PGPASSWORD
    /// (docs/stores.md)
    #[arg(long, value_name = "URL", env = "HEARTH_STORE", hide_env_values = true, conflicts_with = "ephemeral")]
    store: Option<String>,

    /// Keep nothing: a fresh directory that is removed at the end
    #[arg(long)]
    ephemeral: bool,

    /// How callers are held to their policies: open (unknown credentials act as root; the default on loopback), soft
    /// (as open, and what would be denied is logged), enforce (the default wherever others can reach the server)
    #[arg(long, value_name = "MODE", env = "HEARTH_AUTH", value_parser = auth_mode)]
    auth: Option<AuthMode>,

    /// How function code is held: role (to its execution role, in every mode; the default), open (as callers from
    /// outside are)
    #[arg(long, value_name = "MODE", env = "HEARTH_SANDBOX_AUTH", value_parser = sandbox_auth)]
    sandbox_auth: Option<SandboxAuth>,

    /// When an idle environment is frozen: auto (at once where that takes microseconds, else after a second), strict
    /// (at once)
    #[arg(long, value_name = "WHEN", env = "HEARTH_FREEZE", value_enum)]
    freeze: Option<Freeze>,

    /// Let retries, ages of events, delays and schedules go N times faster, to see in seconds what takes hours; deadlines
    /// and visibility of messages in flight stay as they are (docs/time.md)
    #[arg(long, value_name = "N", env = "HEARTH_TIME_SCALE")]
    time_scale: Option<u32>,

    /// Configuration file (TOML); flags win over it
    #[arg(long, value_name = "FILE", env = "HEARTH_CONFIG")]
    config: Option<PathBuf>,
}

fn auth_mode(text: &str) -> Result<AuthMode, String> {
    [AuthMode::Open, AuthMode::Soft, AuthMode::Enforce]
        .into_iter()
        .find(|mode| mode.as_str() == text)
        .ok_or_else(|| "it is open, soft or enforce".to_owned())
}

fn sandbox_auth(text: &str) -> Result<SandboxAuth, String> {
    match text {
        "role" => Ok(SandboxAuth::Role),
        "open" => Ok(SandboxAuth::Open),
        _ => Err("it is role or open".to_owned()),
    }
}

pub(super) fn run(args: Args) -> Result<ExitCode, Failure> {
    let overrides = Overrides {
        listen: args.listen,
        data: args.data,
        store: args.store,
        ephemeral: args.ephemeral,
        auth: args.auth,
        sandbox_auth: args.sandbox_auth,
        freeze: args.freeze,
        time_scale: args.time_scale,
    };
    let config = Config::load(args.config.as_deref(), overrides).map_err(|error| Failure::new(error.to_string()))?;
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("HEARTH_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("hearth=info,s3s=off,warn")),
        )
        .init();
    // Before any thread: what is given up then is given up by all of them.
    let prepared = server::prepare(config).map_err(|error| Failure::new(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .on_thread_start(|| TimeSlice::EventLoop.take())
        .build()
        .map_err(|error| Failure::new(format!("cannot start the server's threads: {error}")))?;
    runtime.block_on(server::run(prepared)).map_err(|error| Failure::new(error.to_string()))?;
    // What still blocks in a helper thread (a disk that hangs) must not keep the process alive.
    runtime.shutdown_timeout(server::THREADS_END_MAX);
    Ok(ExitCode::SUCCESS)
}
