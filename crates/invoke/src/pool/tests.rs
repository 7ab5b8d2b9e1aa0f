//! The pool's promises, one by one, and a random walk against a model of them.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;

const LIMITS: PoolLimits = PoolLimits { memory_mib: 1_000, environments: 100, idle_ms: 600, age_ms: 10_000 };

type TestPool = Pool<u32, u32>;

fn want(name: &str, memory: u32) -> Want {
    Want {
        snapshot: SnapshotId::from(name),
        uid: FunctionUid::from(&name[..1]),
        version: Version::Latest,
        memory: Mebibytes(memory),
    }
}

/// Leases, starts and serves one environment; answers what the lease handed out.
fn start(pool: &mut TestPool, want: &Want, environment: u32, now_ms: i64) -> Member<u32> {
    assert_eq!(pool.lease(want, now_ms, || 0, &mut Vec::new()), Grant::Start { evicted: vec![] });
    match pool.started(&want.snapshot, environment, now_ms) {
        Next::Serve(_, member) => member,
        other => panic!("{other:?}"),
    }
}

fn warm(pool: &mut TestPool, want: &Want, now_ms: i64) -> Member<u32> {
    match pool.lease(want, now_ms, || 0, &mut Vec::new()) {
        Grant::Warm(member) => member,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_most_recently_used_serves_first() {
    let (mut pool, f) = (TestPool::new(LIMITS), want("f", 100));
    let (one, two) = (start(&mut pool, &f, 1, 0), start(&mut pool, &f, 2, 0));
    assert_eq!(pool.give_back(&f.snapshot, two, 1), Next::Idle);
    assert_eq!(pool.give_back(&f.snapshot, one, 2), Next::Idle);
    assert_eq!(warm(&mut pool, &f, 3).environment, 1);
    assert_eq!(warm(&mut pool, &f, 3).environment, 2);
}

#[test]
fn a_freed_environment_serves_who_waits_and_the_new_one_becomes_idle() {
    let (mut pool, f) = (TestPool::new(LIMITS), want("f", 100));
    let one = start(&mut pool, &f, 1, 0);
    assert_eq!(pool.lease(&f, 1, || 77, &mut Vec::new()), Grant::Start { evicted: vec![] });
    let Next::Serve(77, one) = pool.give_back(&f.snapshot, one, 2) else { panic!("the waiter is served") };
    assert_eq!(pool.started(&f.snapshot, 2, 3), Next::Idle);
    assert_eq!(warm(&mut pool, &f, 4).environment, 2);
    assert_eq!(pool.give_back(&f.snapshot, one, 5), Next::Idle);
}

#[test]
fn a_start_whose_waiter_was_served_serves_the_next_one() {
    let (mut pool, f) = (TestPool::new(LIMITS), want("f", 100));
    let one = start(&mut pool, &f, 1, 0);
    assert_eq!(pool.lease(&f, 1, || 7, &mut Vec::new()), Grant::Start { evicted: vec![] });
    assert!(matches!(pool.give_back(&f.snapshot, one, 2), Next::Serve(7, _)));
    assert_eq!(pool.lease(&f, 3, || 8, &mut Vec::new()), Grant::Wait, "one is coming already");
    assert_eq!(pool.lease(&f, 3, || 9, &mut Vec::new()), Grant::Start { evicted: vec![] }, "but only one");
    assert!(matches!(pool.started(&f.snapshot, 2, 4), Next::Serve(8, _)));
    assert!(matches!(pool.started(&f.snapshot, 3, 4), Next::Serve(9, _)));
    assert_eq!(pool.environments(), 3);
}

#[test]
fn a_failed_start_fails_a_waiter_only_when_no_other_start_is_left_for_it() {
    let (mut pool, f) = (TestPool::new(LIMITS), want("f", 100));
    let one = start(&mut pool, &f, 1, 0);
    pool.lease(&f, 1, || 7, &mut Vec::new());
    pool.lease(&f, 1, || 8, &mut Vec::new());
    assert!(matches!(pool.give_back(&f.snapshot, one, 2), Next::Serve(7, _)));
    assert_eq!(pool.failed(&f.snapshot), None, "8 has the other start");
    assert_eq!(pool.failed(&f.snapshot), Some(8));
    assert_eq!((pool.environments(), pool.memory_mib), (1, 100));
}

#[test]
fn another_snapshot_is_another_pool() {
    let mut pool = TestPool::new(LIMITS);
    let (old, new) = (want("f-old", 100), want("f-new", 100));
    let one = start(&mut pool, &old, 1, 0);
    pool.give_back(&old.snapshot, one, 1);
    assert_eq!(pool.lease(&new, 2, || 0, &mut Vec::new()), Grant::Start { evicted: vec![] });
}

#[test]
fn retired_environments_end_at_once_or_after_their_invocation() {
    let mut pool = TestPool::new(LIMITS);
    let (old, new) = (want("f-old", 100), want("f-new", 100));
    let (idle, busy) = (start(&mut pool, &old, 1, 0), start(&mut pool, &old, 2, 0));
    let kept = start(&mut pool, &new, 3, 0);
    pool.give_back(&old.snapshot, idle, 1);
    pool.give_back(&new.snapshot, kept, 1);
    assert_eq!(pool.retire(&old.uid, Version::Latest, Some(&new.snapshot)), [1]);
    assert_eq!(pool.give_back(&old.snapshot, busy, 2), Next::End(2));
    assert_eq!(warm(&mut pool, &new, 3).environment, 3);
    assert_eq!(pool.retire(&old.uid, Version::Published(1), None), [0; 0], "another version");
    assert_eq!((pool.environments(), pool.groups.len()), (1, 1));
}

#[test]
fn who_waits_for_a_retired_snapshot_is_still_served_and_then_it_ends() {
    let (mut pool, f) = (TestPool::new(LIMITS), want("f", 100));
    pool.lease(&f, 0, || 7, &mut Vec::new());
    assert_eq!(pool.retire(&f.uid, Version::Latest, None), [0; 0]);
    let Next::Serve(7, member) = pool.started(&f.snapshot, 1, 1) else { panic!("served") };
    assert_eq!(pool.give_back(&f.snapshot, member, 2), Next::End(1));
    assert_eq!((pool.environments(), pool.memory_mib, pool.groups.len()), (0, 0, 0));
}

#[test]
fn idle_environments_expire_after_their_time() {
    let (mut pool, f) = (TestPool::new(LIMITS), want("f", 100));
    let (one, two) = (start(&mut pool, &f, 1, 0), start(&mut pool, &f, 2, 0));
    pool.give_back(&f.snapshot, one, 100);
    pool.give_back(&f.snapshot, two, 200);
    assert_eq!(pool.expire(699), [0; 0]);
    assert_eq!(pool.expire(700), [1]);
    assert_eq!(pool.expire(800), [2]);
    assert_eq!((pool.environments(), pool.groups.len()), (0, 0));
}

#[test]
fn an_environment_past_its_age_serves_no_further_invocation() {
    let (mut pool, f) = (TestPool::new(LIMITS), want("f", 100));
    let (one, two) = (start(&mut pool, &f, 1, 0), start(&mut pool, &f, 2, 0));
    pool.give_back(&f.snapshot, one, 9_999);
    assert_eq!(pool.give_back(&f.snapshot, two, 10_000), Next::End(2));
    let mut ended = Vec::new();
    assert_eq!(pool.lease(&f, 10_000, || 0, &mut ended), Grant::Start { evicted: vec![] });
    assert_eq!(ended, [1]);
}

#[test]
fn without_room_the_least_recently_used_of_other_functions_goes_first() {
    let mut pool = TestPool::new(LIMITS);
    let (f_old, g, h) = (want("f-old", 300), want("g", 300), want("h", 300));
    for (number, (want, at)) in [(&f_old, 1), (&g, 3), (&h, 2)].into_iter().enumerate() {
        let member = start(&mut pool, want, number as u32, 0);
        pool.give_back(&want.snapshot, member, at);
    }
    // Order of last use: f-old (own function), g, h.
    assert_eq!(pool.lease(&want("f-new", 300), 5, || 0, &mut Vec::new()), Grant::Start { evicted: vec![1] });
    assert_eq!(pool.lease(&want("f-new", 600), 5, || 0, &mut Vec::new()), Grant::Start { evicted: vec![2, 0] });
}

#[test]
fn what_does_not_fit_is_refused_and_evicts_nothing() {
    let (mut pool, f) = (TestPool::new(LIMITS), want("f", 600));
    let busy = start(&mut pool, &f, 1, 0);
    let idle = start(&mut pool, &want("g", 300), 2, 0);
    pool.give_back(&SnapshotId::from("g"), idle, 1);
    assert_eq!(pool.lease(&f, 2, || 0, &mut Vec::new()), Grant::Full);
    assert_eq!(pool.environments(), 2);
    pool.give_back(&f.snapshot, busy, 3);
    assert_eq!(warm(&mut pool, &f, 4).environment, 1);
}

#[test]
fn the_number_of_environments_is_limited_too() {
    let mut pool = TestPool::new(PoolLimits { environments: 1, ..LIMITS });
    let member = start(&mut pool, &want("f", 1), 1, 0);
    assert_eq!(pool.lease(&want("g", 1), 0, || 0, &mut Vec::new()), Grant::Full);
    pool.give_back(&SnapshotId::from("f"), member, 0);
    assert_eq!(pool.lease(&want("g", 1), 0, || 0, &mut Vec::new()), Grant::Start { evicted: vec![1] });
}

#[derive(Clone, Debug)]
enum Step {
    Lease(usize),
    Started(usize),
    Failed(usize),
    GiveBack(usize),
    Lost(usize),
    Retire(usize),
    Expire,
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..4_usize).prop_map(Step::Lease),
        4 => (0..8_usize).prop_map(Step::Started),
        1 => (0..8_usize).prop_map(Step::Failed),
        5 => (0..8_usize).prop_map(Step::GiveBack),
        1 => (0..8_usize).prop_map(Step::Lost),
        1 => (0..4_usize).prop_map(Step::Retire),
        1 => Just(Step::Expire),
        2 => (1..400_i64).prop_map(Step::Pass),
    ]
}

/// What must be true whatever happens, kept in the plainest possible form.
#[derive(Default)]
struct Model {
    starting: Vec<usize>,
    busy: Vec<(usize, Member<u32>)>,
    /// Ids of environments that exist and are neither starting nor busy.
    idle: HashMap<u32, usize>,
    waiting: HashSet<u32>,
    next_id: u32,
}

impl Model {
    fn takes(&mut self, kind: usize, next: Next<u32, u32>, id: u32) {
        match next {
            Next::Serve(waiter, member) => {
                assert!(self.waiting.remove(&waiter), "waiter {waiter} is served once");
                assert_eq!(member.environment, id);
                assert!(self.busy.iter().all(|(_, other)| other.environment != id), "one invocation at a time");
                self.busy.push((kind, member));
            }
            Next::Idle => assert!(self.idle.insert(id, kind).is_none()),
            Next::End(ended) => assert_eq!(ended, id),
        }
    }

    fn ends(&mut self, ended: &[u32]) {
        for id in ended {
            assert!(self.idle.remove(id).is_some(), "only an idle environment is ended from outside: {id}");
        }
    }
}

proptest! {
    #[test]
    fn a_random_walk_shares_no_environment_and_leaks_nothing(steps in prop::collection::vec(step(), 1..200)) {
        let kinds = [want("f-1", 100), want("f-2", 200), want("g", 300), want("h", 50)];
        let limits = PoolLimits { age_ms: 3_000, ..LIMITS };
        let (mut pool, mut model, mut now_ms) = (TestPool::new(limits), Model::default(), 0);
        for step in steps {
            match step {
                Step::Lease(kind) => {
                    model.next_id += 1;
                    let waiter = model.next_id;
                    let mut too_old = Vec::new();
                    let grant = pool.lease(&kinds[kind], now_ms, || waiter, &mut too_old);
                    model.ends(&too_old);
                    match grant {
                        Grant::Warm(member) => {
                            prop_assert_eq!(model.idle.remove(&member.environment), Some(kind));
                            model.busy.push((kind, member));
                        }
                        Grant::Start { evicted } => {
                            prop_assert!(!model.idle.values().any(|idle| *idle == kind), "an idle one comes first");
                            model.ends(&evicted);
                            model.waiting.insert(waiter);
                            model.starting.push(kind);
                        }
                        Grant::Wait => {
                            let starting = model.starting.iter().filter(|other| **other == kind).count();
                            prop_assert!(starting > 0, "there is something to wait for");
                            model.waiting.insert(waiter);
                        }
                        Grant::Full => {}
                    }
                }
                Step::Started(at) if !model.starting.is_empty() => {
                    let kind = model.starting.swap_remove(at % model.starting.len());
                    model.next_id += 1;
                    let id = model.next_id;
                    let next = pool.started(&kinds[kind].snapshot, id, now_ms);
                    model.takes(kind, next, id);
                }
                Step::Failed(at) if !model.starting.is_empty() => {
                    let kind = model.starting.swap_remove(at % model.starting.len());
                    if let Some(orphan) = pool.failed(&kinds[kind].snapshot) {
                        prop_assert!(model.waiting.remove(&orphan));
                    }
                }
                Step::GiveBack(at) if !model.busy.is_empty() => {
                    let (kind, member) = model.busy.swap_remove(at % model.busy.len());
                    let id = member.environment;
                    let next = pool.give_back(&kinds[kind].snapshot, member, now_ms);
                    model.takes(kind, next, id);
                }
                Step::Lost(at) if !model.busy.is_empty() => {
                    let (kind, _) = model.busy.swap_remove(at % model.busy.len());
                    pool.lost(&kinds[kind].snapshot);
                }
                Step::Retire(kind) => model.ends(&pool.retire(&kinds[kind].uid, Version::Latest, Some(&kinds[kind].snapshot))),
                Step::Expire => model.ends(&pool.expire(now_ms)),
                Step::Pass(ms) => now_ms += ms,
                _ => {}
            }
            let memory = |kind: &usize| u64::from(kinds[*kind].memory.0);
            let used: u64 = model.starting.iter().map(memory).sum::<u64>()
                + model.busy.iter().map(|(kind, _)| memory(kind)).sum::<u64>()
                + model.idle.values().map(memory).sum::<u64>();
            prop_assert_eq!(pool.environments(), model.starting.len() + model.busy.len() + model.idle.len());
            prop_assert_eq!(pool.memory_mib, used);
            prop_assert!(used <= limits.memory_mib);
            prop_assert!(model.waiting.len() <= model.starting.len(), "who waits has a start under way");
        }
        // Everything comes back: nothing is left over.
        while let Some(kind) = model.starting.pop() {
            model.next_id += 1;
            let id = model.next_id;
            let next = pool.started(&kinds[kind].snapshot, id, now_ms);
            model.takes(kind, next, id);
        }
        prop_assert!(model.waiting.is_empty());
        while let Some((kind, member)) = model.busy.pop() {
            let id = member.environment;
            let next = pool.give_back(&kinds[kind].snapshot, member, now_ms);
            model.takes(kind, next, id);
        }
        model.ends(&pool.drain());
        prop_assert!(model.idle.is_empty());
        prop_assert_eq!((pool.environments(), pool.memory_mib, pool.groups.len()), (0, 0, 0));
    }
}
