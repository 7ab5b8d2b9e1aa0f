//! What is kept for provisioned concurrency, promise by promise, and a random walk against a model of it.

use super::*;

fn key(name: &str) -> KeptKey {
    KeptKey { snapshot: SnapshotId::from(name), qualifier: "live".into() }
}

fn keep(name: &str, count: usize) -> HashMap<KeptKey, Keep> {
    HashMap::from([(key(name), Keep { want: want(name, 100), count, starts: true })])
}

fn starts(pool: &mut TestPool, all: &HashMap<KeptKey, Keep>, now_ms: i64) -> usize {
    let orders = pool.keep(all, now_ms);
    assert_eq!((orders.short, orders.end), (vec![], vec![]));
    orders.start.len()
}

/// A pool that keeps environments 1 to `count` for `f`.
fn keeping(count: u32) -> TestPool {
    let mut pool = TestPool::new(LIMITS);
    assert_eq!(starts(&mut pool, &keep("f", count as usize), 0), count as usize);
    for environment in 1..=count {
        assert_eq!(pool.kept_started(&key("f"), environment, 0), Next::Idle);
    }
    pool
}

fn take(pool: &mut TestPool, now_ms: i64) -> Option<Member<u32>> {
    pool.take_kept(&key("f"), now_ms, &mut Vec::new())
}

#[test]
fn what_is_missing_is_started_once() {
    let mut pool = TestPool::new(LIMITS);
    assert_eq!(starts(&mut pool, &keep("f", 2), 0), 2);
    assert_eq!(starts(&mut pool, &keep("f", 2), 1), 0, "on their way");
    assert_eq!(pool.kept_started(&key("f"), 1, 2), Next::Idle);
    pool.kept_failed(&key("f"));
    assert_eq!(pool.kept_ready(&key("f")), 1);
    assert_eq!(starts(&mut pool, &keep("f", 2), 3), 1, "in place of the one that failed");
    let without_starts = HashMap::from([(key("f"), Keep { want: want("f", 100), count: 9, starts: false })]);
    assert_eq!(starts(&mut pool, &without_starts, 4), 0);
}

#[test]
fn who_finds_none_idle_gets_none_and_others_get_none_at_all() {
    let mut pool = keeping(1);
    let other = KeptKey { qualifier: "other".into(), ..key("f") };
    assert_eq!(pool.take_kept(&other, 1, &mut Vec::new()), None);
    assert!(matches!(pool.lease(&want("f", 100), 1, || 0, &mut Vec::new()), Grant::Start { .. }));
    let one = take(&mut pool, 1).expect("kept");
    assert_eq!(take(&mut pool, 1), None, "it runs");
    assert_eq!(pool.give_back_kept(&key("f"), one, 2), Next::Idle);
    assert_eq!(take(&mut pool, 3).map(|member| member.environment), Some(1));
}

#[test]
fn what_is_kept_neither_expires_nor_makes_room_for_others() {
    let mut pool = keeping(9);
    assert_eq!(pool.expire(100_000), Vec::<u32>::new());
    // 900 of 1,000 MiB are promised.
    assert_eq!(pool.lease(&want("g", 300), 1, || 0, &mut Vec::new()), Grant::Full);
    assert_eq!(pool.kept_ready(&key("f")), 9);
    let no_memory = pool.observe(Observed { held_mib: 900, available_mib: 0, disk_mib: 500 });
    assert_eq!(no_memory.idle, Vec::<u32>::new());
}

#[test]
fn others_that_are_idle_make_room_for_what_is_to_be_kept() {
    let mut pool = TestPool::new(LIMITS);
    let g = want("g", 900);
    let one = start(&mut pool, &g, 1, 0);
    assert_eq!(pool.keep(&keep("f", 2), 1).short, [key("f")], "what runs stays: one fits, the other does not");
    assert_eq!(pool.give_back(&g.snapshot, one, 2), Next::Idle);
    let two = start(&mut pool, &want("h", 700), 2, 3);
    let orders = pool.keep(&keep("f", 3), 4);
    assert_eq!(orders.start, [(key("f"), vec![]), (key("f"), vec![1])], "and the first is on its way");
    assert_eq!(pool.give_back(&SnapshotId::from("h"), two, 5), Next::Idle);
}

#[test]
fn what_is_wanted_no_more_ends_at_once_or_after_its_invocation() {
    let mut pool = keeping(3);
    let runs = take(&mut pool, 1).expect("kept");
    let orders = pool.keep(&keep("f", 2), 2);
    assert_eq!((orders.start, orders.end), (vec![], vec![1]), "the least recently used");
    let orders = pool.keep(&HashMap::new(), 3);
    assert_eq!(orders.end, [2]);
    assert_eq!(pool.give_back_kept(&key("f"), runs, 4), Next::End(3));
    assert_eq!(pool.keep(&HashMap::new(), 5).end, Vec::<u32>::new());
    assert_eq!((pool.environments(), pool.ledger.charged_mib(), pool.kept.len()), (0, 0, 0));
}

#[test]
fn what_becomes_too_old_serves_no_more_and_is_replaced() {
    let mut pool = keeping(2);
    let runs = take(&mut pool, 9_999).expect("young enough");
    let mut ended = Vec::new();
    assert_eq!(pool.take_kept(&key("f"), 10_000, &mut ended), None);
    assert_eq!(ended, [1]);
    assert_eq!(pool.give_back_kept(&key("f"), runs, 10_001), Next::End(2));
    assert_eq!(starts(&mut pool, &keep("f", 2), 10_002), 2);
    assert_eq!(pool.kept_started(&key("f"), 3, 10_002), Next::Idle);
    let orders = pool.keep(&keep("f", 2), 20_002);
    assert_eq!((orders.start.len(), orders.end), (1, vec![3]), "without being asked for");
}

#[derive(Clone, Debug)]
enum KeptStep {
    Keep(usize, usize),
    Started(usize),
    Failed(usize),
    Take(usize),
    GiveBack(usize),
    Lost(usize),
    OnDemand(usize),
    Pass(i64),
}

fn kept_step() -> impl Strategy<Value = KeptStep> {
    prop_oneof![
        3 => (0..4_usize, 0..4_usize).prop_map(|(f, g)| KeptStep::Keep(f, g)),
        4 => (0..8_usize).prop_map(KeptStep::Started),
        1 => (0..8_usize).prop_map(KeptStep::Failed),
        4 => (0..2_usize).prop_map(KeptStep::Take),
        3 => (0..8_usize).prop_map(KeptStep::GiveBack),
        1 => (0..8_usize).prop_map(KeptStep::Lost),
        1 => (0..2_usize).prop_map(KeptStep::OnDemand),
        2 => (1..1_000_i64).prop_map(KeptStep::Pass),
    ]
}

proptest! {
    #[test]
    fn a_random_walk_of_what_is_kept_leaks_nothing(steps in prop::collection::vec(kept_step(), 1..200)) {
        let names = ["f", "g"];
        let limits = PoolLimits { age_ms: 3_000, ..LIMITS };
        let (mut pool, mut now_ms, mut next_id) = (TestPool::new(limits), 0, 0);
        let (mut starting, mut busy, mut idle) = (Vec::new(), Vec::<(usize, Member<u32>)>::new(), HashSet::new());
        for step in steps {
            match step {
                KeptStep::Keep(f, g) => {
                    let all: HashMap<_, _> = keep("f", f).into_iter().chain(keep("g", g)).collect();
                    let orders = pool.keep(&all, now_ms);
                    for id in orders.end {
                        prop_assert!(idle.remove(&id), "only what is idle is ended from outside");
                    }
                    for (started, _) in orders.start {
                        starting.push(usize::from(started == key("g")));
                    }
                    for (at, wanted) in [f, g].into_iter().enumerate() {
                        let known = pool.kept_ready(&key(names[at])) + starting.iter().filter(|kind| **kind == at).count();
                        let run = busy.iter().filter(|(kind, _)| *kind == at).count();
                        prop_assert!(known <= wanted.max(run + starting.iter().filter(|kind| **kind == at).count()));
                    }
                }
                KeptStep::Started(at) if !starting.is_empty() => {
                    let kind = starting.swap_remove(at % starting.len());
                    next_id += 1;
                    if pool.kept_started(&key(names[kind]), next_id, now_ms) == Next::Idle {
                        idle.insert(next_id);
                    }
                }
                KeptStep::Failed(at) if !starting.is_empty() => {
                    let kind = starting.swap_remove(at % starting.len());
                    pool.kept_failed(&key(names[kind]));
                }
                KeptStep::Take(kind) => {
                    let mut ended = Vec::new();
                    if let Some(member) = pool.take_kept(&key(names[kind]), now_ms, &mut ended) {
                        prop_assert!(idle.remove(&member.environment));
                        busy.push((kind, member));
                    }
                    prop_assert!(ended.iter().all(|id| idle.remove(id)));
                }
                KeptStep::GiveBack(at) if !busy.is_empty() => {
                    let (kind, member) = busy.swap_remove(at % busy.len());
                    let id = member.environment;
                    if pool.give_back_kept(&key(names[kind]), member, now_ms) == Next::Idle {
                        idle.insert(id);
                    }
                }
                KeptStep::Lost(at) if !busy.is_empty() => {
                    let (kind, member) = busy.swap_remove(at % busy.len());
                    pool.lost_kept(&key(names[kind]), member.seat);
                }
                KeptStep::OnDemand(kind) => {
                    let want = want(names[kind], 100);
                    if let Grant::Start { .. } = pool.lease(&want, now_ms, || 0, &mut Vec::new()) {
                        pool.failed(&want.snapshot);
                    }
                }
                KeptStep::Pass(ms) => now_ms += ms,
                _ => {}
            }
            prop_assert_eq!(pool.environments(), starting.len() + busy.len() + idle.len());
            prop_assert_eq!(pool.ledger.charged_mib(), 100 * pool.environments() as u64);
        }
        for kind in starting {
            pool.kept_failed(&key(names[kind]));
        }
        for (kind, member) in busy {
            pool.lost_kept(&key(names[kind]), member.seat);
        }
        pool.drain();
        prop_assert_eq!((pool.environments(), pool.ledger.charged_mib(), pool.kept.len()), (0, 0, 0));
    }
}
