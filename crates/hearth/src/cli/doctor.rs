//! `hearth doctor`: what isolation this machine gives, and what is missing.

use std::process::ExitCode;

use comfy_table::{ContentArrangement, Table, presets};
use hearth_sandbox::probe::{self, State};

use super::Failure;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// Exit status 1 when functions could not run here.
pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let machine = probe::probe();
    if args.json {
        let text = serde_json::to_string_pretty(&machine).map_err(|error| Failure::new(error.to_string()))?;
        println!("{text}");
    } else {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(["", "What", "Found", "What to do"]);
        for finding in &machine.findings {
            let mark = match finding.state {
                State::Ok => "ok",
                State::Degraded => "weaker",
                State::Missing => "missing",
            };
            table.add_row([mark, &finding.name, &finding.detail, finding.remedy.as_deref().unwrap_or("")]);
        }
        println!("{table}");
    }
    let works = machine.findings.iter().all(|finding| finding.state != State::Missing || !finding.required);
    Ok(if works { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
