//! `hearth up`: run the server until a signal ends it.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use super::Failure;
use crate::config::{Config, Overrides};
use crate::server;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Address to listen on; port 0 takes a free one and prints it
    #[arg(long, value_name = "ADDRESS:PORT", env = "HEARTH_LISTEN")]
    listen: Option<String>,

    /// Directory that holds functions, code, logs and keys (default: $XDG_DATA_HOME/hearth)
    #[arg(long, value_name = "DIR", env = "HEARTH_DATA", conflicts_with = "ephemeral")]
    data: Option<PathBuf>,

    /// Keep nothing: a fresh directory that is removed at the end
    #[arg(long)]
    ephemeral: bool,

    /// Configuration file (TOML); flags win over it
    #[arg(long, value_name = "FILE", env = "HEARTH_CONFIG")]
    config: Option<PathBuf>,
}

pub(super) fn run(args: Args) -> Result<ExitCode, Failure> {
    let overrides = Overrides { listen: args.listen, data: args.data, ephemeral: args.ephemeral };
    let config = Config::load(args.config.as_deref(), overrides).map_err(|error| Failure::new(error.to_string()))?;
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("HEARTH_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("hearth=info,warn")),
        )
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start the server's threads: {error}")))?;
    runtime.block_on(server::run(config)).map_err(|error| Failure::new(error.to_string()))?;
    // What still blocks in a helper thread (a disk that hangs) must not keep the process alive.
    runtime.shutdown_timeout(server::THREADS_END_MAX);
    Ok(ExitCode::SUCCESS)
}
