//! `hearth runtimes`: which runtimes there are, what this machine has of them, and how the others are had.

mod debian;
mod image;
mod install;
mod list;
mod recipe;
mod record;
mod tool;

use std::path::PathBuf;
use std::process::ExitCode;

use hearth_sandbox::runtimes::Search;
use hearth_store::DataDir;

use super::Failure;
use crate::config::{Config, DataLocation, Overrides};

#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Interpreters that are installed on this machine are found by themselves: in PATH, and those of pyenv, uv, nvm, \
                  fnm, rbenv, rvm, asdf, mise, SDKMAN, JAVA_HOME, DOTNET_ROOT and /usr/lib/jvm. A server notices within \
                  seconds what comes while it runs.\n\n  \
                  hearth runtimes\n  \
                  hearth runtimes install nodejs22.x\n  \
                  hearth runtimes install ruby3.3\n  \
                  hearth runtimes install java21 --image public.ecr.aws/lambda/java:21"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,

    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    settings: Settings,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Get the interpreter of a runtime into the data directory, or give it a container image
    Install(install::Args),
}

/// As `hearth up` takes them.
#[derive(clap::Args, Clone)]
struct Settings {
    /// Data directory of the server (default: the one `hearth up` uses)
    #[arg(long = "data", value_name = "DIR", env = "HEARTH_DATA", id = "data-directory")]
    data: Option<PathBuf>,

    /// The server's configuration file: its data directory, the images of its runtimes, and where images come from
    #[arg(long = "config", value_name = "FILE", env = "HEARTH_CONFIG", id = "configuration-file")]
    config: Option<PathBuf>,
}

impl Settings {
    fn load(&self) -> Result<Config, Failure> {
        let flags = Overrides { data: self.data.clone(), ..Overrides::default() };
        Config::load(self.config.as_deref(), flags).map_err(|error| Failure::new(error.to_string()))
    }

    /// Where runtimes are installed.
    fn runtimes(config: &Config) -> Result<PathBuf, Failure> {
        match &config.data {
            DataLocation::Directory(data) => Ok(DataDir::runtimes_of(data)),
            DataLocation::Ephemeral => {
                Err(Failure::new("a server that is ephemeral keeps no runtimes: give another one's with --data DIR"))
            }
        }
    }
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    match &args.command {
        Some(Command::Install(args)) => install::run(args),
        None => list::run(&args.settings.load()?, args.json),
    }
}

/// As the server looks for interpreters.
fn search(runtimes: PathBuf) -> Search {
    Search::from_environment().with_installed(runtimes)
}
