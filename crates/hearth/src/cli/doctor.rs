//! `hearth doctor`: what isolation this machine gives, and what is missing.

use std::process::ExitCode;

use comfy_table::{ContentArrangement, Table, presets};
use hearth_sandbox::probe::{self, Finding, State};
use hearth_sandbox::runtimes::{self, Interpreter, Language, Root, Search};
use serde::Serialize;

use super::Failure;

/// Columns when the output goes to a file or a pipe.
const WIDTH_WITHOUT_TERMINAL: u16 = 120;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// Exit status 1 when functions could not run here.
pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let machine = probe::probe();
    let mut rows: Vec<Row> = machine.findings.iter().map(Row::from).collect();
    let search = Search::from_environment();
    rows.extend(Root::ALL.into_iter().filter_map(|root| runtime_row(&search, root)));
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

fn runtime_row(search: &Search, root: Root) -> Option<Row> {
    let language = root.language()?;
    let what = match language {
        Language::Python { minor } => format!("runtime python3.{minor}"),
        Language::Node { major } => format!("runtime nodejs{major}.x"),
    };
    Some(match search.interpreter(language) {
        Some(interpreter) => Row { state: "ok", what, found: place(&interpreter), remedy: None },
        None => Row {
            state: "absent",
            what,
            found: "no interpreter of that version".to_owned(),
            remedy: Some(runtimes::missing(root).to_string()),
        },
    })
}

fn place(interpreter: &Interpreter) -> String {
    match interpreter {
        Interpreter::Prefix { prefix, .. } => prefix.display().to_string(),
        Interpreter::System { program, .. } => program.display().to_string(),
    }
}
