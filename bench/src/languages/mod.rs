//! Every runtime this machine has, installed ones too, one after the other: its cold start with the pool and without, its warm
//! invocations, and what an environment of it takes. Beside it the bare interpreter of the same run.

mod echo;
mod installed;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use comfy_table::Cell;
use hearth_sandbox::runtimes::{Found, Language, Search, installed_images};
use hearth_types::runtime::CATALOG;
use serde_json::{Value, json};

use self::echo::{Bare, Echo};
use crate::cold::starts::{self, Pool};
use crate::report::{Measurement, new_table, right};
use crate::server::Server;
use crate::{BenchError, Outcome, ProgramArgs, functions, http, memory};

/// However slow the machine, it ends.
const RUN_MAX: Duration = Duration::from_secs(900);
/// Where `make setup-languages` has put runtimes.
const INSTALLED: &str = ".tools/languages/runtimes";
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
    /// Where `hearth runtimes install` has put runtimes that are to be measured, too.
    #[arg(long, value_name = "DIR", default_value = INSTALLED)]
    pub(crate) installed: PathBuf,
}

impl LanguagesArgs {
    pub(crate) fn usual(quick: bool) -> Self {
        Self { quick, installed: INSTALLED.into() }
    }
}

struct Scale {
    starts: u32,
    warm: u32,
}

/// A runtime that functions can have here.
struct Subject {
    id: &'static str,
    origin: Origin,
}

/// Who brings the program that runs the function.
enum Origin {
    Function,
    Interpreter(Language, Found),
    /// A root file system, by its reference.
    Image(Language, String),
}

impl Origin {
    const fn language(&self) -> Option<Language> {
        match self {
            Self::Function => None,
            Self::Interpreter(language, _) | Self::Image(language, _) => Some(*language),
        }
    }

    fn version(&self) -> String {
        match self {
            Self::Function => String::new(),
            Self::Interpreter(_, found) => found.version.clone(),
            Self::Image(language, _) => format!("{}, image", language.version()),
        }
    }
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
    // Interpreters are asked what they are from another directory.
    let installed = std::fs::canonicalize(&args.installed).unwrap_or_else(|_| args.installed.clone());
    let args = &LanguagesArgs { installed, ..args.clone() };
    let measured = measure_all(program, args, &scale, &mut notes);
    let rows = tokio::time::timeout(RUN_MAX, measured)
        .await
        .map_err(|_| BenchError::Other(format!("not done after {RUN_MAX:?}: given up")))??;
    eprint!("\r{:60}\r", "");
    print(&rows, &notes);
    let json_lines = rows.iter().map(|row| format!("{}\n", row.json())).collect();
    Ok(Outcome { json_lines, has_failed: rows.is_empty() })
}

async fn measure_all(
    program: &ProgramArgs,
    args: &LanguagesArgs,
    scale: &Scale,
    notes: &mut Vec<String>,
) -> Result<Vec<Row>, BenchError> {
    let mut rows = Vec::new();
    let subjects = subjects(&args.installed);
    for family in missing(&subjects) {
        notes.push(format!(
            "SKIPPED {family}: no interpreter of it is on this machine (hearth runtimes says where it looks), nor has tools/setup-languages.sh got one"
        ));
    }
    for subject in subjects {
        eprint!("\r{:60}\r{} … ", "", subject.id);
        match echo::of(subject.origin.language(), program)? {
            Some(echo) => rows.push(measure(program, args, &subject, &echo, scale).await?),
            None => notes.push(format!("SKIPPED {}: its function cannot be compiled on this machine", subject.id)),
        }
    }
    Ok(rows)
}

/// One identifier of each language that is here: the first of the catalogue's.
fn subjects(installed: &Path) -> Vec<Subject> {
    let search = Search::from_environment().with_installed(installed.to_owned());
    let mut found: BTreeMap<Language, Found> = search.all().into_iter().collect();
    let mut images: BTreeMap<String, String> = installed_images(installed).into_iter().collect();
    let mut subjects = vec![Subject { id: NATIVE, origin: Origin::Function }];
    for row in CATALOG.iter().filter(|row| row.is_offered()) {
        let Some(language) = row.language else { continue };
        if subjects.iter().any(|subject| subject.origin.language() == Some(language)) {
            continue;
        }
        // A server prefers the image, too.
        let image = images.remove(row.id).map(|reference| Origin::Image(language, reference));
        let interpreter = || found.remove(&language).map(|found| Origin::Interpreter(language, found));
        subjects.extend(image.or_else(interpreter).map(|origin| Subject { id: row.id, origin }));
    }
    subjects.sort_by_key(|subject| subject.origin.language());
    subjects
}

/// Languages of which no version is here.
fn missing(subjects: &[Subject]) -> Vec<&'static str> {
    let here: BTreeSet<&str> =
        subjects.iter().filter_map(|subject| subject.origin.language()).map(Language::family).collect();
    let mut missing: Vec<&str> = CATALOG.iter().filter_map(|row| row.language).map(Language::family).collect();
    missing.sort_unstable();
    missing.dedup();
    missing.retain(|family| !here.contains(family));
    missing
}

async fn measure(
    program: &ProgramArgs,
    args: &LanguagesArgs,
    subject: &Subject,
    echo: &Echo,
    scale: &Scale,
) -> Result<Row, BenchError> {
    let (hearth, runtime) = (program.hearth()?, (subject.id, echo.handler));
    let made = Bare::new(&subject.origin)?;
    let bare = || Ok(made.as_ref().map(Bare::command));

    let data = installed::data_directory(subject, &args.installed)?;
    let server = Server::start_in(&hearth, &data.0, "")?;
    functions::create_role(server.address).await?;
    functions::create_with(server.address, FUNCTION, runtime, functions::MEMORY_MB, &echo.package).await?;
    let pooled = starts::measure(&server, FUNCTION, bare, scale.starts, Pool::Full).await?;
    let mut warm = Vec::new();
    for _ in 0..scale.warm {
        warm.push(http::invoke(server.address, FUNCTION, EVENT).await?.elapsed);
    }
    warm.sort_unstable();
    server.stop()?;
    drop(data);

    let data = installed::data_directory(subject, &args.installed)?;
    let server = Server::start_in(&hearth, &data.0, NO_POOL)?;
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
        version: subject.origin.version(),
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
