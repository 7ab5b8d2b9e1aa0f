//! What many functions cost: lists, start-up, and the warm path beside a server that has ten.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use tokio::task::JoinSet;

use crate::directory::Directory;
use crate::functions::{self, MEMORY_MB};
use crate::goals::{self, Goal, Verdict};
use crate::null_runtime::Client;
use crate::report::{Measurement, new_table, right};
use crate::server::Server;
use crate::{BenchError, LoadArgs, Outcome, ProgramArgs, RunArgs, http, load};

/// However slow the machine, it ends.
const RUN_MAX: Duration = Duration::from_secs(900);
/// Requests under way while functions and layers are made.
const MAKERS: u32 = 32;
/// Functions of the server that is compared with.
const FEW: u32 = 10;
/// How often every page of a list is asked for.
const LIST_ROUNDS: u32 = 5;
const STARTS: u32 = 5;
/// The two servers are asked in turn, so that a change of the machine's mood meets both.
const WARM_ROUNDS: u32 = 10;
const WARM_ROUND_SECONDS: u64 = 1;
const FUNCTION: &str = "measured";

#[derive(clap::Args, Clone)]
pub(crate) struct ManyArgs {
    /// A tenth of everything: to see that it works, not to compare.
    #[arg(long)]
    pub(crate) quick: bool,
}

struct Scale {
    functions: u32,
    versions: u32,
    layers: u32,
}

const FULL: Scale = Scale { functions: 10_000, versions: 100, layers: 1_000 };
const QUICK: Scale = Scale { functions: 1_000, versions: 10, layers: 100 };

/// A list, the member its items are under, and what every page of it took.
struct Listed {
    what: &'static str,
    pages: usize,
    sorted: Vec<Duration>,
}

/// Prints what was measured; gives every figure as a line of JSON.
pub(crate) async fn run(program: &ProgramArgs, args: &ManyArgs) -> Result<Outcome, BenchError> {
    let scale = if args.quick { QUICK } else { FULL };
    let hearth = program.hearth()?;
    let measured = tokio::time::timeout(RUN_MAX, measure(&hearth, &scale));
    let outcome = measured.await.map_err(|_| BenchError::Other(format!("not done after {RUN_MAX:?}: given up")))?;
    eprint!("\r{:60}\r", "");
    outcome
}

async fn measure(hearth: &Path, scale: &Scale) -> Result<Outcome, BenchError> {
    let directory = Directory::new("many")?;
    let many = Server::start_in(hearth, &directory.0, "")?;
    fill(many.address, scale.functions).await?;
    publish_versions(many.address, scale.versions).await?;
    publish_layers(many.address, scale.layers).await?;
    let mut lists = Vec::new();
    for (what, path, items) in [
        ("ListFunctions", "/2015-03-31/functions?", "Functions"),
        ("ListFunctions, all versions", "/2015-03-31/functions?FunctionVersion=ALL&", "Functions"),
        ("ListVersionsByFunction", "/2015-03-31/functions/measured/versions?", "Versions"),
        ("ListLayers", "/2018-10-31/layers?", "Layers"),
    ] {
        progress(what);
        lists.push(list(many.address, what, path, items).await?);
    }
    many.stop()?;

    let mut starts = Vec::new();
    for _ in 0..STARTS {
        progress("starting");
        let from = Instant::now();
        let server = Server::start_in(hearth, &directory.0, "")?;
        http::ask(server.address, "GET", "/2015-03-31/functions", "").await?;
        starts.push(from.elapsed());
        server.stop()?;
    }
    starts.sort_unstable();

    let many = Server::start_in(hearth, &directory.0, "")?;
    let few = Server::start(hearth)?;
    fill(few.address, FEW).await?;
    let warm = warm(few.address, many.address).await?;
    let memory_mib = (many.memory_idle().await?.server_mib, few.memory_idle().await?.server_mib);
    few.stop()?;
    many.stop()?;
    Ok(print(scale, &lists, &starts, warm, memory_mib))
}

/// The function that is measured and so many others.
async fn fill(address: SocketAddr, count: u32) -> Result<(), BenchError> {
    functions::create_role(address).await?;
    let (name, text) = Client::Stock.echo()?;
    let package = functions::package(name, &text)?;
    functions::create(address, FUNCTION, Client::Stock.runtime(), MEMORY_MB, &package).await?;
    let small = functions::package("bootstrap", b"#!/bin/sh\n")?;
    in_parallel("functions", count - 1, move |number| {
        let small = small.clone();
        async move { functions::create(address, &format!("function-{number}"), Client::Stock.runtime(), 128, &small).await }
    })
    .await
}

async fn publish_versions(address: SocketAddr, count: u32) -> Result<(), BenchError> {
    for number in 0..count {
        progress(&format!("{number} versions"));
        functions::change(address, FUNCTION, number).await?;
        http::ask(address, "POST", &format!("/2015-03-31/functions/{FUNCTION}/versions"), "{}").await?;
    }
    Ok(())
}

async fn publish_layers(address: SocketAddr, count: u32) -> Result<(), BenchError> {
    let package = BASE64_STANDARD.encode(functions::package("a.txt", b"a")?);
    let input = json!({ "Content": { "ZipFile": package } }).to_string();
    in_parallel("layers", count, move |number| {
        let input = input.clone();
        async move {
            let path = format!("/2018-10-31/layers/layer-{number}/versions");
            http::ask(address, "POST", &path, &input).await.map(|_| ())
        }
    })
    .await
}

async fn in_parallel<F>(
    what: &str,
    count: u32,
    each: impl Fn(u32) -> F + Clone + Send + 'static,
) -> Result<(), BenchError>
where
    F: Future<Output = Result<(), BenchError>> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for maker in 0..MAKERS {
        let each = each.clone();
        tasks.spawn(async move {
            for number in (maker..count).step_by(MAKERS as usize) {
                each(number).await?;
            }
            Ok::<_, BenchError>(())
        });
    }
    let mut done = 0;
    while let Some(made) = tasks.join_next().await {
        made.map_err(|error| BenchError::Other(error.to_string()))??;
        done += 1;
        progress(&format!("{what}: {} of {count}", done * count / MAKERS));
    }
    Ok(())
}

async fn list(
    address: SocketAddr,
    what: &'static str,
    path: &'static str,
    items: &'static str,
) -> Result<Listed, BenchError> {
    let (mut sorted, mut pages) = (Vec::new(), 0);
    for _ in 0..LIST_ROUNDS {
        pages = 0;
        let mut marker = String::new();
        loop {
            let answer = http::ask(address, "GET", &format!("{path}MaxItems=50{marker}"), "").await?;
            sorted.push(answer.elapsed);
            pages += 1;
            let page = answer.json()?;
            if page[items].as_array().is_none_or(Vec::is_empty) {
                return Err(BenchError::Other(format!("{what}: page {pages} is empty")));
            }
            match page["NextMarker"].as_str() {
                Some(next) => marker = format!("&Marker={next}"),
                None => break,
            }
        }
    }
    sorted.sort_unstable();
    Ok(Listed { what, pages, sorted })
}

/// p50 of a warm invocation, µs: with few functions and with many.
async fn warm(few: SocketAddr, many: SocketAddr) -> Result<(f64, f64), BenchError> {
    let run = RunArgs { seconds: WARM_ROUND_SECONDS, warm_up_ms: None, one_core: false, core: 0, payload_bytes: 16 };
    let args = LoadArgs { run, connections: vec![1], rate: None };
    let mut latencies = [Vec::new(), Vec::new()];
    for round in 0..WARM_ROUNDS {
        progress(&format!("warm, round {round}"));
        for (address, latencies) in [few, many].into_iter().zip(&mut latencies) {
            let payload = args.run.payload();
            let request = format!(
                "POST /2015-03-31/functions/{FUNCTION}/invocations HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n{payload}",
                payload.len()
            );
            for measurement in load::run(FUNCTION, &args, address, || request.clone().into_bytes()).await? {
                latencies.extend(measurement.latencies);
            }
        }
    }
    let [few, many] = latencies.map(|mut latencies| {
        latencies.sort_unstable();
        Measurement::percentile_us(&latencies, 0.5)
    });
    Ok((few, many))
}

fn print(
    scale: &Scale,
    lists: &[Listed],
    starts: &[Duration],
    (few_us, many_us): (f64, f64),
    (many_mib, few_mib): (f64, f64),
) -> Outcome {
    let Scale { functions, versions, layers } = scale;
    println!("{functions} functions, {versions} versions of one of them, {layers} layers\n");
    let (mut verdicts, mut json) = (Vec::new(), Vec::new());
    let mut table = new_table(&["", "pages", "p50 ms", "p99 ms", "longest ms"]);
    for Listed { what, pages, sorted } in lists {
        let [p50, p99, longest] = [0.5, 0.99, 1.0].map(|share| Measurement::percentile_us(sorted, share) / 1e3);
        let numbers = [pages.to_string(), format!("{p50:.2}"), format!("{p99:.2}"), format!("{longest:.2}")];
        table.add_row([comfy_table::Cell::new(what)].into_iter().chain(numbers.map(right)));
        json.push(json!({ "bench": "list", "what": what, "pages": pages, "p50_ms": p50, "p99_ms": p99, "longest_ms": longest }));
        verdicts.push(Verdict {
            what: format!("a page of {what}, the longest"),
            measured: longest,
            unit: "ms",
            goal: Goal::AtMost(50.0),
        });
    }
    let start_ms = Measurement::percentile_us(starts, 0.5) / 1e3;
    json.push(json!({ "bench": "start", "functions": functions, "p50_ms": start_ms }));
    json.push(
        json!({ "bench": "warm-many", "few_us": few_us, "many_us": many_us, "few_mib": few_mib, "many_mib": many_mib }),
    );
    let what = "start to the first answer, p50".to_owned();
    verdicts.push(Verdict { what, measured: start_ms, unit: "ms", goal: Goal::AtMost(1_000.0) });
    let more_percent = (many_us / few_us - 1.0) * 100.0;
    let what = format!("warm invocation over that with {FEW} functions, p50");
    verdicts.push(Verdict { what, measured: more_percent, unit: "%", goal: Goal::AtMost(5.0) });
    println!("{table}\n\n{}", goals::table(&verdicts));
    println!(
        "warm invocation, p50: {few_us:.1} µs with {FEW} functions, {many_us:.1} µs with {functions}; \
         resident: {few_mib:.0} and {many_mib:.0} MiB"
    );
    let json_lines =
        json.into_iter().chain(verdicts.iter().map(Verdict::json)).map(|line| format!("{line}\n")).collect();
    Outcome { json_lines, has_failed: false }
}

fn progress(what: &str) {
    eprint!("\r{:60}\r{what} … ", "");
}
