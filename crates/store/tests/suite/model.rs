//! The store against the simplest thing that does the same: an ordered map.

use std::collections::BTreeMap;

use hearth_store::{Entry, Epoch, Key, KeyVersion, Mutation, Precondition, Store, StoreError};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use super::{Fixture, put, scope, shard};

const SEQUENCES: u64 = 40;

/// What a client may do. Keys come from a small set, so that commits meet.
#[derive(Clone, Debug)]
enum Action {
    Commit { when: Vec<(Path, Guess)>, then: Vec<(Path, Option<Vec<u8>>)> },
    Get(Path),
    Scan { prefix: Path, after: Option<Path>, limit: usize },
}

#[derive(Clone, Debug)]
enum Guess {
    Absent,
    Right,
    Wrong,
}

/// Components of a key: the bytes that escaping is about, and numbers.
type Path = Vec<Result<Vec<u8>, u64>>;

fn path() -> impl Strategy<Value = Path> {
    let byte = prop_oneof![Just(0_u8), Just(1), Just(b'a'), Just(0xFF)];
    let text = vec(byte, 0..3).prop_map(Ok);
    let number = prop_oneof![Just(0_u64), Just(1), Just(256), Just(u64::MAX)].prop_map(Err);
    vec(prop_oneof![2 => text, 1 => number], 0..3)
}

fn action() -> impl Strategy<Value = Action> {
    let guess = prop_oneof![Just(Guess::Absent), Just(Guess::Right), Just(Guess::Right), Just(Guess::Wrong)];
    let value = proptest::option::of(vec(any::<u8>(), 0..20));
    prop_oneof![
        3 => (vec((path(), guess), 0..2), vec((path(), value), 0..5)).prop_map(|(when, then)| Action::Commit { when, then }),
        1 => path().prop_map(Action::Get),
        2 => (path(), proptest::option::of(path()), 0..6_usize)
            .prop_map(|(prefix, after, limit)| Action::Scan { prefix, after, limit }),
    ]
}

pub(crate) async fn behaves_as_an_ordered_map(fixture: Fixture) {
    let mut runner = TestRunner::new(Config::default());
    let strategy = vec(action(), 1..25);
    for sequence in 0..SEQUENCES {
        let actions = strategy.new_tree(&mut runner).expect("generates").current();
        // A table of its own: the sequences share one store.
        let table = Key::new(&scope(), &format!("test.model{sequence}"));
        if let Err(problem) = follow(&*fixture.store, &table, &actions).await {
            panic!("{problem}\nafter {actions:#?}");
        }
    }
}

async fn follow(store: &dyn Store, table: &Key, actions: &[Action]) -> Result<(), String> {
    let key = |path: &Path| {
        path.iter().fold(table.clone(), |key, component| match component {
            Ok(text) => key.part(text),
            Err(number) => key.part_u64(*number),
        })
    };
    // Ordered by components, not by bytes: numbers before text, as `Component` sorts.
    type Order = Vec<hearth_store::Component>;
    let order = |key: &Key| -> Order { key.components().expect("is a key") };
    let mut model: BTreeMap<Order, Entry> = BTreeMap::new();
    for action in actions {
        match action {
            Action::Commit { when, then } => {
                let version = |path: &Path| model.get(&order(&key(path))).map(|entry| entry.version);
                let preconditions: Vec<Precondition> = when
                    .iter()
                    .map(|(path, guess)| match (guess, version(path)) {
                        (Guess::Right, Some(version)) => Precondition::Exact(key(path), version),
                        (Guess::Wrong, version) => {
                            Precondition::Exact(key(path), KeyVersion(version.map_or(1, |version| version.0 + 1)))
                        }
                        (Guess::Absent, _) | (Guess::Right, None) => Precondition::Absent(key(path)),
                    })
                    .collect();
                let holds = preconditions.iter().all(|precondition| match precondition {
                    Precondition::Absent(key) => !model.contains_key(&order(key)),
                    Precondition::Exact(key, version) => {
                        model.get(&order(key)).is_some_and(|entry| entry.version == *version)
                    }
                });
                let mutations = then.iter().map(|(path, value)| match value {
                    Some(value) => put(&key(path), value.clone()),
                    None => Mutation::Delete(key(path)),
                });
                let result = store.commit(&shard(), Epoch(0), preconditions, mutations.collect()).await;
                match (holds, result) {
                    (true, Ok(revision)) => {
                        for (path, value) in then {
                            let key = key(path);
                            match value {
                                Some(value) => {
                                    let version = KeyVersion(revision.0);
                                    let entry = Entry { key: key.clone(), value: value.clone().into(), version };
                                    model.insert(order(&key), entry);
                                }
                                None => {
                                    model.remove(&order(&key));
                                }
                            }
                        }
                    }
                    (false, Err(StoreError::PreconditionFailed)) => {}
                    (holds, result) => return Err(format!("preconditions hold: {holds}, but {result:?}")),
                }
            }
            Action::Get(path) => {
                let expected = model.get(&order(&key(path))).cloned();
                let found = store.get(&key(path)).await;
                if found != Ok(expected.clone()) {
                    return Err(format!("get {path:?}: {found:?}, not {expected:?}"));
                }
            }
            Action::Scan { prefix, after, limit } => {
                let (prefix, after) = (key(prefix), after.as_ref().map(&key));
                let found = store.scan(&prefix, after.as_ref(), *limit).await;
                let expected: Vec<Entry> = model
                    .iter()
                    .filter(|(path, _)| path.starts_with(&order(&prefix)))
                    .filter(|(path, _)| after.as_ref().is_none_or(|after| **path > order(after)))
                    .take(*limit)
                    .map(|(_, entry)| entry.clone())
                    .collect();
                if found != Ok(expected.clone()) {
                    return Err(format!("scan {prefix:?} after {after:?}: {found:?}, not {expected:?}"));
                }
            }
        }
    }
    Ok(())
}
