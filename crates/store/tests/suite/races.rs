//! What must hold when many act at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use hearth_store::{Epoch, KeyVersion, Precondition, Revision, StoreError};
use hearth_types::Millis;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::{Fixture, key, put, shard};

pub(crate) async fn of_many_that_swap_one_version_exactly_one_wins(fixture: Fixture) {
    const RACERS: usize = 16;
    const ROUNDS: usize = 25;
    let start = Arc::new(Barrier::new(RACERS));
    let mut racers = JoinSet::new();
    for racer in 0..RACERS {
        let (store, start) = (fixture.store.clone(), start.clone());
        racers.spawn(async move {
            let a = key("a");
            let mut won = Vec::new();
            for round in 0..ROUNDS {
                let when = match store.get(&a).await.expect("reads") {
                    Some(entry) => Precondition::Exact(a.clone(), entry.version),
                    None => Precondition::Absent(a.clone()),
                };
                // Nobody writes before everyone has read, and nobody reads again before everyone has written.
                start.wait().await;
                let result = store.commit(&shard(), Epoch(0), vec![when], vec![put(&a, format!("{racer}"))]).await;
                start.wait().await;
                match result {
                    Ok(_) => won.push(round),
                    Err(error) => assert_eq!(error, StoreError::PreconditionFailed),
                }
            }
            won
        });
    }
    let mut won: Vec<usize> = racers.join_all().await.into_iter().flatten().collect();
    won.sort_unstable();
    assert_eq!(won, (0..ROUNDS).collect::<Vec<_>>());
}

pub(crate) async fn no_increment_is_lost(fixture: Fixture) {
    const TASKS: u64 = 12;
    const EACH: u64 = 20;
    fixture.commit(vec![], vec![put(&key("n"), "0")]).await.expect("commits");
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let store = fixture.store.clone();
        tasks.spawn(async move {
            let n = key("n");
            for _ in 0..EACH {
                loop {
                    let entry = store.get(&n).await.expect("reads").expect("exists");
                    let value: u64 = std::str::from_utf8(&entry.value).expect("text").parse().expect("number");
                    let when = vec![Precondition::Exact(n.clone(), entry.version)];
                    let then = vec![put(&n, (value + 1).to_string())];
                    match store.commit(&shard(), Epoch(0), when, then).await {
                        Ok(_) => break,
                        Err(error) => assert_eq!(error, StoreError::PreconditionFailed),
                    }
                }
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(fixture.value(&key("n")).await, Some((TASKS * EACH).to_string()));
}

pub(crate) async fn readers_see_all_of_a_commit_or_nothing(fixture: Fixture) {
    let store = fixture.store.clone();
    let done = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (store, done) = (store.clone(), done.clone());
        async move {
            let table = hearth_store::Key::new(&super::scope(), "test.thing");
            let mut views = 0;
            while !done.load(Ordering::SeqCst) {
                let view = store.scan(&table, None, 100).await.expect("scans");
                assert!(matches!(view.len(), 0 | 8), "{} of 8 keys", view.len());
                for entry in &view {
                    assert_eq!((&entry.value, entry.version), (&view[0].value, view[0].version));
                }
                views += 1;
                tokio::task::yield_now().await;
            }
            views
        }
    });
    for round in 0..150_u32 {
        let value = Bytes::from(round.to_string());
        let mutations = (0..8).map(|n| put(&key(&n.to_string()), value.clone())).collect();
        fixture.commit(vec![], mutations).await.expect("commits");
    }
    done.store(true, Ordering::SeqCst);
    assert!(reader.await.expect("saw whole commits only") > 0);
}

pub(crate) async fn watchers_miss_nothing_and_see_only_what_can_be_read(fixture: Fixture) {
    const COMMITS: u64 = 200;
    let mut watchers = JoinSet::new();
    for _ in 0..4 {
        let store = fixture.store.clone();
        watchers.spawn(async move {
            let mut seen = Revision(0);
            loop {
                let revision = store.watch(&shard(), seen).await.expect("watches");
                assert!(revision > seen);
                seen = revision;
                let entry = store.get(&key("a")).await.expect("reads").expect("exists");
                assert!(entry.version >= KeyVersion(revision.0), "woken before it could be read");
                if *entry.value == *COMMITS.to_string().as_bytes() {
                    return;
                }
            }
        });
    }
    for number in 1..=COMMITS {
        fixture.commit(vec![], vec![put(&key("a"), number.to_string())]).await.expect("commits");
    }
    watchers.join_all().await;
}

pub(crate) async fn an_old_owner_never_writes_after_a_new_one(fixture: Fixture) {
    const OWNERS: usize = 6;
    const COMMITS_EACH: usize = 10;
    let mut owners = JoinSet::new();
    for owner in 0..OWNERS {
        let store = fixture.store.clone();
        owners.spawn(async move {
            let mut wrote: Vec<(Revision, Epoch)> = Vec::new();
            while wrote.len() < COMMITS_EACH {
                let epoch = store.lease(&shard(), &format!("owner-{owner}"), Millis(1_000)).await.expect("leases");
                // Two commits for each lease, if nobody comes between.
                for _ in 0..2 {
                    match store.commit(&shard(), epoch, vec![], vec![put(&key("a"), epoch.0.to_string())]).await {
                        Ok(revision) => wrote.push((revision, epoch)),
                        Err(error) => assert_eq!(error, StoreError::Fenced),
                    }
                }
            }
            wrote
        });
    }
    let mut wrote: Vec<(Revision, Epoch)> = owners.join_all().await.into_iter().flatten().collect();
    wrote.sort_unstable();
    assert!(wrote.is_sorted_by_key(|(_, epoch)| *epoch), "{wrote:?}");
}
