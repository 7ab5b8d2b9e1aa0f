//! How many durable commits per second this disk and the commit thread give.
//!
//! `cargo run --release -p hearth-store --example commit_rate [DIR | postgres://…] [SECONDS]`. A commit puts one 512-byte
//! value. Beside it: how often the disk itself can be told to keep 4 KiB. A database must be empty, or one of this program.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearth_store::{Epoch, Key, Mutation, PostgresOptions, PostgresStore, Shard, SqliteStore, Store};
use hearth_types::{AccountId, Partition, Scope};

const CONCURRENCY: [usize; 3] = [1, 32, 256];
const VALUE_BYTES: usize = 512;
/// Keys each client goes round: enough for a tree of some depth, the same in every run.
const KEYS_PER_CLIENT: u64 = 1_000;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let place = args.next();
    let database = place.as_deref().filter(|place| place.contains("://"));
    let parent = match (&place, database) {
        (Some(directory), None) => PathBuf::from(directory),
        _ => std::env::temp_dir(),
    };
    let seconds = args.next().map_or(Ok(2.0), |text| text.parse::<f64>())?;
    let time = Duration::from_secs_f64(seconds);
    let dir = tempfile::Builder::new().prefix("hearth-commit-rate-").tempdir_in(parent)?;

    println!("disk, 4 KiB each, one after the other");
    for (what, grow, whole) in
        [("append, fdatasync", true, false), ("overwrite, fdatasync", false, false), ("overwrite, fsync", false, true)]
    {
        println!("  {what:<22} {:>9.0}/s", sync_rate(&dir.path().join("raw"), time / 2, grow, whole)?);
    }
    println!("store, group commit, {VALUE_BYTES} bytes each");
    println!("  {:>7} {:>11} {:>9} {:>9} {:>9}", "clients", "commits/s", "p50 ms", "p99 ms", "max ms");
    for clients in CONCURRENCY {
        let store: Arc<dyn Store> = match database {
            Some(url) => Arc::new(PostgresStore::open(url, PostgresOptions::default()).await?),
            None => Arc::new(SqliteStore::open(&dir.path().join(format!("store-{clients}")))?),
        };
        let (rate, mut latencies) = commit_rate(store, clients, time).await?;
        latencies.sort_unstable();
        let at = |part: f64| {
            let index = (latencies.len().saturating_sub(1)) as f64 * part;
            latencies.get(index as usize).copied().unwrap_or_default().as_secs_f64() * 1e3
        };
        println!("  {clients:>7} {rate:>11.0} {:>9.2} {:>9.2} {:>9.2}", at(0.5), at(0.99), at(1.0));
    }
    Ok(())
}

fn sync_rate(path: &Path, time: Duration, grow: bool, whole: bool) -> io::Result<f64> {
    const BLOCK: usize = 4_096;
    const BLOCKS: u64 = 256;
    let file: File = OpenOptions::new().create(true).truncate(true).write(true).open(path)?;
    file.write_all_at(&vec![1; BLOCK * BLOCKS as usize], 0)?;
    file.sync_all()?;
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < time {
        let block = if grow { BLOCKS + count } else { count % BLOCKS };
        file.write_all_at(&[count as u8; BLOCK], block * BLOCK as u64)?;
        if whole {
            file.sync_all()?
        } else {
            file.sync_data()?
        }
        count += 1;
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

async fn commit_rate(store: Arc<dyn Store>, clients: usize, time: Duration) -> Result<(f64, Vec<Duration>), Failure> {
    let scope = Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: None };
    let done = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for client in 0..clients {
        let (store, scope, done) = (store.clone(), scope.clone(), done.clone());
        tasks.spawn(async move {
            let shard = Shard::new(&scope, "rate");
            let table = Key::new(&scope, "rate.value").part_u64(client as u64);
            let mut latencies = Vec::new();
            let mut number = 0;
            while start.elapsed() < time {
                // Spread over the table, as names are.
                let key = table.clone().part_u64((number * 7_919) % KEYS_PER_CLIENT);
                let put = Mutation::Put(key, Bytes::from(vec![number as u8; VALUE_BYTES]));
                let asked = Instant::now();
                store.commit(&shard, Epoch(0), vec![], vec![put]).await?;
                latencies.push(asked.elapsed());
                number += 1;
            }
            done.fetch_add(number, Ordering::Relaxed);
            Ok::<_, Failure>(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        latencies.extend(ended??);
    }
    Ok((done.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64(), latencies))
}
