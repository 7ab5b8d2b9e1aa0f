//! Cold starts and what idle costs, all through the real Invoke: one at a time, many at once, at a steady rate, with
//! prepared slots and without; memory of the pool and of idle environments; freezing. Beside each what the machine
//! itself takes for the bare interpreter in the same run.

mod crowd;
mod freeze;
pub(crate) mod starts;
mod steady;
mod summary;

use std::time::Duration;

use self::summary::{Memory, Summary};
use crate::functions;
use crate::interpreters::Interpreters;
use crate::null_runtime::Client;
use crate::server::Server;
use crate::{BenchError, Outcome, ProgramArgs, memory};

/// However slow the machine, it ends.
const RUN_MAX: Duration = Duration::from_secs(900);
/// Of the smaller crowds that idle environments are made in. Where it is too short there are fewer of them, and the
/// row says how many.
const IDLE_HOLD: Duration = Duration::from_secs(4);
const NO_POOL: &str = "[pool]\ndepth_max = 0\n";
/// So short that a function asked again after [`steady::FUNCTIONS`] others finds no environment.
const SHORT_LIVES: &str = "[execution]\nidle_timeout_seconds = 1\n";

#[derive(clap::Args, Clone)]
pub(crate) struct ColdArgs {
    /// Everything shorter and smaller: to see that it works, not to compare.
    #[arg(long)]
    pub(crate) quick: bool,
}

/// How much of everything.
struct Scale {
    /// Cold starts one at a time, of each runtime, with the pool and without.
    starts: u32,
    /// First invocations at once.
    crowd: u32,
    /// Of cold starts at a steady rate.
    steady: Duration,
    /// Idle environments, made in so many crowds.
    idle_crowds: u32,
    idle_crowd: u32,
}

const FULL: Scale = Scale { starts: 100, crowd: 200, steady: Duration::from_secs(60), idle_crowds: 5, idle_crowd: 100 };
const QUICK: Scale = Scale { starts: 10, crowd: 40, steady: Duration::from_secs(6), idle_crowds: 2, idle_crowd: 25 };

/// Prints what was measured; gives every figure as a line of JSON.
pub(crate) async fn run(program: &ProgramArgs, args: &ColdArgs) -> Result<Outcome, BenchError> {
    let scale = if args.quick { QUICK } else { FULL };
    let mut summary = Summary::default();
    if args.quick {
        summary.note("QUICK: too few of everything to be compared".to_owned());
    }
    tokio::time::timeout(RUN_MAX, measure(program, &scale, &mut summary))
        .await
        .map_err(|_| BenchError::Other(format!("not done after {RUN_MAX:?}: given up")))??;
    eprint!("\r{:60}\r", "");
    summary.print();
    Ok(Outcome { json_lines: summary.json_lines(), has_failed: summary.has_failed() })
}

async fn measure(program: &ProgramArgs, scale: &Scale, summary: &mut Summary) -> Result<(), BenchError> {
    let hearth = program.hearth()?;
    let interpreters = Interpreters::find(&program.runtimes);
    let clients: Vec<Client> = Client::ALL.into_iter().filter(|client| interpreters.of(*client).is_some()).collect();
    for client in Client::ALL.into_iter().filter(|client| !clients.contains(client)) {
        summary.note(format!("SKIPPED {}: no such interpreter on this machine", client.title()));
    }
    let python = interpreters.of(Client::Python);

    let (server, with_pool) = started(&hearth, "").await?;
    create_echoes(&server, &clients).await?;
    for client in &clients {
        let Some(programs) = interpreters.of(*client) else { continue };
        progress(&format!("{}, pool", client.title()));
        let bare = || starts::bare(*client, programs).map(Some);
        let pool = starts::Pool::Full;
        summary.starts(*client, starts::measure(&server, client.function(), bare, scale.starts, pool).await?);
    }
    server.stop()?;

    let (server, without_pool) = started(&hearth, NO_POOL).await?;
    summary.pool(&with_pool, &without_pool);
    create_echoes(&server, &clients).await?;
    for client in &clients {
        let Some(programs) = interpreters.of(*client) else { continue };
        progress(&format!("{}, no pool", client.title()));
        let bare = || starts::bare(*client, programs).map(Some);
        let pool = starts::Pool::Off;
        summary.starts(*client, starts::measure(&server, client.function(), bare, scale.starts, pool).await?);
        progress(&format!("{}, freezing", client.title()));
        match freeze::measure(&server, *client).await {
            Ok(freezing) => summary.freezing(&freezing),
            Err(error) => summary.fail(format!("FAILED freezing, {}: {error}", client.title())),
        }
    }
    server.stop()?;

    let Some(python) = python else {
        summary.note("SKIPPED many at once, steady rate, density: they take Python 3.11".to_owned());
        return Ok(());
    };
    let bare = crowd::bare(python, scale.crowd).await?;
    for (title, configuration) in [("pool", ""), ("no pool", NO_POOL)] {
        progress(&format!("{} at once, {title}", scale.crowd));
        let (server, _) = started(&hearth, configuration).await?;
        crowd::create(&server, "crowd").await?;
        server.rest().await;
        summary.crowd(title, &crowd::measure(&server, "crowd", scale.crowd, crowd::HOLD).await?, bare);
        server.stop()?;
    }

    progress("idle environments");
    let (server, _) = started(&hearth, NO_POOL).await?;
    summary.density(&density(&server, scale).await?);
    server.stop()?;

    progress("steady rate");
    let (server, _) = started(&hearth, SHORT_LIVES).await?;
    match steady::measure(&server, scale.steady, python).await {
        Ok(steady) => summary.steady(&steady),
        // The other rows are worth having.
        Err(error) => summary.fail(format!("FAILED steady rate: {error}")),
    }
    server.stop()
}

/// A server at rest, and what it took.
async fn started(hearth: &std::path::Path, configuration: &str) -> Result<(Server, Memory), BenchError> {
    let before_mib = memory::available_mib()?;
    let server = Server::start_with(hearth, configuration)?;
    server.rest().await;
    let memory = Memory {
        taken_mib: before_mib - memory::available_mib()?,
        server_resident_mib: memory::resident_mib(server.pid())?,
        slots: memory::slots(server.pid())?,
    };
    Ok((server, memory))
}

async fn create_echoes(server: &Server, clients: &[Client]) -> Result<(), BenchError> {
    functions::create_role(server.address).await?;
    for client in clients {
        let (name, text) = client.echo()?;
        let package = functions::package(name, &text)?;
        functions::create(server.address, client.function(), client.runtime(), functions::MEMORY_MB, &package).await?;
    }
    Ok(())
}

/// What idle environments take.
struct Density {
    environments: u32,
    taken_mib: f64,
    proportional_mib: f64,
}

async fn density(server: &Server, scale: &Scale) -> Result<Density, BenchError> {
    let names: Vec<String> = (0..scale.idle_crowds).map(|number| format!("idle-{number}")).collect();
    for name in &names {
        crowd::create(server, name).await?;
    }
    server.rest().await;
    let before_mib = memory::available_mib()?;
    let mut environments = 0;
    for name in &names {
        environments += crowd::measure(server, name, scale.idle_crowd, IDLE_HOLD).await?.environments;
    }
    server.rest().await;
    Ok(Density {
        environments,
        taken_mib: before_mib - memory::available_mib()?,
        proportional_mib: memory::slots(server.pid())?.proportional_mib,
    })
}

fn progress(what: &str) {
    eprint!("\r{:60}\r{what} … ", "");
}
