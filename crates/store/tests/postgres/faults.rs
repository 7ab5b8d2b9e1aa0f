//! When others write too, and when the database dies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearth_store::{
    Epoch, Key, KeyVersion, Mutation, PostgresOptions, PostgresStore, Precondition, Shard, Store, StoreError, Tenancy,
    scan_all,
};
use hearth_types::{AccountId, Millis, Partition, Scope};
use tokio::task::JoinSet;

use crate::database::{self, Database};

fn scope() -> Scope {
    Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: None }
}

fn shard(name: &str) -> Shard {
    Shard::new(&scope(), name)
}

fn key(name: &str) -> Key {
    Key::new(&scope(), "test.thing").part(name)
}

fn put(key: &Key, value: impl Into<Bytes>) -> Mutation {
    Mutation::Put(key.clone(), value.into())
}

async fn open(url: &str, tenancy: Tenancy) -> Arc<PostgresStore> {
    let options = PostgresOptions { tenancy, ..PostgresOptions::default() };
    Arc::new(PostgresStore::open(url, options).await.expect("opens"))
}

fn exclusive() -> Tenancy {
    Tenancy::Exclusive { name: "test".to_owned() }
}

/// Takes a check out of the function that commits: a test that then still passes proves nothing.
fn without(database: &Database, url: &str, check: &str, instead: &str) {
    let name = url.rsplit('/').next().expect("has a name");
    let function = database.sql(name, "SELECT pg_get_functiondef('hearth.apply'::regproc)");
    assert_eq!(function.matches(check).count(), 1, "{check}");
    database.sql(name, &function.replace(check, instead));
}

/// Two servers take one shard from each other, again and again, and write all the while with the epoch they were given.
/// The commits, in their order, that an owner did after the next one's first.
async fn stale_commits(url: &str) -> usize {
    const ROUNDS: usize = 40;
    const WRITERS: usize = 4;
    let servers = [open(url, Tenancy::Shared).await, open(url, Tenancy::Shared).await];
    let mut done: BTreeMap<u64, u64> = BTreeMap::new();
    let number = Arc::new(AtomicU64::new(0));
    let mut writers: JoinSet<Vec<(u64, u64)>> = JoinSet::new();
    for round in 0..ROUNDS {
        let store = &servers[round % 2];
        let epoch = store.lease(&shard("race"), &format!("owner {round}"), Millis(60_000)).await.expect("leases");
        let stop = Instant::now() + Duration::from_millis(60);
        for _ in 0..WRITERS {
            let (store, number) = (store.clone(), number.clone());
            writers.spawn(async move {
                let mut written = Vec::new();
                while Instant::now() < stop {
                    let then = vec![put(&key(&number.fetch_add(1, Ordering::Relaxed).to_string()), "v")];
                    match store.commit(&shard("race"), epoch, vec![], then).await {
                        Ok(revision) => written.push((revision.0, epoch.0)),
                        Err(error) => {
                            assert_eq!(error, StoreError::Fenced);
                            break;
                        }
                    }
                }
                written
            });
        }
        // The next owner comes while this one writes.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for written in writers.join_all().await {
        done.extend(written);
    }
    let owners: std::collections::BTreeSet<u64> = done.values().copied().collect();
    assert!(owners.len() > ROUNDS / 2 && done.len() > 2 * ROUNDS, "{} commits by {} owners", done.len(), owners.len());
    let mut newest = 0;
    let is_stale = |epoch: &u64| {
        newest = newest.max(*epoch);
        newest > *epoch
    };
    done.into_values().filter(is_stale).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_owners_of_a_shard_never_both_commit() {
    let Some(database) = database::shared() else { return };
    assert_eq!(stale_commits(&database.fresh()).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_check_of_epochs_two_owners_do_both_commit() {
    let Some(database) = database::shared() else { return };
    let url = database.fresh();
    drop(open(&url, Tenancy::Shared).await);
    without(database, &url, "epochs[at] <> request_epochs[request]", "false");
    assert!(stale_commits(&url).await > 0);
}

/// Two servers, each with many clients, count up a few numbers by compare-and-swap. How many steps are missing.
async fn lost_updates(url: &str) -> u64 {
    const CLIENTS: usize = 8;
    const STEPS: u64 = 125;
    const NUMBERS: usize = 3;
    let servers = [open(url, Tenancy::Shared).await, open(url, Tenancy::Shared).await];
    let number = |at: usize| key(&format!("number {}", at % NUMBERS));
    for at in 0..NUMBERS {
        servers[0].commit(&shard("count"), Epoch(0), vec![], vec![put(&number(at), "0")]).await.expect("commits");
    }
    let mut clients = JoinSet::new();
    for at in 0..2 * CLIENTS {
        let store = servers[at % 2].clone();
        clients.spawn(async move {
            for step in 0..STEPS {
                let number = number(at + step as usize);
                loop {
                    let entry = store.get(&number).await.expect("reads").expect("exists");
                    let value: u64 = std::str::from_utf8(&entry.value).expect("text").parse().expect("number");
                    let when = vec![Precondition::Exact(number.clone(), entry.version)];
                    let then = vec![put(&number, (value + 1).to_string())];
                    match store.commit(&shard("count"), Epoch(0), when, then).await {
                        Ok(_) => break,
                        Err(error) => assert_eq!(error, StoreError::PreconditionFailed),
                    }
                }
            }
        });
    }
    clients.join_all().await;
    let mut counted = 0;
    for at in 0..NUMBERS {
        let entry = servers[1].get(&number(at)).await.expect("reads").expect("exists");
        counted += std::str::from_utf8(&entry.value).expect("text").parse::<u64>().expect("number");
    }
    2 * CLIENTS as u64 * STEPS - counted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_thousand_swaps_by_two_servers_none_is_lost() {
    let Some(database) = database::shared() else { return };
    assert_eq!(lost_updates(&database.fresh()).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_lock_of_the_shard_swaps_are_lost() {
    let Some(database) = database::shared() else { return };
    let url = database.fresh();
    drop(open(&url, Tenancy::Shared).await);
    without(database, &url, "FOR NO KEY UPDATE OF s", "");
    assert!(lost_updates(&url).await > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_two_shards_make_at_once_becomes_one_shards() {
    let Some(database) = database::shared() else { return };
    let url = database.fresh();
    let servers = [open(&url, Tenancy::Shared).await, open(&url, Tenancy::Shared).await];
    for round in 0..200 {
        let make = |at: usize| {
            let (store, key, value) = (servers[at].clone(), key(&round.to_string()), at.to_string());
            async move { store.commit(&shard(&format!("s{at}")), Epoch(0), vec![], vec![put(&key, value)]).await }
        };
        let made = tokio::join!(make(0), make(1));
        let winner = match made {
            (Ok(_), Err(StoreError::WrongShard { .. })) => "0",
            (Err(StoreError::WrongShard { .. }), Ok(_)) => "1",
            other => panic!("round {round}: {other:?}"),
        };
        let entry = servers[0].get(&key(&round.to_string())).await.expect("reads").expect("exists");
        assert_eq!(&entry.value[..], winner.as_bytes());
    }
}

const WRITERS: u64 = 8;

/// Writers that each count up with the version of their last commit as precondition, and write a pair beside it: a commit
/// that was done though it was said to have failed, or the other way round, stops its writer.
struct Load {
    stop: Arc<AtomicBool>,
    writers: JoinSet<(u64, u64, Duration)>,
}

impl Load {
    fn start(store: &Arc<PostgresStore>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            writers.spawn(write(store.clone(), writer, stop.clone()));
        }
        Self { stop, writers }
    }

    /// How much each writer was told is done; the longest wait for an answer.
    async fn end(self) -> (BTreeMap<u64, u64>, Duration) {
        self.stop.store(true, Ordering::SeqCst);
        let ended = self.writers.join_all().await;
        let longest = ended.iter().map(|(_, _, longest)| *longest).max().unwrap_or_default();
        (ended.into_iter().map(|(writer, count, _)| (writer, count)).collect(), longest)
    }
}

fn counter(writer: u64) -> Key {
    Key::new(&scope(), "test.count").part_u64(writer)
}

fn side(writer: u64, count: u64, name: &str) -> Key {
    Key::new(&scope(), "test.pair").part_u64(writer).part_u64(count).part(name)
}

async fn write(store: Arc<PostgresStore>, writer: u64, stop: Arc<AtomicBool>) -> (u64, u64, Duration) {
    let (mut count, mut version, mut longest) = match store.get(&counter(writer)).await.expect("reads") {
        Some(entry) => {
            let count = std::str::from_utf8(&entry.value).expect("text").parse().expect("number");
            (count, Some(entry.version), Duration::ZERO)
        }
        None => (0, None, Duration::ZERO),
    };
    while !stop.load(Ordering::SeqCst) {
        let when = version
            .map_or(Precondition::Absent(counter(writer)), |version| Precondition::Exact(counter(writer), version));
        let value = Bytes::from((count + 1).to_string());
        let sides = ["left", "right"].map(|name| put(&side(writer, count + 1, name), value.clone()));
        let then = [&sides[..], &[put(&counter(writer), value)]].concat();
        let asked = Instant::now();
        let revision = store.commit(&shard("load"), Epoch(0), vec![when], then).await;
        let revision = revision.unwrap_or_else(|error| panic!("writer {writer} at {count}: {error}"));
        longest = longest.max(asked.elapsed());
        (count, version) = (count + 1, Some(KeyVersion(revision.0)));
    }
    (writer, count, longest)
}

/// All that was acknowledged is there, whole, and nothing else is.
async fn check(store: &PostgresStore, acknowledged: &BTreeMap<u64, u64>) {
    let mut rows: BTreeMap<Key, Bytes> = BTreeMap::new();
    let everything = Key::root();
    let read = scan_all(store, &everything, |entry| {
        rows.insert(entry.key, entry.value);
        Ok::<_, StoreError>(())
    });
    read.await.expect("reads");
    let mut expected = 0;
    for (writer, count) in acknowledged {
        assert_eq!(rows.get(&counter(*writer)), Some(&Bytes::from(count.to_string())), "writer {writer}");
        for number in 1..=*count {
            for name in ["left", "right"] {
                let found = rows.get(&side(*writer, number, name));
                assert_eq!(found, Some(&Bytes::from(number.to_string())), "writer {writer}, {number} {name}");
            }
        }
        expected += 1 + 2 * usize::try_from(*count).expect("is small");
    }
    assert_eq!(rows.len(), expected, "rows of commits that nobody was told of");
}

/// `HEARTH_CRASH_ROUNDS` kills (default 4), half of back ends, half of the whole server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_the_database_under_load_lose_nothing_and_no_writer_notices_more_than_a_wait() {
    let rounds = std::env::var("HEARTH_CRASH_ROUNDS").map_or(4, |text| text.parse().expect("is a number"));
    let Some(database) = Database::start() else { return };
    // However long a start takes on a busy machine.
    let options =
        PostgresOptions { tenancy: exclusive(), patience: Millis::from_secs(60), ..PostgresOptions::default() };
    let store = Arc::new(PostgresStore::open(&database.url("postgres"), options).await.expect("opens"));
    let (mut commits, mut longest) = (0, Duration::ZERO);
    for round in 0..rounds {
        let load = Load::start(&store);
        tokio::time::sleep(Duration::from_millis(300 + 37 * (round % 10))).await;
        tokio::task::block_in_place(|| match round % 2 {
            0 => database.kill_backends(),
            _ => {
                database.kill();
                database.up(&[]);
            }
        });
        tokio::time::sleep(Duration::from_millis(500)).await;
        let (acknowledged, waited) = load.end().await;
        check(&store, &acknowledged).await;
        longest = longest.max(waited);
        commits = acknowledged.values().sum();
    }
    println!("{rounds} kills, {commits} commits acknowledged, none lost; longest wait {longest:?}");
    assert!(commits > 10 * rounds, "too few commits to mean anything: {commits}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_gone_requests_are_refused_and_served_again_once_it_is_back() {
    let Some(database) = Database::start() else { return };
    let store = open(&database.url("postgres"), exclusive()).await;
    let (shard, a) = (shard("s"), key("a"));
    let commit = || store.commit(&shard, Epoch(0), vec![], vec![put(&a, "1")]);
    let first = commit().await.expect("commits");
    tokio::task::block_in_place(|| database.down());
    let asked = Instant::now();
    let refused = tokio::join!(commit(), store.get(&a));
    assert!(matches!(refused, (Err(StoreError::Internal(_)), Err(StoreError::Internal(_)))), "{refused:?}");
    assert!(asked.elapsed() < Duration::from_secs(12), "{:?}", asked.elapsed());
    // By now nobody waits any more.
    let asked = Instant::now();
    assert!(matches!(tokio::join!(commit(), store.get(&a)), (Err(_), Err(_))));
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    tokio::task::block_in_place(|| database.up(&[]));
    let deadline = Instant::now() + Duration::from_secs(20);
    let second = loop {
        match commit().await {
            Ok(revision) => break revision,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(second > first);
    assert!(store.get(&a).await.is_ok_and(|entry| entry.is_some()));
}
