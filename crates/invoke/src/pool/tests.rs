//! The pool's promises, one by one, and a random walk against a model of them.

mod kept;

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;

const ROOM: RoomLimits =
    RoomLimits { environments_mib: 1_000, reserve_mib: 100, disk_reserve_mib: 500, overcommit: 1.0 };
const LIMITS: PoolLimits = PoolLimits { room: ROOM, environments: 100, idle_ms: 600, age_ms: 10_000 };
/// What each environment holds, and what an idle one counts therefore.
const HELD: Mebibytes = Mebibytes(92);
const IDLE_MIB: u64 = 100;

type TestPool = Pool<u32, u32>;

/// Environments are numbers, and their own signals.
impl Occupant for u32 {
    type Signal = Self;

    fn signal(&self) -> Self {
        *self
    }

    fn held(&self) -> Mebibytes {
        HELD
    }
}

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
        Grant::Warm { member, evicted } if evicted.is_empty() => member,
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
    assert_eq!((pool.environments(), pool.ledger.charged_mib()), (1, 100));
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
    assert_eq!((pool.environments(), pool.ledger.charged_mib(), pool.groups.len()), (0, 0, 0));
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

/// As many idle environments of that function as `used_ms` has times of last use; numbered from `first` on.
fn idle(pool: &mut TestPool, want: &Want, first: u32, used_ms: &[i64]) {
    let members: Vec<_> = (first..).zip(used_ms).map(|(number, _)| start(pool, want, number, 0)).collect();
    for (member, at_ms) in members.into_iter().zip(used_ms) {
        assert_eq!(pool.give_back(&want.snapshot, member, *at_ms), Next::Idle);
    }
}

#[test]
fn without_room_the_least_recently_used_of_other_functions_goes_first() {
    let mut pool = TestPool::new(LIMITS);
    for (number, name) in [(1, "f-old"), (2, "g"), (3, "h")] {
        idle(&mut pool, &want(name, 300), number, &[number.into()]);
    }
    // Order of last use: f-old (own function), g, h. Idle they count 100 each.
    assert_eq!(pool.lease(&want("f-new", 700), 5, || 0, &mut Vec::new()), Grant::Start { evicted: vec![] });
    assert_eq!(pool.lease(&want("f-new", 50), 5, || 0, &mut Vec::new()), Grant::Start { evicted: vec![2] });
    assert_eq!(pool.lease(&want("f-new", 250), 5, || 0, &mut Vec::new()), Grant::Start { evicted: vec![3, 1] });
    assert_eq!(pool.ledger.charged_mib(), 1_000);
}

#[test]
fn what_does_not_fit_is_refused_and_evicts_nothing() {
    let (mut pool, f) = (TestPool::new(LIMITS), want("f", 600));
    let busy = start(&mut pool, &f, 1, 0);
    idle(&mut pool, &want("g", 300), 2, &[1]);
    assert_eq!(pool.lease(&f, 2, || 0, &mut Vec::new()), Grant::Full);
    assert_eq!(pool.environments(), 2);
    pool.give_back(&f.snapshot, busy, 3);
    assert_eq!(warm(&mut pool, &f, 4).environment, 1);
}

#[test]
fn a_burst_of_the_unknown_is_charged_in_full_and_of_the_known_with_what_it_needs() {
    let (mut pool, f) = (TestPool::new(LIMITS), want("f", 500));
    let (one, two) = (start(&mut pool, &f, 1, 0), start(&mut pool, &f, 2, 0));
    assert_eq!(pool.lease(&f, 0, || 0, &mut Vec::new()), Grant::Full);
    pool.give_back(&f.snapshot, one, 1);
    pool.give_back(&f.snapshot, two, 1);
    assert_eq!(pool.ledger.charged_mib(), 2 * IDLE_MIB);
    // Twice 92 for each from now on.
    let _running = [warm(&mut pool, &f, 2), warm(&mut pool, &f, 2)];
    for number in 3..=5 {
        start(&mut pool, &f, number, 2);
    }
    assert_eq!(pool.ledger.charged_mib(), 5 * 184);
    assert_eq!(pool.lease(&f, 2, || 0, &mut Vec::new()), Grant::Full);
}

#[test]
fn an_idle_environment_needs_room_to_run_again_and_others_make_it() {
    let (mut pool, f, g) = (TestPool::new(LIMITS), want("f", 500), want("g", 800));
    idle(&mut pool, &f, 1, &[1]);
    idle(&mut pool, &want("h", 300), 2, &[2]);
    let _running = start(&mut pool, &g, 3, 3);
    // 184 instead of 100 do not fit beside 800 and 100.
    let Grant::Warm { member, evicted } = pool.lease(&f, 4, || 0, &mut Vec::new()) else { panic!("room can be made") };
    assert_eq!((member.environment, evicted), (1, vec![2]));
    assert_eq!(pool.ledger.charged_mib(), 800 + 184);
}

#[test]
fn one_that_finds_no_room_to_run_stays_idle() {
    let (mut pool, f) = (TestPool::new(LIMITS), want("f", 500));
    idle(&mut pool, &f, 1, &[1]);
    let running = start(&mut pool, &want("g", 890), 2, 2);
    assert_eq!(pool.lease(&f, 3, || 0, &mut Vec::new()), Grant::Full);
    assert_eq!((pool.environments(), pool.ledger.charged_mib()), (2, 990));
    pool.lost(&SnapshotId::from("g"), running.seat);
    assert_eq!(warm(&mut pool, &f, 4).environment, 1);
}

#[test]
fn what_is_larger_than_the_machine_runs_alone() {
    let (mut pool, large) = (TestPool::new(LIMITS), want("large", 10_240));
    idle(&mut pool, &want("f", 100), 1, &[1]);
    assert_eq!(pool.lease(&large, 2, || 0, &mut Vec::new()), Grant::Start { evicted: vec![1] });
    assert_eq!(pool.lease(&want("f", 100), 2, || 0, &mut Vec::new()), Grant::Full);
}

#[test]
fn when_the_machine_is_short_the_least_recently_used_idle_ones_go() {
    let mut pool = TestPool::new(LIMITS);
    idle(&mut pool, &want("f", 100), 1, &[1, 2]);
    idle(&mut pool, &want("g", 100), 3, &[3]);
    let _running = start(&mut pool, &want("h", 100), 4, 4);
    let mut relief = |held_mib, available_mib| pool.observe(Observed { held_mib, available_mib, disk_mib: 500 });
    assert_eq!(relief(400, 100), Relief { idle: vec![], running: vec![] }, "the reserve is there");
    assert_eq!(relief(400, 0), Relief { idle: vec![1], running: vec![] }, "100 are missing");
    assert_eq!(relief(400, 0), Relief { idle: vec![2], running: vec![] }, "still");
    assert_eq!(relief(1_000, 0), Relief { idle: vec![3], running: vec![] });
    assert_eq!(relief(1_000, 0), Relief { idle: vec![], running: vec![] }, "others' doing ends no invocation");
}

#[test]
fn over_the_limit_the_youngest_end_once_idle_ones_are_not_enough() {
    let (mut pool, f) = (TestPool::new(LIMITS), want("f", 100));
    let running: Vec<_> = (1..=3).map(|number| start(&mut pool, &f, number, 0)).collect();
    idle(&mut pool, &want("g", 100), 4, &[1]);
    let mut relief = |held_mib| pool.observe(Observed { held_mib, available_mib: 500, disk_mib: 500 });
    assert_eq!(relief(1_100), Relief { idle: vec![4], running: vec![] }, "100 too much");
    // An equal part of what is held is 433 MiB.
    assert_eq!(relief(1_300), Relief { idle: vec![], running: vec![3] });
    assert_eq!(relief(1_300), Relief { idle: vec![], running: vec![] }, "it has been told already");
    assert_eq!(relief(1_600), Relief { idle: vec![], running: vec![2] });
    for member in running {
        pool.lost(&f.snapshot, member.seat);
    }
    assert_eq!((pool.environments(), pool.ledger.charged_mib()), (0, 0));
}

#[test]
fn the_number_of_environments_is_limited_too() {
    let mut pool = TestPool::new(PoolLimits { environments: 1, ..LIMITS });
    let member = start(&mut pool, &want("f", 1), 1, 0);
    assert_eq!(pool.lease(&want("g", 1), 0, || 0, &mut Vec::new()), Grant::Full);
    pool.give_back(&SnapshotId::from("f"), member, 0);
    assert_eq!(pool.lease(&want("g", 1), 0, || 0, &mut Vec::new()), Grant::Start { evicted: vec![1] });
}

#[test]
fn a_nearly_full_disk_takes_no_environment_and_is_freed_of_one_idle_one_at_a_time() {
    let (mut pool, f, g) = (TestPool::new(LIMITS), want("f", 100), want("g", 100));
    idle(&mut pool, &f, 1, &[1, 2]);
    let mut relief = |disk_mib| pool.observe(Observed { held_mib: 200, available_mib: 5_000, disk_mib });
    assert_eq!(relief(500), Relief { idle: vec![], running: vec![] });
    assert_eq!(relief(499), Relief { idle: vec![1], running: vec![] });
    assert_eq!(pool.lease(&g, 3, || 0, &mut Vec::new()), Grant::Full);
    assert_eq!(warm(&mut pool, &f, 3).environment, 2, "what is there already may serve");
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
    Observe(u64, u64),
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
        2 => (0..1_500_u64, 0..1_500_u64).prop_map(|(held, available)| Step::Observe(held, available)),
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

#[test]
fn a_function_gets_a_thousand_environments_at_once_and_a_hundred_more_each_second() {
    let room = RoomLimits { environments_mib: 1_000_000, ..ROOM };
    let mut pool = TestPool::new(PoolLimits { room, environments: 10_000, ..LIMITS });
    let mut started = |name: &str, now_ms, tries: usize| {
        let mut lease = || pool.lease(&want(name, 100), now_ms, || 0, &mut Vec::new());
        (0..tries).map(|_| lease()).filter(|grant| matches!(grant, Grant::Start { .. })).count()
    };
    assert_eq!(started("f-1", 60_000, 1_200), 1_000);
    assert_eq!(started("f-2", 60_000, 10), 0, "versions share what the function gets");
    assert_eq!(started("g", 60_000, 10), 10, "functions do not");
    assert_eq!(started("f-1", 62_000, 1_000), 200);
    assert_eq!(started("f-1", 1_000_000, 2_000), 1_000, "what was not needed does not add up");
}

proptest! {
    #[test]
    fn a_random_walk_shares_no_environment_and_leaks_nothing(steps in prop::collection::vec(step(), 1..200)) {
        let kinds = [want("f-1", 100), want("f-2", 200), want("g", 300), want("h", 120)];
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
                        Grant::Warm { member, evicted } => {
                            model.ends(&evicted);
                            prop_assert_eq!(model.idle.remove(&member.environment), Some(kind));
                            model.busy.push((kind, member));
                        }
                        Grant::Start { evicted } => {
                            model.ends(&evicted);
                            let is_idle = model.idle.values().any(|idle| *idle == kind);
                            prop_assert!(!is_idle, "an idle one comes first, unless it has to make room");
                            model.waiting.insert(waiter);
                            model.starting.push(kind);
                        }
                        Grant::Wait => {
                            let starting = model.starting.iter().filter(|other| **other == kind).count();
                            prop_assert!(starting > 0, "there is something to wait for");
                            model.waiting.insert(waiter);
                        }
                        Grant::Full => {}
                        Grant::TooFast => prop_assert!(false, "these are few"),
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
                    let (kind, member) = model.busy.swap_remove(at % model.busy.len());
                    pool.lost(&kinds[kind].snapshot, member.seat);
                }
                Step::Observe(held_mib, available_mib) => {
                    let Relief { idle, running } = pool.observe(Observed { held_mib, available_mib, disk_mib: 500 });
                    model.ends(&idle);
                    prop_assert!(running.is_empty() || model.idle.is_empty(), "idle ones go first");
                    for id in running {
                        let at = model.busy.iter().position(|(_, member)| member.environment == id);
                        let (kind, member) = model.busy.swap_remove(at.expect("only what runs is told to end"));
                        pool.lost(&kinds[kind].snapshot, member.seat);
                    }
                }
                Step::Retire(kind) => model.ends(&pool.retire(&kinds[kind].uid, Version::Latest, Some(&kinds[kind].snapshot))),
                Step::Expire => model.ends(&pool.expire(now_ms)),
                Step::Pass(ms) => now_ms += ms,
                _ => {}
            }
            let groups = pool.groups.values();
            let charged_mib: u64 = groups.clone().flat_map(|group| &group.starting).sum::<u64>()
                + groups.flat_map(|group| &group.idle).map(|idle| idle.charged_mib).sum::<u64>()
                + pool.busy.values().map(|busy| busy.charged_mib).sum::<u64>();
            prop_assert_eq!(pool.ledger.charged_mib(), charged_mib);
            prop_assert!(charged_mib <= ROOM.environments_mib);
            prop_assert_eq!(pool.environments(), model.starting.len() + model.busy.len() + model.idle.len());
            prop_assert_eq!(pool.busy.len(), model.busy.len());
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
        prop_assert_eq!((pool.environments(), pool.ledger.charged_mib(), pool.groups.len()), (0, 0, 0));
    }
}
