//! Every runtime this machine has, one after the other: its cold start with the pool and without, its warm invocations, and
//! what an environment of it takes. Beside it the bare interpreter of the same run.

mod echo;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use comfy_table::Cell;
use hearth_sandbox::runtimes::{Found, Language, Search};
use hearth_types::runtime::CATALOG;
use serde_json::{Value, json};

use self::echo::{Bare, Echo};
use crate::cold::starts::{self, Pool};
use crate::report::{Measurement, new_table, right};
use crate::server::Server;
use crate::{BenchError, Outcome, ProgramArgs, functions, http, memory};

/// However slow the machine, it ends.
const RUN_MAX: Duration = Duration::from_secs(900);
const NO_POOL: &str = "[pool]\ndepth_max = 0\n";
const FUNCTION: &str = "echo";
/// Of runtimes whose functions bring their program, one stands for all.
const NATIVE: &str = "provided.al2023";
const EVENT: &str = "\"x\"";

#[derive(clap::Args, Clone)]
pub(crate) struct LanguagesArgs {
    /// Fewer of everything: to see that it works, not to compare.
    #[arg(long)]
    pub(crate) quick: bool,
}

struct Scale {
    starts: u32,
    warm: u32,
}

/// A runtime that functions can have here.
struct Subject {
    id: &'static str,
    /// `None`: the function brings its program.
    language: Option<Language>,
    found: Option<Found>,
}

/// Medians, ms, and MiB.
struct Row {
    id: &'static str,
    version: String,
    bare_ms: f64,
    pool_ms: f64,
    no_pool_ms: f64,
    warm_ms: f64,
    memory_mib: f64,
}

pub(crate) async fn run(program: &ProgramArgs, args: &LanguagesArgs) -> Result<Outcome, BenchError> {
    let scale = if args.quick { Scale { starts: 4, warm: 20 } } else { Scale { starts: 40, warm: 500 } };
    let mut notes = Vec::new();
    if args.quick {
        notes.push("QUICK: too few of everything to be compared".to_owned());
    }
    let measured = measure_all(program, &scale, &mut notes);
    let rows = tokio::time::timeout(RUN_MAX, measured)
        .await
        .map_err(|_| BenchError::Other(format!("not done after {RUN_MAX:?}: given up")))??;
    eprint!("\r{:60}\r", "");
    print(&rows, &notes);
    let json_lines = rows.iter().map(|row| format!("{}\n", row.json())).collect();
    Ok(Outcome { json_lines, has_failed: rows.is_empty() })
}

async fn measure_all(program: &ProgramArgs, scale: &Scale, notes: &mut Vec<String>) -> Result<Vec<Row>, BenchError> {
    let mut rows = Vec::new();
    let subjects = subjects();
    for family in missing(&subjects) {
        notes.push(format!(
            "SKIPPED {family}: no interpreter of it is on this machine (hearth runtimes says where it looks)"
        ));
    }
    for subject in subjects {
        eprint!("\r{:60}\r{} … ", "", subject.id);
        match echo::of(subject.language, program)? {
            Some(echo) => rows.push(measure(program, &subject, &echo, scale).await?),
            None => notes.push(format!("SKIPPED {}: its function cannot be compiled on this machine", subject.id)),
        }
    }
    Ok(rows)
}

/// One identifier of each language that is here: the first of the catalogue's.
fn subjects() -> Vec<Subject> {
    let found: BTreeMap<Language, Found> = Search::from_environment().all().into_iter().collect();
    let first = |language: Language| CATALOG.iter().find(|row| row.language == Some(language) && row.is_offered());
    let mut subjects = vec![Subject { id: NATIVE, language: None, found: None }];
    for (language, found) in found {
        if let Some(row) = first(language) {
            subjects.push(Subject { id: row.id, language: Some(language), found: Some(found) });
        }
    }
    subjects
}

/// Languages of which no version is here.
fn missing(subjects: &[Subject]) -> Vec<&'static str> {
    let here: BTreeSet<&str> = subjects.iter().filter_map(|subject| subject.language).map(Language::family).collect();
    let mut missing: Vec<&str> = CATALOG.iter().filter_map(|row| row.language).map(Language::family).collect();
    missing.sort_unstable();
    missing.dedup();
    missing.retain(|family| !here.contains(family));
    missing
}

async fn measure(program: &ProgramArgs, subject: &Subject, echo: &Echo, scale: &Scale) -> Result<Row, BenchError> {
    let (hearth, runtime) = (program.hearth()?, (subject.id, echo.handler));
    let made = Bare::new(subject.language, subject.found.as_ref())?;
    let bare = || Ok(made.as_ref().map(Bare::command));

    let server = Server::start(&hearth)?;
    functions::create_role(server.address).await?;
    functions::create_with(server.address, FUNCTION, runtime, functions::MEMORY_MB, &echo.package).await?;
    let pooled = starts::measure(&server, FUNCTION, bare, scale.starts, Pool::Full).await?;
    let mut warm = Vec::new();
    for _ in 0..scale.warm {
        warm.push(http::invoke(server.address, FUNCTION, EVENT).await?.elapsed);
    }
    warm.sort_unstable();
    server.stop()?;

    let server = Server::start_with(&hearth, NO_POOL)?;
    functions::create_role(server.address).await?;
    functions::create_with(server.address, FUNCTION, runtime, functions::MEMORY_MB, &echo.package).await?;
    let unpooled = starts::measure(&server, FUNCTION, bare, scale.starts, Pool::Off).await?;
    http::invoke(server.address, FUNCTION, EVENT).await?;
    server.rest().await;
    let slots = memory::slots(server.pid())?;
    server.stop()?;

    let mut bare_start = [pooled.bare_start, unpooled.bare_start].concat();
    bare_start.sort_unstable();
    Ok(Row {
        id: subject.id,
        version: subject.found.as_ref().map(|found| found.version.clone()).unwrap_or_default(),
        bare_ms: median_ms(&bare_start),
        pool_ms: median_ms(&pooled.first_answer),
        no_pool_ms: median_ms(&unpooled.first_answer),
        warm_ms: median_ms(&warm),
        memory_mib: slots.proportional_mib / f64::from(slots.count.max(1)),
    })
}

fn median_ms(sorted: &[Duration]) -> f64 {
    Measurement::percentile_us(sorted, 0.5) / 1e3
}

impl Row {
    fn json(&self) -> Value {
        json!({
            "bench": "languages", "runtime": self.id, "version": self.version, "bare_p50_ms": self.bare_ms,
            "pool_p50_ms": self.pool_ms, "no_pool_p50_ms": self.no_pool_ms, "warm_p50_ms": self.warm_ms,
            "memory_mib": self.memory_mib,
        })
    }
}

fn print(rows: &[Row], notes: &[String]) {
    println!("Languages: medians, ms; memory is an idle environment's proportional share, MiB\n");
    let mut table = new_table(&["", "version", "bare start", "cold, pool", "cold, no pool", "warm", "memory"]);
    for row in rows {
        let figures = [(row.bare_ms, 1), (row.pool_ms, 1), (row.no_pool_ms, 1), (row.warm_ms, 3), (row.memory_mib, 1)];
        let figures = figures.map(|(figure, digits)| match figure.is_nan() {
            true => right("-".to_owned()),
            false => right(format!("{figure:.digits$}")),
        });
        table.add_row([Cell::new(row.id), Cell::new(&row.version)].into_iter().chain(figures));
    }
    println!("{table}");
    for note in notes {
        println!("{note}");
    }
}
