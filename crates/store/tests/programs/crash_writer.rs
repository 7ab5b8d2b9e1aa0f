//! Commits as fast as it can until it is killed, and says on stdout what was acknowledged.
//!
//! `store-crash-writer DIR`. Each writer keeps a counter and the last [`KEPT`] pairs of rows, all changed in one
//! commit, so that the whole state follows from the counter: `tests/crash.rs` checks it. Lines:
//!
//! ```text
//! epoch E               this life's epoch
//! ack WRITER COUNT REV  a commit is durable
//! saw WRITER COUNT      another task has read it
//! ```

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use hearth_store::{Epoch, Key, KeyVersion, Mutation, Precondition, Shard, SqliteStore, Store};
use hearth_types::{AccountId, Millis, Partition, Scope};

type Failure = Box<dyn Error + Send + Sync>;

const WRITERS: u64 = 8;
const KEPT: u64 = 20;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let dir = std::env::args().nth(1).ok_or("usage: store-crash-writer DIR")?;
    let store = Arc::new(SqliteStore::open(Path::new(&dir))?);
    let owner = std::process::id().to_string();
    let epoch = store.lease(&shard(), &owner, Millis::from_secs(3_600)).await?;
    println!("epoch {}", epoch.0);
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        tasks.spawn(write(store.clone(), epoch, writer));
    }
    tasks.spawn(read(store));
    // None of them ends by itself; an error of one ends the program.
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

async fn write(store: Arc<SqliteStore>, epoch: Epoch, writer: u64) -> Result<(), Failure> {
    let counter = table("crash.count").part_u64(writer);
    let (mut count, mut version) = match store.get(&counter).await? {
        Some(entry) => (std::str::from_utf8(&entry.value)?.parse::<u64>()?, Some(entry.version)),
        None => (0, None),
    };
    loop {
        count += 1;
        let when = match version {
            Some(version) => Precondition::Exact(counter.clone(), version),
            None => Precondition::Absent(counter.clone()),
        };
        let value = value(writer, count);
        let mut then = vec![
            Mutation::Put(side(writer, count, "left"), value.clone()),
            Mutation::Put(side(writer, count, "right"), value),
            Mutation::Put(counter.clone(), Bytes::from(count.to_string())),
        ];
        if let Some(old) = count.checked_sub(KEPT) {
            then.extend(["left", "right"].map(|name| Mutation::Delete(side(writer, old, name))));
        }
        let revision = store.commit(&shard(), epoch, vec![when], then).await?;
        println!("ack {writer} {count} {}", revision.0);
        version = Some(KeyVersion(revision.0));
    }
}

async fn read(store: Arc<SqliteStore>) -> Result<(), Failure> {
    loop {
        for writer in 0..WRITERS {
            if let Some(entry) = store.get(&table("crash.count").part_u64(writer)).await? {
                println!("saw {writer} {}", std::str::from_utf8(&entry.value)?);
            }
        }
    }
}

fn scope() -> Scope {
    Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: None }
}

fn shard() -> Shard {
    Shard::new(&scope(), "crash")
}

fn table(name: &str) -> Key {
    Key::new(&scope(), name)
}

fn side(writer: u64, count: u64, name: &str) -> Key {
    table("crash.pair").part_u64(writer).part_u64(count).part(name)
}

/// Differs for every commit, from a few bytes to more than a page.
fn value(writer: u64, count: u64) -> Bytes {
    let text = format!("{writer}:{count};");
    Bytes::from(text.repeat(1 + (count as usize * 37) % 700))
}
