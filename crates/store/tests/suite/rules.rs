//! The contract's clauses, one at a time.

use std::time::Duration;

use hearth_store::{
    Epoch, Key, KeyVersion, Mutation, Precondition, Revision, Shard, StoreError, limits, scan_all, scopes,
};
use hearth_types::{AccountId, Millis, Partition, Region, Scope};

use super::{Fixture, delete, key, put, scope, shard};

pub(crate) async fn revisions_grow_and_are_the_versions_of_what_they_wrote(fixture: Fixture) {
    let (a, b) = (key("a"), key("b"));
    let first = fixture.put(&a, "1").await;
    let second = fixture.put(&b, "2").await;
    let third = fixture.put(&a, "3").await;
    assert!(first < second && second < third, "{first:?} {second:?} {third:?}");
    let entry = fixture.store.get(&a).await.expect("reads").expect("exists");
    assert_eq!((entry.key, &entry.value[..], entry.version), (a, &b"3"[..], KeyVersion(third.0)));
    let entry = fixture.store.get(&b).await.expect("reads").expect("exists");
    assert_eq!(entry.version, KeyVersion(second.0));
    assert_eq!(fixture.store.get(&key("c")).await, Ok(None));
}

pub(crate) async fn mutations_apply_in_order(fixture: Fixture) {
    let (a, b) = (key("a"), key("b"));
    let order = vec![put(&a, "1"), delete(&a), put(&a, "2"), put(&b, "1"), put(&b, "2"), delete(&b), delete(&b)];
    fixture.commit(vec![], order).await.expect("commits");
    assert_eq!(fixture.value(&a).await.as_deref(), Some("2"));
    assert_eq!(fixture.value(&b).await, None);
}

pub(crate) async fn a_refused_commit_changes_nothing(fixture: Fixture) {
    let (a, b) = (key("a"), key("b"));
    let version = KeyVersion(fixture.put(&a, "old").await.0);
    let before = fixture.store.get(&a).await;
    let mutations = || vec![put(&b, "new"), put(&a, "new"), delete(&a)];
    for refused in [
        vec![Precondition::Absent(a.clone())],
        vec![Precondition::Exact(a.clone(), version), Precondition::Exact(b.clone(), version)],
        vec![Precondition::Exact(a.clone(), KeyVersion(version.0 + 1))],
    ] {
        assert_eq!(fixture.commit(refused, mutations()).await, Err(StoreError::PreconditionFailed));
    }
    let fenced = fixture.store.commit(&shard(), Epoch(1), vec![], mutations()).await;
    assert_eq!(fenced, Err(StoreError::Fenced));
    assert_eq!(fixture.store.get(&a).await, before);
    assert_eq!(fixture.value(&b).await, None);
}

pub(crate) async fn preconditions_name_the_exact_version(fixture: Fixture) {
    let a = key("a");
    let absent = || vec![Precondition::Absent(a.clone())];
    let first = fixture.commit(absent(), vec![put(&a, "1")]).await.expect("creates");
    assert_eq!(fixture.commit(absent(), vec![put(&a, "2")]).await, Err(StoreError::PreconditionFailed));
    let exact = |revision: Revision| vec![Precondition::Exact(a.clone(), KeyVersion(revision.0))];
    let second = fixture.commit(exact(first), vec![put(&a, "2")]).await.expect("replaces");
    assert_eq!(fixture.commit(exact(first), vec![put(&a, "3")]).await, Err(StoreError::PreconditionFailed));
    fixture.commit(exact(second), vec![delete(&a)]).await.expect("deletes");
    assert_eq!(fixture.commit(exact(second), vec![put(&a, "4")]).await, Err(StoreError::PreconditionFailed));
    fixture.commit(absent(), vec![put(&a, "5")]).await.expect("creates again");
}

pub(crate) async fn a_key_written_again_after_deletion_has_another_version(fixture: Fixture) {
    let a = key("a");
    let first = fixture.put(&a, "1").await;
    fixture.commit(vec![], vec![delete(&a)]).await.expect("deletes");
    let second = fixture.put(&a, "1").await;
    assert_ne!(first, second);
    let stale = vec![Precondition::Exact(a.clone(), KeyVersion(first.0))];
    assert_eq!(fixture.commit(stale, vec![delete(&a)]).await, Err(StoreError::PreconditionFailed));
}

pub(crate) async fn a_commit_without_mutations_only_checks(fixture: Fixture) {
    let a = key("a");
    assert_eq!(fixture.commit(vec![Precondition::Absent(a.clone())], vec![]).await, Ok(Revision(0)));
    let revision = fixture.put(&a, "1").await;
    assert_eq!(fixture.commit(vec![], vec![]).await, Ok(revision));
    let wrong = vec![Precondition::Absent(a)];
    assert_eq!(fixture.commit(wrong, vec![]).await, Err(StoreError::PreconditionFailed));
}

pub(crate) async fn keys_come_in_order_and_pages_join_without_gap_or_repeat(fixture: Fixture) {
    let table = Key::new(&scope(), "test.thing");
    let mut keys: Vec<Key> = (0..300).map(|n| table.clone().part_u64(n * 1_000_003 % 65_537)).collect();
    fixture.commit(vec![], keys.iter().map(|key| put(key, "v")).collect()).await.expect("commits");
    keys.sort();
    for limit in [1, 7, 299, 300, 301, limits::SCAN_ENTRIES_MAX] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = fixture.store.scan(&table, after.as_ref(), limit).await.expect("scans");
            assert!(page.len() <= limit);
            let is_last = page.len() < limit;
            seen.extend(page.into_iter().map(|entry| entry.key));
            after = seen.last().cloned();
            if is_last {
                break;
            }
        }
        assert_eq!(seen, keys, "limit {limit}");
    }
    assert_eq!(fixture.store.scan(&table, None, 0).await, Ok(vec![]));
    let mut all = Vec::new();
    let taken = scan_all(&*fixture.store, &table, |entry| {
        all.push(entry.key);
        Ok::<_, StoreError>(())
    });
    taken.await.expect("scans");
    assert_eq!(all, keys);
}

pub(crate) async fn a_prefix_is_whole_components(fixture: Fixture) {
    let table = |name| Key::new(&scope(), name);
    let stored = [
        table("t"),
        table("t").part("a"),
        table("t").part("a").part("b"),
        table("t").part("a").part_u64(7),
        table("t").part("a\0"),
        table("t").part("a\0").part("b"),
        table("t").part("ab"),
        table("tt").part("a"),
    ];
    fixture.commit(vec![], stored.iter().map(|key| put(key, "v")).collect()).await.expect("commits");
    for prefix in &stored {
        let found = fixture.store.scan(prefix, None, 100).await.expect("scans");
        let found: Vec<Key> = found.into_iter().map(|entry| entry.key).collect();
        let components = prefix.components().expect("is a key");
        let mut expected: Vec<Key> = stored.to_vec();
        expected.retain(|key| key.components().expect("is a key").starts_with(&components));
        expected.sort();
        assert_eq!(found, expected, "under {prefix:?}");
    }
}

pub(crate) async fn every_scope_is_found(fixture: Fixture) {
    assert_eq!(scopes(&*fixture.store).await, Ok(vec![]));
    let account = |text: &str| text.parse::<AccountId>().expect("is an account");
    let in_scope =
        |account, region: Option<&str>| Scope { partition: Partition::Aws, account, region: region.map(Region::from) };
    let mut expected = vec![
        in_scope(account("000000000000"), None),
        in_scope(account("000000000000"), Some("eu-west-1")),
        in_scope(account("000000000000"), Some("us-east-1")),
        in_scope(account("123456789012"), Some("us-east-1")),
    ];
    for scope in &expected {
        let mutations = (0..20).map(|n| put(&Key::new(scope, "t.thing").part_u64(n), "v")).collect();
        fixture.store.commit(&Shard::new(scope, "t"), Epoch(0), vec![], mutations).await.expect("commits");
    }
    let mut found = scopes(&*fixture.store).await.expect("reads");
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

pub(crate) async fn epochs_fence_the_former_owner(fixture: Fixture) {
    let (store, a) = (&fixture.store, key("a"));
    let ttl = Millis(100);
    let (shard, mutation) = (shard(), put(&a, "v"));
    let write = |epoch| store.commit(&shard, epoch, vec![], vec![mutation.clone()]);
    write(Epoch(0)).await.expect("a shard never leased is at epoch 0");
    let first = store.lease(&shard, "one", ttl).await.expect("leases");
    assert_eq!(write(Epoch(0)).await, Err(StoreError::Fenced));
    write(first).await.expect("the owner writes");
    fixture.clock.advance(99);
    assert_eq!(store.lease(&shard, "one", ttl).await, Ok(first), "in time");
    let second = store.lease(&shard, "two", ttl).await.expect("leases");
    assert!(second > first);
    assert_eq!(write(first).await, Err(StoreError::Fenced));
    write(second).await.expect("the new owner writes");
    fixture.clock.advance(100);
    let third = store.lease(&shard, "two", ttl).await.expect("leases");
    assert!(third > second, "the lease had run out");
    assert_eq!(write(second).await, Err(StoreError::Fenced));
    assert_eq!(write(Epoch(third.0 + 1)).await, Err(StoreError::Fenced), "an epoch nobody was given");
    write(third).await.expect("the owner writes");
    let other = Shard::new(&scope(), "other");
    let elsewhere = vec![put(&key("b"), "v")];
    store.commit(&other, Epoch(0), vec![], elsewhere).await.expect("other shards are not fenced");
}

pub(crate) async fn a_key_belongs_to_one_shard(fixture: Fixture) {
    let (mine, other) = (key("a"), Shard::new(&scope(), "other"));
    let version = KeyVersion(fixture.put(&mine, "v").await.0);
    let attempts: [(Vec<Precondition>, Vec<Mutation>); 3] = [
        (vec![], vec![put(&mine, "x")]),
        (vec![], vec![delete(&mine)]),
        (vec![Precondition::Exact(mine.clone(), version)], vec![put(&key("b"), "x")]),
    ];
    for (when, then) in attempts {
        let refused = fixture.store.commit(&other, Epoch(0), when, then).await;
        assert!(matches!(refused, Err(StoreError::WrongShard { .. })), "{refused:?}");
    }
    assert_eq!(fixture.value(&mine).await.as_deref(), Some("v"));
    assert_eq!(fixture.value(&key("b")).await, None);
}

pub(crate) async fn limits_refuse_with_a_sentence(fixture: Fixture) {
    let too_large = |what: Result<Revision, StoreError>| matches!(what, Err(StoreError::TooLarge { .. }));
    let long = key(&"k".repeat(limits::KEY_BYTES_MAX));
    assert!(too_large(fixture.commit(vec![], vec![put(&long, "v")]).await));
    assert!(too_large(fixture.commit(vec![Precondition::Absent(long)], vec![]).await));
    let huge = vec![0; limits::COMMIT_BYTES_MAX];
    assert!(too_large(fixture.commit(vec![], vec![put(&key("a"), huge)]).await));
    for prefix in [Key::root(), Key::scope_prefix(&scope()), key("a").end(), Key::root().part("aws")] {
        let refused = fixture.commit(vec![], vec![put(&prefix, "v")]).await;
        assert!(matches!(refused, Err(StoreError::InvalidKey { .. })), "{prefix:?}");
    }
    let page = fixture.store.scan(&Key::root(), None, limits::SCAN_ENTRIES_MAX + 1).await;
    assert!(matches!(page, Err(StoreError::TooLarge { .. })));
    let large = vec![7; limits::COMMIT_BYTES_MAX / 2];
    fixture.commit(vec![], vec![put(&key("a"), large.clone())]).await.expect("within the limits");
    assert_eq!(fixture.store.get(&key("a")).await.expect("reads").expect("exists").value, large);
}

pub(crate) async fn watch_waits_for_its_own_shard_only(fixture: Fixture) {
    let store = fixture.store.clone();
    let other = Shard::new(&scope(), "other");
    let first = fixture.put(&key("a"), "1").await;
    assert_eq!(store.watch(&shard(), Revision(0)).await, Ok(first), "what has happened already counts");
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.watch(&shard(), first).await }
    });
    store.commit(&other, Epoch(0), vec![], vec![put(&key("b"), "1")]).await.expect("commits");
    store.lease(&other, "o", Millis(1)).await.expect("leases");
    assert_eq!(
        fixture.commit(vec![Precondition::Absent(key("a"))], vec![put(&key("a"), "2")]).await,
        Err(StoreError::PreconditionFailed)
    );
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished(), "nothing has happened in this shard");
    let second = fixture.put(&key("a"), "2").await;
    assert_eq!(waiting.await.expect("runs"), Ok(second));
}
