//! Functions that log a lot: what it does to another function, to a bare echo that has nothing to do with Hearth, to the
//! server's memory, and whether every line is kept.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::functions::{self, MEMORY_MB};
use crate::goals::{self, Goal, Verdict};
use crate::interpreters::Interpreters;
use crate::null_runtime::Client;
use crate::report::{Measurement, new_table, right};
use crate::server::Server;
use crate::{BenchError, LoadArgs, Outcome, ProgramArgs, RunArgs, floor, http, load, memory};

/// However slow the machine, it ends.
const RUN_MAX: Duration = Duration::from_secs(600);
const WRITERS: u32 = 5;
const LINES_PER_SECOND: u32 = 50_000;
/// Of the function whose latency is looked at.
const REQUESTS_PER_SECOND: f64 = 100.0;
const MEMORY_LOOK: Duration = Duration::from_millis(100);
/// Until lines that were written are found.
const KEPT_WAIT_MAX: Duration = Duration::from_secs(60);
const LINE: &str = "a line of a hundred bytes, as an application writes them when something has happened: number";
const QUIET: &str = "quiet";
/// Of the echo's requests after the function's, which are ten apart.
const OFFSET: Duration = Duration::from_millis(5);
/// Until what the writers leave to be packed is.
const SETTLE: Duration = Duration::from_secs(1);

/// Writes at a steady rate, as a busy service does, for as long as it is told; answers how many lines.
const WRITER_PYTHON: &str = "import sys, time\n\n\ndef handler(event, context):\n    written, began = 0, time.monotonic()\n    \
    while (passed := time.monotonic() - began) < event['seconds']:\n        due = int(passed * event['rate'])\n        \
    sys.stdout.write(''.join(f\"{event['line']} {number}\\n\" for number in range(written, due)))\n        \
    sys.stdout.flush()\n        written = max(written, due)\n        time.sleep(0.01)\n    return written\n";

#[derive(clap::Args, Clone)]
pub(crate) struct LogsArgs {
    /// Seconds of each phase.
    #[arg(long, default_value_t = 4, value_name = "SECONDS")]
    phase_seconds: u64,
    /// How often the function is asked alone and then beside the writers: in turn, because machines are faster at times.
    #[arg(long, default_value_t = 6, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

/// Prints what was measured; gives every figure as a line of JSON.
pub(crate) async fn run(program: &ProgramArgs, args: &LogsArgs) -> Result<Outcome, BenchError> {
    if Interpreters::find(&program.runtimes).of(Client::Python).is_none() {
        println!("SKIPPED many log lines: they take Python 3.11");
        return Ok(Outcome { json_lines: String::new(), has_failed: true });
    }
    let measured = tokio::time::timeout(RUN_MAX, measure(program, args));
    let outcome = measured.await.map_err(|_| BenchError::Other(format!("not done after {RUN_MAX:?}: given up")))?;
    eprint!("\r{:60}\r", "");
    outcome
}

async fn measure(program: &ProgramArgs, args: &LogsArgs) -> Result<Outcome, BenchError> {
    let server = Server::start(&program.hearth()?)?;
    let address = server.address;
    functions::create_role(address).await?;
    let (name, text) = Client::Stock.echo()?;
    functions::create(address, QUIET, Client::Stock.runtime(), MEMORY_MB, &functions::package(name, &text)?).await?;
    let package = functions::package("app.py", WRITER_PYTHON.as_bytes())?;
    for writer in 0..WRITERS {
        functions::create(address, &name_of(writer), Client::Python.runtime(), MEMORY_MB, &package).await?;
        write(address, writer, 0).await?;
    }
    server.rest().await;
    let asked = Asked { function: address, echo: floor::Server::start(false)? };

    let before_mib = memory::resident_mib(server.pid())?;
    let mut measured = Measured { before_mib, peak_mib: before_mib, ..Measured::default() };
    for round in 1..=args.rounds {
        progress(&format!("alone, {round} of {}", args.rounds));
        measured.alone.extend(asked.latencies(args.phase_seconds).await?);
        progress(&format!("beside many lines, {round} of {}", args.rounds));
        measured.beside(&server, &asked, args.phase_seconds).await?;
        tokio::time::sleep(SETTLE).await;
    }
    measured.alone.sort();
    measured.beside.sort();
    progress("reading them back");
    measured.kept = kept(address, measured.written).await?;
    server.stop()?;
    Ok(print(&measured))
}

#[derive(Default)]
struct Measured {
    /// Sorted when all is measured, as the next.
    alone: Latencies,
    beside: Latencies,
    written: u64,
    writing_seconds: u64,
    kept: u64,
    before_mib: f64,
    peak_mib: f64,
}

#[derive(Default)]
struct Latencies {
    function: Vec<Duration>,
    echo: Vec<Duration>,
}

impl Latencies {
    fn extend(&mut self, more: Self) {
        self.function.extend(more.function);
        self.echo.extend(more.echo);
    }

    fn sort(&mut self) {
        self.function.sort_unstable();
        self.echo.sort_unstable();
    }
}

/// Who is asked, both a hundred times a second and in turn.
struct Asked {
    function: SocketAddr,
    /// What the machine does to any two processes that talk to each other.
    echo: floor::Server,
}

impl Asked {
    async fn latencies(&self, seconds: u64) -> Result<Latencies, BenchError> {
        let echo = async {
            tokio::time::sleep(OFFSET).await;
            latencies(self.echo.address, "/echo", seconds).await
        };
        let path = format!("/2015-03-31/functions/{QUIET}/invocations");
        let (function, echo) = tokio::join!(latencies(self.function, &path, seconds), echo);
        Ok(Latencies { function: function?, echo: echo? })
    }
}

impl Measured {
    async fn beside(&mut self, server: &Server, asked: &Asked, seconds: u64) -> Result<(), BenchError> {
        let (address, mut writers) = (server.address, JoinSet::new());
        for writer in 0..WRITERS {
            writers.spawn(write(address, writer, seconds + 1));
        }
        let mut measured = std::pin::pin!(asked.latencies(seconds));
        loop {
            tokio::select! {
                latencies = &mut measured => break self.beside.extend(latencies?),
                () = tokio::time::sleep(MEMORY_LOOK) => {
                    self.peak_mib = self.peak_mib.max(memory::resident_mib(server.pid())?);
                }
            }
        }
        self.writing_seconds += seconds + 1;
        while let Some(done) = writers.join_next().await {
            self.written += done.map_err(|error| BenchError::Other(error.to_string()))??;
        }
        Ok(())
    }
}

fn name_of(writer: u32) -> String {
    format!("writer-{writer}")
}

/// Gives how many lines it wrote.
async fn write(address: SocketAddr, writer: u32, seconds: u64) -> Result<u64, BenchError> {
    let event = json!({ "seconds": seconds, "rate": LINES_PER_SECOND / WRITERS, "line": LINE });
    let answer = http::invoke(address, &name_of(writer), &event.to_string()).await?;
    answer.json()?.as_u64().ok_or_else(|| BenchError::Other("a writer did not count".to_owned()))
}

/// From when each request was due.
async fn latencies(address: SocketAddr, path: &str, seconds: u64) -> Result<Vec<Duration>, BenchError> {
    let run = RunArgs { seconds, warm_up_ms: Some(500), one_core: false, core: 0, payload_bytes: 16 };
    let args = LoadArgs { run, connections: vec![1], rate: Some(REQUESTS_PER_SECOND) };
    let payload = args.run.payload();
    let request =
        format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n{payload}", payload.len());
    let measured = load::run(path, &args, address, || request.clone().into_bytes()).await?;
    Ok(measured.into_iter().flat_map(|one| one.latencies).collect())
}

/// How many of the writers' lines are in the log; waits for those that are on their way.
async fn kept(address: SocketAddr, written: u64) -> Result<u64, BenchError> {
    let began = Instant::now();
    loop {
        let mut kept = 0;
        for writer in 0..WRITERS {
            kept += lines_of(address, &name_of(writer)).await?;
        }
        if kept >= written || began.elapsed() > KEPT_WAIT_MAX {
            return Ok(kept);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn lines_of(address: SocketAddr, function: &str) -> Result<u64, BenchError> {
    let (mut lines, mut token) = (0, Value::Null);
    loop {
        let mut input = json!({ "logGroupName": format!("/aws/lambda/{function}"), "filterPattern": "\"a line of a hundred bytes\"" });
        if !token.is_null() {
            input["nextToken"] = token;
        }
        let body = input.to_string();
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {address}\r\nX-Amz-Target: Logs_20140328.FilterLogEvents\r\n\
             Content-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let page = http::exchange(address, request.as_bytes()).await?.good("FilterLogEvents")?.json()?;
        lines += page["events"].as_array().map_or(0, |events| events.len() as u64);
        token = page["nextToken"].clone();
        if token.is_null() {
            return Ok(lines);
        }
    }
}

fn print(measured: &Measured) -> Outcome {
    let Measured { alone, beside, written, writing_seconds, kept, before_mib, peak_mib } = measured;
    let at = |sorted: &[Duration], share| Measurement::percentile_us(sorted, share) / 1e3;
    let mut table = new_table(&["ms", "p50", "p90", "p98", "p99", "requests"]);
    let rows = [
        ("another function, alone", &alone.function),
        ("beside the writers", &beside.function),
        ("a bare echo, alone", &alone.echo),
        ("beside the writers", &beside.echo),
    ];
    for (what, sorted) in rows {
        let shares = [0.5, 0.9, 0.98, 0.99].map(|share| format!("{:.2}", at(sorted, share)));
        let numbers = shares.into_iter().chain([sorted.len().to_string()]);
        table.add_row([comfy_table::Cell::new(what)].into_iter().chain(numbers.map(right)));
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of lines")]
    let rate = *written as f64 / *writing_seconds as f64;
    let more_percent = (at(&beside.function, 0.99) / at(&alone.function, 0.99) - 1.0) * 100.0;
    #[expect(clippy::cast_precision_loss, reason = "a count of lines")]
    let missing = written.abs_diff(*kept) as f64;
    let verdicts = [
        ("log lines of functions", rate, "lines/s", Goal::AtLeast(f64::from(LINES_PER_SECOND) * 0.98)),
        ("another function beside them, p99 more", more_percent, "%", Goal::AtMost(10.0)),
        ("lines missing, or too many, afterwards", missing, "lines", Goal::AtMost(0.0)),
    ]
    .map(|(what, measured, unit, goal)| Verdict { what: what.to_owned(), measured, unit, goal });
    println!("{WRITERS} functions write {LINES_PER_SECOND} lines a second together, for {writing_seconds} s in all\n");
    println!("{table}\n\n{}", goals::table(&verdicts));
    println!(
        "server, resident: {before_mib:.0} MiB before, {peak_mib:.0} MiB at the most; {kept} of {written} lines kept"
    );
    let line = json!({
        "bench": "logs", "lines_per_second": rate, "alone_p99_ms": at(&alone.function, 0.99), "beside_p99_ms": at(&beside.function, 0.99),
        "alone_p50_ms": at(&alone.function, 0.5), "beside_p50_ms": at(&beside.function, 0.5),
        "echo_alone_p99_ms": at(&alone.echo, 0.99), "echo_beside_p99_ms": at(&beside.echo, 0.99), "written": written, "kept": kept,
        "before_mib": before_mib, "peak_mib": peak_mib,
    });
    let json_lines = std::iter::once(line).chain(verdicts.iter().map(Verdict::json));
    Outcome { json_lines: json_lines.map(|line| format!("{line}\n")).collect(), has_failed: written != kept }
}

fn progress(what: &str) {
    eprint!("\r{:60}\r{what} … ", "");
}
