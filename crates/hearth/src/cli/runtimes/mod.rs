//! `hearth runtimes`: which runtimes there are, what this machine has of them, and how the others are had.

mod debian;
mod install;
mod list;
mod recipe;
mod tool;

use std::path::PathBuf;
use std::process::ExitCode;

use hearth_sandbox::runtimes::Search;
use hearth_store::DataDir;

use super::Failure;
use crate::config;

#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Interpreters that are installed on this machine are found by themselves: in PATH, and those of pyenv, uv, nvm, \
                  fnm, rbenv, rvm, asdf, mise, SDKMAN, JAVA_HOME, DOTNET_ROOT and /usr/lib/jvm. The server looks for them when \
                  it starts; what `hearth runtimes install` gets it notices while it runs.\n\n  \
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
    data: Data,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Get the interpreter of a runtime into the data directory, or give it a container image
    Install(install::Args),
}

#[derive(clap::Args, Clone)]
struct Data {
    /// Data directory of the server (default: the one `hearth up` uses)
    #[arg(long = "data", value_name = "DIR", env = "HEARTH_DATA", id = "data-directory")]
    directory: Option<PathBuf>,
}

impl Data {
    /// Where runtimes are installed.
    fn runtimes(&self) -> Result<PathBuf, Failure> {
        let data = self.directory.clone().or_else(config::default_data_directory);
        let data = data.ok_or_else(|| Failure::new("cannot tell where the data is: give --data DIR"))?;
        Ok(DataDir::runtimes_of(&data))
    }
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    match &args.command {
        Some(Command::Install(args)) => install::run(args),
        None => list::run(&args.data.runtimes()?, args.json),
    }
}

/// As the server looks for interpreters.
fn search(runtimes: PathBuf) -> Search {
    Search::from_environment().with_installed(runtimes)
}
