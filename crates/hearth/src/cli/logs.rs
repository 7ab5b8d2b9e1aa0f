//! `hearth logs`: print what a function wrote.

use std::io::Write as _;
use std::process::ExitCode;

use bytes::Bytes;
use hearth_types::clock::iso8601_ms;
use hyper::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::{Failure, Target, client};

/// How long one request waits for news when following.
const WAIT_MS: u64 = 10_000;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Name of the function, or a log group that starts with /
    function: String,

    /// Go on printing what arrives
    #[arg(short, long)]
    follow: bool,

    #[command(flatten)]
    target: Target,
}

#[derive(Deserialize)]
struct Page {
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    sequence: u64,
    timestamp: i64,
    message: String,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    super::block_on(print(args))
}

async fn print(args: &Args) -> Result<ExitCode, Failure> {
    let group = match &args.function {
        group if group.starts_with('/') => group.clone(),
        function => format!("/aws/lambda/{function}"),
    };
    let account = match &args.target.access_key_id {
        id if id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit()) => format!("&account={id}"),
        _ => String::new(),
    };
    let base = format!(
        "/_hearth/logs?group={}&region={}{account}",
        utf8_percent_encode(&group, NON_ALPHANUMERIC),
        utf8_percent_encode(&args.target.region, NON_ALPHANUMERIC)
    );
    let mut after = 0;
    // The first page answers at once; only then is there something to wait for.
    let mut wait_ms = 0;
    loop {
        let path = format!("{base}&after={after}&wait_ms={wait_ms}");
        let answer = client::send(&args.target, Method::GET, &path, &[], Bytes::new()).await?;
        if answer.status != StatusCode::OK {
            return Err(client::failure_of(&answer));
        }
        let page: Page = serde_json::from_slice(&answer.body)
            .map_err(|_| Failure::new(format!("{} does not answer like a Hearth server", args.target.endpoint)))?;
        if page.events.is_empty() {
            if after == 0 && !args.follow {
                eprintln!("hearth: no log lines in {group} yet");
            }
            if !args.follow {
                return Ok(ExitCode::SUCCESS);
            }
            wait_ms = WAIT_MS;
        }
        let mut out = std::io::stdout().lock();
        for event in &page.events {
            after = event.sequence;
            // Runtimes join the lines of one event with carriage returns, which would overwrite each other here.
            let message = event.message.replace('\r', "\n");
            if writeln!(out, "{} {message}", iso8601_ms(event.timestamp)).is_err() {
                // The reader of a pipe has seen enough.
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
}
