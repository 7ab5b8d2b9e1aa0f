//! Cold starts: from a request to the answer of an environment that was not there, beside the bare program's start.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::Command;

use super::{functions, http};
use crate::BenchError;
use crate::null_runtime::{Client, Programs};

/// Until the environments of the configuration before have ended: they must not cost the next one time.
const ENDING: Duration = Duration::from_millis(50);

/// Sorted.
pub(super) struct Cold {
    pub(super) what: &'static str,
    /// From the first byte of the request to the last of the answer.
    pub(super) first_answer: Vec<Duration>,
    /// Start to exit of the interpreter with an empty program, outside any sandbox.
    pub(super) bare_start: Vec<Duration>,
}

pub(super) async fn measure(
    address: SocketAddr,
    client: Client,
    programs: &Programs,
    count: u32,
) -> Result<Cold, BenchError> {
    let (mut first_answer, mut bare_start) = (Vec::new(), Vec::new());
    for number in 0..count {
        bare_start.push(start_bare(client, programs).await?);
        functions::change(address, client.function(), number).await?;
        tokio::time::sleep(ENDING).await;
        let path = format!("/2015-03-31/functions/{}/invocations", client.function());
        first_answer.push(http::ask(address, "POST", &path, "\"x\"").await?.elapsed);
    }
    first_answer.sort_unstable();
    bare_start.sort_unstable();
    Ok(Cold { what: client.title(), first_answer, bare_start })
}

async fn start_bare(client: Client, programs: &Programs) -> Result<Duration, BenchError> {
    let mut command = match client {
        Client::Stock => Command::new("true"),
        Client::Python => with(Command::new(&programs.python), &["-I", "-S", "-c", "pass"]),
        Client::Node => with(Command::new(&programs.node), &["-e", "0"]),
    };
    command.envs(programs.library_path.iter().map(|path| ("LD_LIBRARY_PATH", path)));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let from = Instant::now();
    let status = command.status().await.map_err(BenchError::io("bare start"))?;
    let elapsed = from.elapsed();
    if status.success() { Ok(elapsed) } else { Err(BenchError::Other(format!("a bare start ended with {status}"))) }
}

fn with(mut command: Command, arguments: &[&str]) -> Command {
    command.args(arguments);
    command
}
