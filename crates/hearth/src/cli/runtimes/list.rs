//! The list, as a table that fits the terminal.

use std::collections::BTreeMap;
use std::process::ExitCode;

use comfy_table::{ContentArrangement, Table, presets};
use hearth_sandbox::runtimes::installed_images;
use hearth_types::runtime::{CATALOG, CatalogRow};
use serde::Serialize;

use super::record::Record;
use super::{Failure, Settings, image, search};
use crate::config::Config;

/// Columns when the output goes to a file or a pipe.
const WIDTH_WITHOUT_TERMINAL: u16 = 120;
/// How the identifiers begin whose functions bring their program.
const CUSTOM: &str = "provided.";

#[derive(Serialize)]
struct Row {
    runtime: &'static str,
    /// What AWS does with it.
    state: &'static str,
    is_ready: bool,
    version: Option<String>,
    /// Where it is from, or how to get it.
    place: String,
    /// What `hearth runtimes install` has noted of it.
    installed: Option<Record>,
    /// Why nobody has tried it.
    untested: Option<&'static str>,
}

pub(super) fn run(config: &Config, json: bool) -> Result<ExitCode, Failure> {
    let runtimes = Settings::runtimes(config)?;
    let mut images: BTreeMap<String, String> = installed_images(&runtimes).into_iter().collect();
    // As the server takes them.
    images.extend(config.runtimes.clone());
    let found: BTreeMap<_, _> = search(runtimes).all().into_iter().collect();
    let rows: Vec<Row> = offered()
        .map(|row| {
            let here = match (images.get(row.id), row.language.and_then(|language| found.get(&language))) {
                (Some(image), _) => {
                    let installed = image::layout(image).and_then(Record::read);
                    let version = installed.as_ref().and_then(|record| record.version.clone());
                    Some((version, format!("image {image}"), installed))
                }
                (None, Some(found)) => {
                    let place = found.interpreter.place();
                    Some((Some(found.version.clone()), place.display().to_string(), Record::read(place)))
                }
                (None, None) if row.id.starts_with(CUSTOM) => {
                    Some((None, "functions bring their program".to_owned(), None))
                }
                (None, None) => None,
            };
            let is_ready = here.is_some();
            let (version, place, installed) = here.unwrap_or_else(|| (None, how(row), None));
            let (runtime, state, untested) = (row.id, row.state.as_str(), row.untested);
            Row { runtime, state, is_ready, version, place, installed, untested }
        })
        .collect();
    if json {
        println!("{}", serde_json::to_string_pretty(&rows).map_err(|error| Failure::new(error.to_string()))?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(WIDTH_WITHOUT_TERMINAL);
    }
    table.set_header(["Runtime", "On AWS", "Here", "From, or how to get it"]);
    for row in &rows {
        let here = match (&row.version, row.is_ready) {
            (Some(version), _) => version,
            (None, true) => "ready",
            (None, false) => "-",
        };
        table.add_row([row.runtime, row.state, here, &row.place]);
    }
    println!("{table}");
    let blocked: Vec<&str> = CATALOG.iter().filter(|row| !row.is_offered()).map(|row| row.id).collect();
    println!("No longer to be chosen: {}", blocked.join(", "));
    Ok(ExitCode::SUCCESS)
}

/// By family and version.
fn offered() -> impl Iterator<Item = &'static CatalogRow> {
    let mut rows: Vec<_> = CATALOG.iter().filter(|row| row.is_offered()).collect();
    rows.sort_by_key(|row| (row.language.is_none(), row.language, row.id));
    rows.into_iter()
}

/// In one line.
fn how(row: &CatalogRow) -> String {
    let Some(language) = row.language else { return "customer-managed runtimes are not built".to_owned() };
    if !language.has_client() {
        return format!("hearth runtimes install {} --image REF", row.id);
    }
    match row.install {
        Some(_) => format!("hearth runtimes install {}", row.id),
        None => format!("install {language}, or: hearth runtimes install {} --image REF", row.id),
    }
}
