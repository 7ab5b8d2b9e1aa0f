//! Permits and rates, by themselves and under many orders of threads.

use proptest::prelude::*;

use super::*;
use crate::testing::function;

const SHARED: Concurrency = Concurrency { reserved: None, provisioned: 0, reserved_total: 0 };

fn gate(account_limit: u32) -> Gate {
    Gate::new(account_limit)
}

fn reserved(count: u32) -> Concurrency {
    Concurrency { reserved: Some(count), provisioned: 0, reserved_total: count }
}

#[tokio::test]
async fn the_account_limit_throttles_and_every_end_makes_room() {
    let gate = gate(2);
    let version = function("f");
    let first = gate.enter(&version, SHARED, None).await.expect("room");
    let second = gate.enter(&version, SHARED, None).await.expect("room");
    let full = gate.enter(&version, SHARED, None).await.expect_err("full");
    assert_eq!(full, ThrottleReason::ConcurrentInvocationLimitExceeded);
    drop(first);
    let third = gate.enter(&version, SHARED, None).await.expect("room again");
    drop((second, third));
    let counts = gate.counts.lock();
    assert!(counts.functions.is_empty() && counts.unreserved.is_empty(), "nothing is left of what has ended");
}

#[tokio::test]
async fn regions_do_not_share_a_limit() {
    let gate = gate(1);
    let here = function("f");
    let mut there = function("f");
    there.region = Region::from("eu-west-1");
    let _here = gate.enter(&here, SHARED, None).await.expect("room");
    assert!(gate.enter(&there, SHARED, None).await.is_ok());
}

#[tokio::test]
async fn a_reservation_is_a_guarantee_and_a_ceiling() {
    let gate = gate(3);
    let (own, other) = (function("own"), function("other"));
    let others = Concurrency { reserved_total: 2, ..SHARED };
    let _other = gate.enter(&other, others, None).await.expect("one is left to share");
    let full = gate.enter(&other, others, None).await.expect_err("the rest is reserved");
    assert_eq!(full, ThrottleReason::ConcurrentInvocationLimitExceeded);
    let first = gate.enter(&own, reserved(2), None).await.expect("guaranteed");
    let _second = gate.enter(&own, reserved(2), None).await.expect("guaranteed");
    let full = gate.enter(&own, reserved(2), None).await.expect_err("no more than reserved");
    assert_eq!(full, ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded);
    drop(first);
    assert!(gate.enter(&own, reserved(2), None).await.is_ok());
}

#[tokio::test]
async fn a_reservation_of_nothing_lets_nothing_run() {
    let refused = gate(1_000).enter(&function("f"), reserved(0), None).await.expect_err("off");
    assert_eq!(refused, ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded);
}

#[tokio::test]
async fn what_is_provisioned_is_a_part_of_the_reservation() {
    let (gate, version) = (gate(1_000), function("f"));
    let concurrency = Concurrency { provisioned: 2, ..reserved(3) };
    let _on_demand = gate.enter(&version, concurrency, None).await.expect("one is left");
    let full = gate.enter(&version, concurrency, None).await.expect_err("two wait for who calls by their qualifier");
    assert_eq!(full, ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded);
}

#[tokio::test]
async fn what_runs_already_counts_against_a_later_reservation() {
    let gate = gate(1_000);
    let version = function("f");
    let before = gate.enter(&version, SHARED, None).await.expect("room");
    assert!(gate.enter(&version, reserved(1), None).await.is_err());
    drop(before);
    let _after = gate.enter(&version, reserved(1), None).await.expect("room");
    // Versions of one function share its reservation.
    let published = FunctionVersion { version: hearth_types::Version::Published(1), ..function("f") };
    assert!(gate.enter(&published, reserved(1), None).await.is_err());
}

#[tokio::test]
async fn requests_come_ten_times_a_second_for_each_unit_of_concurrency_and_events_as_they_like() {
    let (gate, own, other) = (gate(2), function("own"), function("other"));
    let admitted = async |version: &FunctionVersion, concurrency: Concurrency, at_ms: Option<u64>| {
        let mut admitted = 0;
        for _ in 0..100 {
            let at = at_ms.map(|ms| Duration::from_millis(1_000_000 + ms));
            match gate.enter(version, concurrency, at).await {
                Ok(permit) => {
                    admitted += 1;
                    drop(permit);
                }
                Err(reason) => return (admitted, Some(reason)),
            }
        }
        (admitted, None)
    };
    let own_limit = Some(ThrottleReason::ReservedFunctionInvocationRateLimitExceeded);
    assert_eq!(admitted(&own, reserved(1), Some(0)).await, (10, own_limit));
    assert_eq!(admitted(&own, reserved(1), Some(500)).await, (5, own_limit));
    assert_eq!(admitted(&own, reserved(1), None).await, (100, None));
    let limit = Some(ThrottleReason::FunctionInvocationRateLimitExceeded);
    assert_eq!(admitted(&other, SHARED, Some(0)).await, (20, limit));
    assert_eq!(admitted(&other, SHARED, Some(1_000)).await, (20, limit));
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Enter(usize),
    Leave(usize),
}

/// What each of the functions has reserved; two of them share the rest.
const RESERVED: [Option<u32>; 4] = [Some(2), None, Some(0), None];

proptest! {
    /// Whatever comes and goes, in whatever order: a permit is given exactly when there is one.
    #[test]
    fn permits_are_exact(ops in proptest::collection::vec(
        prop_oneof![(0..4_usize).prop_map(Op::Enter), (0..64_usize).prop_map(Op::Leave)],
        0..200,
    )) {
        let (gate, account_limit, total) = (gate(7), 7, 2);
        let versions = [function("a"), function("b"), function("c"), function("d")];
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let mut running: Vec<(usize, Permit)> = Vec::new();
        for op in ops {
            match op {
                Op::Leave(at) if running.is_empty() => prop_assert!(at < 64),
                Op::Leave(at) => drop(running.swap_remove(at % running.len())),
                Op::Enter(who) => {
                    let concurrency = Concurrency { reserved: RESERVED[who], provisioned: 0, reserved_total: total };
                    let of = |of: &dyn Fn(usize) -> bool| running.iter().filter(|(other, _)| of(*other)).count() as u32;
                    let has_room = match RESERVED[who] {
                        Some(reserved) => of(&|other| other == who) < reserved,
                        None => of(&|other| RESERVED[other].is_none()) < account_limit - total,
                    };
                    let entered = runtime.block_on(gate.enter(&versions[who], concurrency, None));
                    prop_assert_eq!(entered.is_ok(), has_room);
                    running.extend(entered.ok().map(|permit| (who, permit)));
                }
            }
        }
    }
}

impl<T> Lock<T> for shuttle::sync::Mutex<T> {
    fn new(value: T) -> Self {
        Self::new(value)
    }

    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        work(&mut self.lock().expect("no thread panics"))
    }
}

#[test]
fn threads_in_any_order_never_hold_more_permits_than_there_are() {
    use shuttle::sync::atomic::{AtomicU32, Ordering};
    use shuttle::{future, thread};
    type Racing = Gate<shuttle::sync::Mutex<Counts>>;
    let race = || {
        let gate = Arc::new(Racing::new(2));
        let (held, refused) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let (gate, held, refused) = (Arc::clone(&gate), Arc::clone(&held), Arc::clone(&refused));
                thread::spawn(move || {
                    for _ in 0..2 {
                        match future::block_on(gate.enter(&function("f"), SHARED, None)) {
                            Ok(permit) => {
                                assert!(held.fetch_add(1, Ordering::SeqCst) < 2, "more permits than there are");
                                thread::yield_now();
                                held.fetch_sub(1, Ordering::SeqCst);
                                drop(permit);
                            }
                            Err(_) => drop(refused.fetch_add(1, Ordering::SeqCst)),
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no thread panics"));
        assert!(refused.load(Ordering::SeqCst) <= 5, "somebody gets in");
        gate.counts.with(|counts| assert!(counts.functions.is_empty() && counts.unreserved.is_empty()));
    };
    shuttle::check_random(race, 2_000);
}
