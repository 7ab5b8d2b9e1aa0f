//! `hearth doctor`: what isolation this machine gives, and what is missing.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use hearth_images::RegistryImages;
use hearth_ports::Images;
use hearth_sandbox::probe::{self, Finding, State};
use hearth_sandbox::process::NATIVE;
use hearth_sandbox::runtimes::Search;
use hearth_types::runtime::CATALOG;
use serde::Serialize;
use tokio::time::timeout;

use super::{Failure, block_on};
use crate::config::{Config, Overrides};
use crate::server::runtime_images_config;

/// How long a registry may take to say what a reference stands for.
const RESOLVE_WAIT_MAX: Duration = Duration::from_secs(20);
/// Columns when the output goes to a file or a pipe.
const WIDTH_WITHOUT_TERMINAL: u16 = 120;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,

    /// The server's configuration file: says whether the images of its runtimes can be had
    #[arg(long, value_name = "FILE", env = "HEARTH_CONFIG")]
    config: Option<PathBuf>,
}

/// Exit status 1 when functions could not run here.
pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let machine = probe::probe();
    let mut rows: Vec<Row> = machine.findings.iter().map(Row::from).collect();
    let search = Search::from_environment();
    rows.extend(runtime_rows(&search));
    let config = Config::load(args.config.as_deref(), Overrides { ephemeral: true, ..Overrides::default() });
    let from_images = image_rows(&config.map_err(|error| Failure::new(error.to_string()))?)?;
    // What the configuration gives an image to, the machine's interpreter is not used for.
    rows.retain(|row| from_images.iter().all(|other| other.what != row.what));
    rows.extend(from_images);
    if args.json {
        let text = serde_json::to_string_pretty(&rows).map_err(|error| Failure::new(error.to_string()))?;
        println!("{text}");
    } else {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
        if table.width().is_none() {
            table.set_width(WIDTH_WITHOUT_TERMINAL);
        }
        table.set_header(["", "What", "Found", "What to do"]);
        for row in &rows {
            table.add_row([row.state, &row.what, &row.found, row.remedy.as_deref().unwrap_or("")]);
        }
        println!("{table}");
    }
    Ok(if machine.complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[derive(Serialize)]
struct Row {
    state: &'static str,
    what: String,
    found: String,
    remedy: Option<String>,
}

impl From<&Finding> for Row {
    fn from(finding: &Finding) -> Self {
        let state = match finding.state {
            State::Ok => "ok",
            State::Degraded => "weaker",
            State::Missing => "missing",
        };
        Self { state, what: finding.name.to_string(), found: finding.detail.clone(), remedy: finding.remedy.clone() }
    }
}

/// The runtimes this machine has an interpreter for. `hearth runtimes` lists the others, too.
fn runtime_rows(search: &Search) -> Vec<Row> {
    let found = search.all().into_iter().flat_map(|(language, found)| {
        let ids = CATALOG.iter().filter(move |row| row.language == Some(language) && row.is_offered());
        ids.map(move |row| {
            let place = format!("{} in {}", found.version, found.interpreter.place().display());
            Row { state: "ok", what: format!("runtime {}", row.id), found: place, remedy: None }
        })
    });
    found.collect()
}

/// Where the configuration says that images are the roots of runtimes. Asks for them, and fetches nothing.
fn image_rows(config: &Config) -> Result<Vec<Row>, Failure> {
    if config.runtimes.is_empty() {
        return Ok(Vec::new());
    }
    let images = RegistryImages::new(runtime_images_config(&config.images, std::env::temp_dir()));
    block_on(async {
        let mut rows = Vec::new();
        for (runtime, uri) in &config.runtimes {
            let what = format!("runtime {runtime}");
            let resolved = timeout(RESOLVE_WAIT_MAX, images.resolve(uri, NATIVE)).await;
            let answer = resolved.map_err(|_| "no answer".to_owned());
            rows.push(match answer.and_then(|resolved| resolved.map_err(|error| error.to_string())) {
                Ok(image) => Row { state: "ok", what, found: format!("image {}", image.pinned_uri), remedy: None },
                Err(why) => Row {
                    state: "missing",
                    what,
                    found: why,
                    remedy: Some(format!("see that {uri} can be read, or change `runtimes.\"{runtime}\"`")),
                },
            });
        }
        Ok(rows)
    })
}
