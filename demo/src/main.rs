//! `make demo`: starts an ephemeral server, deploys the examples, invokes each cold, warm and in parallel; then builds a
//! photo album of services that call each other ([`album`]), and prints what it saw. The first part talks plain HTTP to the
//! Lambda API, the second is the AWS CLI's; everything printed comes from the answers.

mod album;
mod api;
mod cli;
mod server;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use album::Album;
use api::{Api, Invocation};
use cli::Cli;
use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};

/// Invocations at the same time in the last step of each example.
const PARALLEL: usize = 10;

struct Example {
    name: &'static str,
    runtime: &'static str,
    handler: &'static str,
    /// Files of the package: path on disk, name in the package, mode.
    files: Vec<(PathBuf, &'static str, u32)>,
}

fn examples(root: &Path, bin: &Path) -> Vec<Example> {
    vec![
        Example {
            name: "hello-rust",
            runtime: "provided.al2023",
            handler: "bootstrap",
            files: vec![(bin.join("hello-rust"), "bootstrap", 0o755)],
        },
        Example {
            name: "hello-python",
            runtime: "python3.11",
            handler: "app.handler",
            files: vec![(root.join("examples/hello-python/app.py"), "app.py", 0o644)],
        },
        Example {
            name: "hello-node",
            runtime: "nodejs20.x",
            handler: "index.handler",
            files: vec![(root.join("examples/hello-node/index.mjs"), "index.mjs", 0o644)],
        },
    ]
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match demo().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn demo() -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no project directory")?.to_owned();
    let bin =
        std::env::current_exe().ok().and_then(|me| me.parent().map(Path::to_owned)).ok_or("no build directory")?;
    let server = server::Server::start(&bin.join("hearth"))?;
    println!("Serving on {}\n", server.endpoint);
    let api = Api::new(&server.endpoint);
    api.create_role("demo").await?;

    let all = examples(&root, &bin);
    // Create, cold, warm and the parallel round.
    let bar = ProgressBar::new(all.len() as u64 * 4 + album::STEPS);
    bar.set_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header([
        "Function",
        "Run",
        "Result",
        "Seen (ms)",
        "Init (ms)",
        "Duration (ms)",
        "Billed (ms)",
        "Memory (MB)",
    ]);
    let mut skipped = Vec::new();
    for example in &all {
        bar.set_message(format!("{}: creating", example.name));
        if let Err(reason) = api.create_function(example.name, example.runtime, example.handler, &example.files).await {
            skipped.push(format!("{} ({}): {reason}", example.name, example.runtime));
            bar.inc(4);
            continue;
        }
        bar.inc(1);
        for run in ["cold", "warm"] {
            bar.set_message(format!("{}: {run}", example.name));
            let started = Instant::now();
            let seen = api.invoke(example.name, r#"{"name":"world"}"#).await?;
            table.add_row(row(example.name, run, &seen, started.elapsed()));
            bar.inc(1);
        }
        bar.set_message(format!("{}: {PARALLEL} at once", example.name));
        let started = Instant::now();
        let calls = (0..PARALLEL).map(|_| api.invoke(example.name, r#"{"name":"everyone"}"#));
        let answers = futures_util::future::try_join_all(calls).await?;
        let elapsed = started.elapsed();
        let slowest = answers.iter().max_by(|a, b| a.duration_ms.total_cmp(&b.duration_ms)).ok_or("no answers")?;
        table.add_row(row(example.name, &format!("{PARALLEL} parallel, slowest"), slowest, elapsed));
        bar.inc(1);
    }
    let has_run = skipped.len() < all.len();
    let album = photo_album(&root, &server.endpoint, &bar);
    bar.finish_and_clear();
    println!("{table}");
    match album? {
        Ok(seen) => println!("\n{seen}"),
        Err(reason) => skipped.push(format!("photo album: {reason}")),
    }
    for reason in &skipped {
        println!("SKIPPED {reason}");
    }
    server.stop()?;
    if has_run { Ok(()) } else { Err("no example could run on this machine; try `hearth doctor`".into()) }
}

/// Builds the album when this machine has what it takes; says what is missing otherwise.
fn photo_album(root: &Path, endpoint: &str, bar: &ProgressBar) -> Result<Result<Table, String>, String> {
    let Some(aws) = Cli::find(endpoint) else {
        return Ok(Err("there is no version 2 of the AWS CLI (Debian: apt-get install awscli)".to_owned()));
    };
    if !album::packages(root).join("node_modules").is_dir() {
        return Ok(Err("tools/setup-demo.sh could not install the packages of its function".to_owned()));
    }
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    Album { aws: &aws, bar, root, scratch: scratch.path() }.run().map(Ok)
}

fn row(function: &str, run: &str, seen: &Invocation, elapsed: Duration) -> [String; 8] {
    let number = |value: f64| format!("{value:.2}");
    [
        function.to_owned(),
        run.to_owned(),
        seen.payload.clone(),
        number(elapsed.as_secs_f64() * 1000.0),
        seen.init_ms.map_or_else(String::new, number),
        number(seen.duration_ms),
        seen.billed_ms.to_string(),
        seen.memory_mb.to_string(),
    ]
}
