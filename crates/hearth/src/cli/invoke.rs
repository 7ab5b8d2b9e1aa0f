//! `hearth invoke`: run a function once and print what it answers.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use base64::Engine as _;
use bytes::Bytes;
use hyper::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Failure, Target, client};

#[derive(clap::Args)]
pub(super) struct Args {
    /// Name or ARN of the function
    function: String,

    /// JSON to send: text, @FILE, or - for standard input
    #[arg(short, long, value_name = "JSON|@FILE|-", default_value = "{}")]
    payload: String,

    /// Version or alias
    #[arg(short, long)]
    qualifier: Option<String>,

    /// Queue the event and return at once
    #[arg(long)]
    event: bool,

    /// Print the end of the log, too
    #[arg(short, long, conflicts_with = "event")]
    tail: bool,

    #[command(flatten)]
    target: Target,
}

/// The answer goes to standard output, everything else to standard error; a failed function is exit status 1.
pub(super) fn run(args: Args) -> Result<ExitCode, Failure> {
    let payload = read_payload(&args.payload)?;
    let mut path =
        format!("/2015-03-31/functions/{}/invocations", utf8_percent_encode(&args.function, NON_ALPHANUMERIC));
    if let Some(qualifier) = &args.qualifier {
        path.push_str(&format!("?Qualifier={}", utf8_percent_encode(qualifier, NON_ALPHANUMERIC)));
    }
    let kind = if args.event { "Event" } else { "RequestResponse" };
    let tail = if args.tail { "Tail" } else { "None" };
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("x-amz-invocation-type", kind.to_owned()),
        ("x-amz-log-type", tail.to_owned()),
    ];
    let answer = super::block_on(client::send(&args.target, Method::POST, &path, &headers, payload))?;
    match answer.status {
        StatusCode::OK => {}
        StatusCode::ACCEPTED => {
            eprintln!("queued as {}", answer.header("x-amzn-requestid").unwrap_or("an event"));
            return Ok(ExitCode::SUCCESS);
        }
        _ => return Err(client::failure_of(&answer)),
    }
    if let Some(log) = answer.header("x-amz-log-result") {
        let log = base64::prelude::BASE64_STANDARD.decode(log).unwrap_or_default();
        eprint!("{}", String::from_utf8_lossy(&log));
    }
    let mut out = std::io::stdout().lock();
    out.write_all(&answer.body)
        .and_then(|()| out.write_all(b"\n"))
        .map_err(|error| Failure::new(format!("cannot print the answer: {error}")))?;
    if let Some(error) = answer.header("x-amz-function-error") {
        eprintln!("hearth: the function failed ({error}); see `hearth logs {}`", args.function);
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn read_payload(argument: &str) -> Result<Bytes, Failure> {
    let unreadable = |what: &str, error: std::io::Error| Failure::new(format!("cannot read {what}: {error}"));
    if argument == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map_err(|error| unreadable("standard input", error))?;
        return Ok(bytes.into());
    }
    match argument.strip_prefix('@') {
        Some(path) => std::fs::read(path).map(Bytes::from).map_err(|error| unreadable(path, error)),
        None => Ok(Bytes::copy_from_slice(argument.as_bytes())),
    }
}
