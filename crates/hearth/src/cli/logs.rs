//! `hearth logs`: print what a function wrote.

use std::io::Write as _;
use std::process::ExitCode;

use bytes::Bytes;
use hearth_types::FunctionRef;
use hearth_types::clock::iso8601_ms;
use hyper::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::{Failure, Target, client};

/// How long one request waits for news when following.
const WAIT_MS: u64 = 10_000;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Name or ARN of the function, or a log group that starts with /
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

/// What to read, and where.
struct Source {
    target: Target,
    account: Option<String>,
    group: String,
    /// The function asked for, when there is none. Its log may be there all the same.
    missing: Option<String>,
}

impl Source {
    async fn find(args: &Args) -> Result<Self, Failure> {
        let own_account = &args.target.access_key_id;
        let own_account =
            (own_account.len() == 12 && own_account.bytes().all(|b| b.is_ascii_digit())).then(|| own_account.clone());
        if args.function.starts_with('/') {
            let (target, group) = (args.target.clone(), args.function.clone());
            return Ok(Self { target, account: own_account, group, missing: None });
        }
        let named = FunctionRef::parse(&args.function)
            .map_err(|error| Failure::new(format!("\"{}\" is {error}", args.function)))?;
        let mut target = args.target.clone();
        target.region = named.region.unwrap_or(target.region);
        let own_group = log_group(&target, &args.function).await?;
        let missing = own_group.is_none().then(|| named.name.clone());
        let group = own_group.unwrap_or_else(|| format!("/aws/lambda/{}", named.name));
        Ok(Self { target, account: named.account.or(own_account), group, missing })
    }

    /// The path of the page after an event.
    fn page(&self, after: u64, wait_ms: u64) -> String {
        let account = self.account.as_ref().map(|id| format!("&account={id}")).unwrap_or_default();
        format!(
            "/_hearth/logs?group={}&region={}{account}&after={after}&wait_ms={wait_ms}",
            utf8_percent_encode(&self.group, NON_ALPHANUMERIC),
            utf8_percent_encode(&self.target.region, NON_ALPHANUMERIC)
        )
    }
}

/// The log group of a function; `None` when there is no such function.
async fn log_group(target: &Target, function: &str) -> Result<Option<String>, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Configuration {
        logging_config: LoggingConfig,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct LoggingConfig {
        log_group: String,
    }
    let path = format!("/2015-03-31/functions/{}/configuration", utf8_percent_encode(function, NON_ALPHANUMERIC));
    let answer = client::send(target, Method::GET, &path, &[], Bytes::new()).await?;
    match answer.status {
        StatusCode::OK => {
            let configuration: Configuration = client::read(target, &answer)?;
            Ok(Some(configuration.logging_config.log_group))
        }
        StatusCode::NOT_FOUND => Ok(None),
        _ => Err(client::failure_of(&answer)),
    }
}

async fn print(args: &Args) -> Result<ExitCode, Failure> {
    let source = Source::find(args).await?;
    let mut after = 0;
    // The first page answers at once; only then is there something to wait for.
    let mut wait_ms = 0;
    loop {
        let path = source.page(after, wait_ms);
        let answer = client::send(&source.target, Method::GET, &path, &[], Bytes::new()).await?;
        if answer.status != StatusCode::OK {
            return Err(client::failure_of(&answer));
        }
        let page: Page = client::read(&source.target, &answer)?;
        if page.events.is_empty() {
            if after == 0 {
                let group = &source.group;
                match &source.missing {
                    Some(name) if !args.follow => {
                        return Err(Failure::new(format!("there is no function {name}, nor log lines in {group}")));
                    }
                    Some(name) if wait_ms == 0 => eprintln!("hearth: there is no function {name} yet"),
                    None if !args.follow => eprintln!("hearth: no log lines in {group} yet"),
                    _ => {}
                }
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
