//! The warm path in one run, so that its parts can be compared: the floor, the Runtime API alone and a server, all on
//! one core and all on two; then memory.

mod summary;

use std::net::SocketAddr;
use std::time::Duration;

use self::summary::Summary;
use crate::functions::Functions;
use crate::interpreters::Interpreters;
use crate::null_runtime::{Client, TaskRoot};
use crate::report::Measurement;
use crate::server::Server;
use crate::sign::Keys;
use crate::{BenchError, LoadArgs, Outcome, ProgramArgs, RunArgs, cpu, floor, functions, http, invoke, null_runtime};

/// However slow the machine, it ends.
const RUN_MAX: Duration = Duration::from_secs(600);
/// Connections besides one.
const CONNECTIONS: [usize; 2] = [8, 32];
/// One client: long enough for Node.js to have compiled what is hot.
const WARM_UP_MS: u64 = 1_000;
/// Several connections: until so many environments have started.
const WARM_UP_MANY_MS: u64 = 2_000;
/// Under this many answers a 99th percentile says nothing.
const SAMPLES_MIN: usize = 5_000;

#[derive(clap::Args, Clone)]
pub(crate) struct WarmArgs {
    /// How long to measure each row, after its warm-up.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=10))]
    seconds: u64,
}

/// Prints what was measured; gives every figure as a line of JSON.
pub(crate) async fn run(program: &ProgramArgs, args: &WarmArgs) -> Result<Outcome, BenchError> {
    tokio::time::timeout(RUN_MAX, measure(program, args))
        .await
        .map_err(|_| BenchError::Other(format!("not done after {RUN_MAX:?}: given up")))?
}

async fn measure(program: &ProgramArgs, args: &WarmArgs) -> Result<Outcome, BenchError> {
    let hearth = program.hearth()?;
    let interpreters = Interpreters::find(&program.runtimes);
    let cores = cpu::allowed(None)?;
    let mut summary = Summary::default();
    for (title, count) in [("one", 1), ("two", 2)] {
        let Some(cores) = cores.get(..count) else {
            summary.note(format!("SKIPPED on {title} cores: this program may use {} only", cores.len()));
            continue;
        };
        // Inherited by everything started from here on: the echo server, the clients, hearth and its sandboxes.
        cpu::pin(cores)?;
        let mode = Mode { title, one_core: count == 1, seconds: args.seconds };
        mode.bare(&interpreters, &mut summary).await?;
        let server = Server::start(&hearth)?;
        if count == 2 {
            summary.memory(&server.memory_idle().await?);
        }
        mode.served(&server, &interpreters, &mut summary).await?;
        server.stop()?;
    }
    eprint!("\r{:60}\r", "");
    summary.print();
    Ok(Outcome { json_lines: summary.json_lines(), has_failed: summary.has_failed() })
}

/// On how many cores.
struct Mode {
    title: &'static str,
    one_core: bool,
    seconds: u64,
}

impl Mode {
    fn run_args(&self, warm_up_ms: u64) -> RunArgs {
        let Self { one_core, seconds, .. } = *self;
        RunArgs { seconds, warm_up_ms: Some(warm_up_ms), one_core, core: 0, payload_bytes: 16 }
    }

    fn loads(&self) -> [LoadArgs; 2] {
        [
            LoadArgs { run: self.run_args(WARM_UP_MS), connections: vec![1], rate: None },
            LoadArgs { run: self.run_args(WARM_UP_MANY_MS), connections: CONNECTIONS.to_vec(), rate: None },
        ]
    }

    /// What needs no server of ours.
    async fn bare(&self, interpreters: &Interpreters, summary: &mut Summary) -> Result<(), BenchError> {
        for load in self.loads() {
            self.progress("bare echo");
            self.add(summary, "floor", floor::measure(&load).await?);
        }
        let task_root = TaskRoot::create()?;
        for client in Client::ALL {
            let Some(programs) = interpreters.of(client) else {
                summary.note(format!("SKIPPED {}: no such interpreter on this machine", client.title()));
                continue;
            };
            self.progress(client.title());
            let run = self.run_args(WARM_UP_MS);
            self.add(summary, "null-runtime", vec![null_runtime::measure(&run, client, programs, &task_root).await?]);
        }
        Ok(())
    }

    /// Invocations of functions on a server.
    async fn served(
        &self,
        server: &Server,
        interpreters: &Interpreters,
        summary: &mut Summary,
    ) -> Result<(), BenchError> {
        self.progress("creating functions");
        let functions = Functions::create(server.address, |client| interpreters.of(client).is_some()).await?;
        let mut keys = functions.known_keys().await?;
        server.assert_on_cores_of_ours()?;
        for client in Client::ALL.into_iter().filter(|client| interpreters.of(*client).is_some()) {
            self.progress(client.function());
            for load in self.loads() {
                let title = client.title();
                match verified(server, &load, client.function(), title, &keys).await {
                    Ok(measured) => self.add(summary, "invoke", measured),
                    // The other rows are worth having.
                    Err(error) => {
                        summary.fail(format!("FAILED Invoke {title}, {} core(s): {error}", self.title));
                        keys = functions.known_keys().await.unwrap_or(keys);
                    }
                }
            }
        }
        Ok(())
    }

    fn add(&self, summary: &mut Summary, bench: &'static str, measurements: Vec<Measurement>) {
        for mut measurement in measurements {
            measurement.cores = self.title;
            if measurement.connections == 1 && measurement.latencies.len() < SAMPLES_MIN {
                let (what, count) = (&measurement.what, measurement.latencies.len());
                summary.note(format!("{bench} {what}, {} cores: {count} answers only", self.title));
            }
            summary.add(bench, measurement);
        }
    }

    fn progress(&self, what: &str) {
        eprint!("\r{:60}\r{} core(s): {what} … ", "", self.title);
    }
}

/// Invocations that were verified, from the first to the last: keys die with the environment they came from, and an
/// open server takes unknown ones unverified.
async fn verified(
    server: &Server,
    load: &LoadArgs,
    function: &str,
    title: &str,
    keys: &Keys,
) -> Result<Vec<Measurement>, BenchError> {
    assert_verified(server.address, keys).await?;
    let measured = invoke::measure(load, &server.endpoint, function, title, keys).await?;
    assert_verified(server.address, keys).await?;
    Ok(measured)
}

/// A server that does not verify signatures, or not these, would be measured too fast.
async fn assert_verified(address: SocketAddr, keys: &Keys) -> Result<(), BenchError> {
    let host = address.to_string();
    let good = invoke::request(keys, &host, functions::KEYS_FUNCTION, "{}");
    let wrong = Keys { secret_access_key: format!("{}x", keys.secret_access_key), ..keys.clone() };
    let wrong = invoke::request(&wrong, &host, functions::KEYS_FUNCTION, "{}");
    let (good, wrong) = (http::exchange(address, &good).await?, http::exchange(address, &wrong).await?);
    if good.status != 200 || wrong.status != 403 {
        return Err(BenchError::Other(format!(
            "the server does not verify signatures: it answered {} to a right one and {} to a wrong one",
            good.status, wrong.status
        )));
    }
    Ok(())
}
