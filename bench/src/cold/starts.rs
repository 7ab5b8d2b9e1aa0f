//! One cold start at a time: from a request to the answer of an environment that was not there, beside the bare
//! program's start.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::Command;

use crate::null_runtime::{Client, Programs, small_program, stock_program};
use crate::server::Server;
use crate::{BenchError, functions, http, memory};

/// Until the environments of the configuration before have ended, and a slot that was just made is ready.
const ENDING: Duration = Duration::from_millis(30);
/// Until the pool knows what is asked for: the first starts find nothing fit in it.
const WARM_UPS: u32 = 6;
/// The bare program is started before every so many starts only: it varies less, and Node.js takes its time.
const BARE_EVERY: u32 = 4;
/// Pauses between looks whether the pool is full again, and how many of them at most.
const REFILL_POLL: Duration = Duration::from_millis(10);
const REFILL_POLLS_MAX: u32 = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pool {
    /// Each start finds it as full as it was.
    Full,
    Off,
}

/// Sorted.
pub(crate) struct Starts {
    pub(super) pool: Pool,
    /// From the first byte of the request to the last of the answer.
    pub(crate) first_answer: Vec<Duration>,
    /// Start to exit of the interpreter with an empty program, outside any sandbox.
    pub(crate) bare_start: Vec<Duration>,
    /// Starts before which the pool did not get full in time.
    pub(crate) not_full: u32,
}

/// `bare` makes the command of the bare program; `None`: there is none.
pub(crate) async fn measure(
    server: &Server,
    function: &str,
    bare: impl Fn() -> Result<Option<Command>, BenchError>,
    count: u32,
    pool: Pool,
) -> Result<Starts, BenchError> {
    let address = server.address;
    for number in 0..WARM_UPS {
        functions::change(address, function, number).await?;
        http::invoke(address, function, "\"x\"").await?;
    }
    functions::change(address, function, WARM_UPS).await?;
    let full = server.rest().await;
    let mut starts = Starts { pool, first_answer: Vec::new(), bare_start: Vec::new(), not_full: 0 };
    for number in 0..count {
        if number % BARE_EVERY == 0
            && let Some(command) = bare()?
        {
            starts.bare_start.push(start_bare(command).await?);
        }
        functions::change(address, function, WARM_UPS + 1 + number).await?;
        if pool == Pool::Full && !is_refilled(server, full).await {
            starts.not_full += 1;
        }
        tokio::time::sleep(ENDING).await;
        starts.first_answer.push(http::invoke(address, function, "\"x\"").await?.elapsed);
    }
    // Ends the last one.
    functions::change(address, function, WARM_UPS + 1 + count).await?;
    starts.first_answer.sort_unstable();
    starts.bare_start.sort_unstable();
    Ok(starts)
}

async fn is_refilled(server: &Server, full: usize) -> bool {
    for _ in 0..REFILL_POLLS_MAX {
        if memory::descendants(server.pid()).len() >= full {
            return true;
        }
        tokio::time::sleep(REFILL_POLL).await;
    }
    false
}

async fn start_bare(mut command: Command) -> Result<Duration, BenchError> {
    let from = Instant::now();
    let status = command.status().await.map_err(BenchError::io("bare start"))?;
    let elapsed = from.elapsed();
    if status.success() { Ok(elapsed) } else { Err(BenchError::Other(format!("a bare start ended with {status}"))) }
}

/// The interpreter with an empty program; where there is none, the function itself, which ends before its first event.
pub(super) fn bare(client: Client, programs: &Programs) -> Result<Command, BenchError> {
    let mut command = match client {
        Client::Stock => with(Command::new(stock_program()?), &["end"]),
        Client::Small => with(Command::new(small_program()?), &["end"]),
        Client::Python => with(Command::new(&programs.python), &["-I", "-S", "-c", "pass"]),
        Client::Node => with(Command::new(&programs.node), &["-e", "0"]),
    };
    command.envs(programs.library_path.iter().map(|path| ("LD_LIBRARY_PATH", path)));
    Ok(command)
}

/// A program that says nothing and ends with us.
pub(crate) fn with(mut command: Command, arguments: &[&str]) -> Command {
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    command
}
