//! How many lines a second the log store takes and gives back, and how much memory it needs meanwhile.
//!
//! `cargo run --release -p hearth-logs --example log_rate -- [LINES [BYTES]]`: as many streams as there are environments
//! on a busy machine write what functions write, a batch of three lines at a time; then the group is read back in order
//! of arrival, and searched by time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hearth_delivery::Outbox;
use hearth_logs::{Logs, LogsConfig, LogsParts};
use hearth_ports::{LogEvent, LogQuery, LogReader as _, LogSink as _};
use hearth_store::{Codec, SqliteStore};
use hearth_types::{AccountId, Clock as _, OsRandom, Partition, Region, RequestContext, RequestId, Scope, SystemClock};

const STREAMS: usize = 200;
const LINES_PER_BATCH: usize = 3;
const LINES_PER_SECOND: usize = 50_000;

fn context() -> RequestContext {
    let region = Some(Region::from("us-east-1"));
    let scope = Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region };
    RequestContext::service(&scope, "lambda.amazonaws.com", RequestId::from("r"))
}

/// Resident memory of this process, MiB: now and at its peak.
fn memory_mib() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1_024
    };
    (of("VmRSS:"), of("VmHWM:"))
}

async fn open(path: &std::path::Path) -> Result<Arc<Logs>, Box<dyn std::error::Error>> {
    let store = Arc::new(SqliteStore::open(&path.join("store"))?);
    let codec = Arc::new(Codec::open(&path.join("keys"))?);
    let parts = LogsParts {
        outbox: Outbox::new(store.clone(), codec.clone(), Arc::new(SystemClock)),
        store,
        codec,
        clock: Arc::new(SystemClock),
        random: Arc::new(OsRandom),
        metrics: Arc::new(hearth_ports::NoMetrics),
        config: LogsConfig::default(),
    };
    Ok(Logs::open(&path.join("logs"), parts).await?)
}

/// Writes that many lines, as fast as it goes or at a pace; what was dropped is told by lines.
fn write(logs: &Logs, lines: usize, bytes: usize, per_second: Option<usize>) -> Duration {
    let context = context();
    let started = Instant::now();
    for number in 0..lines / LINES_PER_BATCH {
        let event = |line: usize| {
            let head = format!(
                "2026-01-12T15:37:12.{:03}Z\t{number:08x}-ab\tINFO\trequest {number} line {line} ",
                number % 1_000
            );
            let message = format!("{head:<bytes$.bytes$}").into();
            LogEvent { timestamp_ms: SystemClock.now_ms(), message }
        };
        logs.append(
            &context,
            "/aws/lambda/f",
            &format!("s{}", number % STREAMS),
            (0..LINES_PER_BATCH).map(event).collect(),
        );
        if let Some(per_second) = per_second {
            let due = started + Duration::from_secs_f64((number * LINES_PER_BATCH) as f64 / per_second as f64);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }
    started.elapsed()
}

async fn read(logs: &Logs) -> (usize, usize) {
    let (mut lines, mut dropped, mut after_sequence) = (0, 0, 0);
    loop {
        let query = LogQuery { group: "/aws/lambda/f".to_owned(), after_sequence, limit: 10_000 };
        let page = logs.read(&context(), &query).await;
        let Some(last) = page.last() else { return (lines, dropped) };
        after_sequence = last.sequence;
        for event in &page {
            let text = String::from_utf8_lossy(&event.message);
            let told = text
                .strip_prefix("LOGS_DROPPED Records: ")
                .and_then(|rest| rest.split('\t').next()?.parse::<usize>().ok());
            match told {
                Some(records) => dropped += records,
                None => lines += 1,
            }
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let argument =
        |at: usize, default: usize| std::env::args().nth(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (lines, bytes) = (argument(1, 1_000_000), argument(2, 150));
    println!("{lines} lines of {bytes} bytes, {STREAMS} streams; memory {} MiB", memory_mib().0);
    for pace in [Some(LINES_PER_SECOND), None] {
        let directory = tempfile::tempdir()?;
        let logs = open(directory.path()).await?;
        let written = {
            let logs = logs.clone();
            tokio::task::spawn_blocking(move || write(&logs, lines, bytes, pace)).await?
        };
        let rate = |count: usize, time: Duration| (count as f64 / time.as_secs_f64()).round();
        let (now, peak) = memory_mib();
        let pace = pace.map_or("as fast as it goes".to_owned(), |pace| format!("at {pace}/s"));
        println!("{pace}: {} lines/s into the sink; memory {now} MiB, at most {peak} MiB", rate(lines, written));
        let started = Instant::now();
        let (kept, dropped) = read(&logs).await;
        println!("  read back: {} lines/s; {kept} kept, {dropped} told as dropped", rate(kept, started.elapsed()));
        logs.close();
        drop(logs);
        let mut on_disk = 0;
        for entry in std::fs::read_dir(directory.path().join("logs"))? {
            on_disk += entry?.metadata()?.len();
        }
        println!(
            "  on disk: {:.1} MiB for {:.1} MiB of text",
            on_disk as f64 / 1_048_576.0,
            (kept * bytes) as f64 / 1_048_576.0
        );
        let started = Instant::now();
        let again = open(directory.path()).await?;
        println!("  opened again in {} ms; memory {} MiB", started.elapsed().as_millis(), memory_mib().0);
        again.close();
    }
    Ok(())
}
