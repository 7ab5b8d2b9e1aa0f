//! `hearth audit`: print the audit log of a data directory, whether or not a server runs on it.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use hearth_audit::Line;
use hearth_audit::reader::{self, Reader};
use hearth_ports::{AuditRecord, Verdict};
use hearth_store::DataDir;
use hearth_types::clock::iso8601_ms;

use super::Failure;
use crate::config;

/// Between two looks at the log when following.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(250);

#[derive(clap::Args)]
pub(super) struct Args {
    /// Data directory of the server (default: the one `hearth up` uses)
    #[arg(long, value_name = "DIR", env = "HEARTH_DATA")]
    data: Option<PathBuf>,

    /// Only what was denied, or would be in enforce mode
    #[arg(long)]
    denied: bool,

    /// Only actions that start with this, such as lambda: or iam:Create
    #[arg(long, value_name = "PREFIX", default_value = "")]
    action: String,

    /// Only callers whose ARN contains this
    #[arg(long, value_name = "TEXT", default_value = "")]
    principal: String,

    /// Print at most so many of the latest decisions
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 50)]
    lines: usize,

    /// Go on printing what is decided
    #[arg(short, long)]
    follow: bool,

    /// Print JSON lines as they are in the log
    #[arg(long)]
    json: bool,
}

impl Args {
    fn wants(&self, line: &Line) -> bool {
        match line {
            Line::Lost { .. } => true,
            Line::Decision(record) => {
                (!self.denied || matches!(record.verdict, Verdict::Denied | Verdict::WouldDeny))
                    && starts_with_ignoring_case(&record.action, &self.action)
                    && record.principal.contains(&self.principal)
            }
        }
    }
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let data = args.data.clone().or_else(config::default_data_directory);
    let data = data.ok_or_else(|| Failure::new("cannot tell where the data is: give --data DIR"))?;
    let directory = DataDir::audit_of(&data);
    let unreadable = |error: std::io::Error| {
        let place = directory.display();
        Failure::new(format!("cannot read the audit log in {place}: {error}; is that the server's --data directory?"))
    };
    let mut reader = Reader::new(&directory);
    let lines = reader::last(&mut reader, args.lines, |line| args.wants(line)).map_err(unreadable)?;
    if lines.is_empty() && !args.follow {
        eprintln!("hearth: no such decision in {}", directory.display());
    }
    // The reader of a pipe has seen enough.
    if !lines.iter().all(|line| print(args, line)) {
        return Ok(ExitCode::SUCCESS);
    }
    let mut goes_on = args.follow;
    while goes_on {
        std::thread::sleep(FOLLOW_INTERVAL);
        reader.read_on(|line| goes_on = goes_on && (!args.wants(&line) || print(args, &line))).map_err(unreadable)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(args: &Args, line: &Line) -> bool {
    let text = if args.json { serde_json::to_string(line).unwrap_or_default() } else { describe(line) };
    writeln!(std::io::stdout().lock(), "{text}").is_ok()
}

fn describe(line: &Line) -> String {
    match line {
        Line::Lost { time_ms, lost } => format!("{}  ({lost} decisions could not be written)", iso8601_ms(*time_ms)),
        Line::Decision(record) => {
            let AuditRecord { time_ms, principal, action, resource, because, .. } = record;
            let verdict = match record.verdict {
                Verdict::Allowed => "allowed",
                Verdict::Denied => "DENIED",
                Verdict::WouldDeny => "WOULD DENY",
                Verdict::NotEvaluated => "open",
            };
            let because = if because.is_empty() { String::new() } else { format!("  ({because})") };
            format!("{}  {verdict:<10}  {principal}  {action}  {resource}{because}", iso8601_ms(*time_ms))
        }
    }
}

/// Actions differ regardless of case.
fn starts_with_ignoring_case(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}
