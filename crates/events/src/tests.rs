//! A mapping from its queue to its function, in virtual time.

mod counts;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use hearth_ports::{EventPollers, InvokeError, QueueError, QueueMapping, ThrottleReason};
use hearth_types::{Caller, Millis, Qualifier};
use parking_lot::Mutex;

use crate::testing::{Run, World, failed, mapping, returned};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

fn throttled() -> InvokeError {
    InvokeError::Throttled { reason: ThrottleReason::ConcurrentInvocationLimitExceeded }
}

/// The most that ran at the same time.
fn concurrency(runs: &[Run]) -> usize {
    let overlaps =
        |at: Duration| runs.iter().filter(|run| run.at <= at && run.ended.is_none_or(|ended| ended > at)).count();
    runs.iter().map(|run| overlaps(run.at)).max().unwrap_or(0)
}

/// No message was with two invocations within `seconds`.
fn assert_nothing_twice_within(runs: &[Run], seconds: u64) {
    let mut last: BTreeMap<&str, Duration> = BTreeMap::new();
    for run in runs {
        for id in &run.ids {
            if let Some(before) = last.insert(id, run.at) {
                assert!(run.at - before >= secs(seconds), "{id} at {before:?} and at {:?}", run.at);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn messages_become_events_and_are_deleted_when_the_function_succeeded() {
    let world = World::new(false);
    world.pollers.poll(QueueMapping { qualifier: Some(Qualifier::parse("live")), ..mapping() });
    let first = world.queue.send("hello");
    pass(secs(1)).await;
    let runs = world.function.runs();
    assert_eq!(world.function.batches(), [[first]]);
    assert!(world.queue.left().is_empty());
    assert_eq!(runs[0].request.qualifier, Some(Qualifier::parse("live")));
    // Lambda's own work, on behalf of the queue.
    let Caller::Service { principal, source_arn, .. } = &runs[0].ctx.caller else { panic!("{:?}", runs[0].ctx) };
    assert_eq!(
        (*principal, source_arn.as_deref()),
        ("lambda.amazonaws.com", Some("arn:aws:sqs:us-east-1:000000000000:q"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_at_most_its_size_and_a_window_gathers_it() {
    let world = World::new(false);
    (0..25).for_each(|at| drop(world.queue.send(&at.to_string())));
    world.pollers.poll(mapping());
    pass(secs(1)).await;
    assert_eq!(world.function.batches().iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
    world.pollers.stop(&mapping().id).await;

    let world = World::new(false);
    let window = Millis::from_secs(5);
    world.pollers.poll(QueueMapping { batch_size: 25, window, ..mapping() });
    (0..10).for_each(|at| drop(world.queue.send(&at.to_string())));
    pass(secs(2)).await;
    assert!(world.function.runs().is_empty());
    (0..20).for_each(|at| drop(world.queue.send(&at.to_string())));
    pass(Duration::from_millis(10)).await;
    // Full before its time is over; what did not fit begins another.
    assert_eq!(world.function.batches().iter().map(Vec::len).collect::<Vec<_>>(), [25]);
    pass(secs(4)).await;
    assert_eq!(world.function.batches().len(), 1);
    pass(Duration::from_millis(1_100)).await;
    assert_eq!(world.function.batches().iter().map(Vec::len).collect::<Vec<_>>(), [25, 5]);
    pass(secs(1)).await;
    assert!(world.queue.left().is_empty());
}

#[tokio::test(start_paused = true)]
async fn gathering_ends_while_the_function_can_still_run_before_anybody_else_gets_a_message() {
    let world = World::new(false);
    world.function.timeout_s.store(20, SeqCst);
    world.function.does(|_| (secs(20), returned("null")));
    world.pollers.poll(QueueMapping { batch_size: 100, window: Millis::from_secs(300), ..mapping() });
    for _ in 0..120 {
        world.queue.send("x");
        pass(secs(1)).await;
    }
    pass(secs(60)).await;
    let runs = world.function.runs();
    assert!(runs.len() >= 4 && runs[0].at <= secs(16), "{runs:?}");
    let all: Vec<&String> = runs.iter().flat_map(|run| &run.ids).collect();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "each once");
    assert_eq!(all.len(), 120);
    assert!(world.queue.left().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_function_that_runs_longer_than_the_queue_expects_gets_no_message_twice() {
    let world = World::new(false);
    // Changed after the mapping was made: the function may run longer than messages are invisible.
    world.queue.facts.lock().visibility_timeout_s = 2;
    world.function.timeout_s.store(60, SeqCst);
    world.function.does(|_| (secs(59), returned("null")));
    world.pollers.poll(mapping());
    (0..30).for_each(|_| drop(world.queue.send("x")));
    pass(secs(300)).await;
    assert_eq!(world.function.runs().len(), 3);
    assert!(world.queue.left().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_role_that_may_only_receive_and_delete_is_enough() {
    let world = World::new(false);
    world.queue.may_change.store(false, SeqCst);
    // As short as it may be: there is no time to spare for gathering.
    world.queue.facts.lock().visibility_timeout_s = 3;
    world.function.does(|_| (Duration::from_millis(2_900), returned("null")));
    world.pollers.poll(QueueMapping { batch_size: 100, window: Millis::from_secs(60), ..mapping() });
    (0..30).for_each(|_| drop(world.queue.send("x")));
    pass(secs(60)).await;
    assert!(world.queue.left().is_empty());
    assert_nothing_twice_within(&world.function.runs(), 60);
}

#[tokio::test(start_paused = true)]
async fn what_the_filter_does_not_match_is_deleted_and_never_seen() {
    let world = World::new(false);
    world.pollers.poll(QueueMapping { filters: vec![r#"{"body": {"kind": ["order"]}}"#.to_owned()], ..mapping() });
    let ids: Vec<String> =
        [r#"{"kind": "order"}"#, r#"{"kind": "other"}"#, "text"].iter().map(|body| world.queue.send(body)).collect();
    pass(secs(1)).await;
    assert_eq!(world.function.batches().concat(), ids[..1]);
    assert!(world.queue.left().is_empty());
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_failed_invocation_come_back_after_their_visibility_time_out() {
    let world = World::new(false);
    world.function.does(|_| (secs(1), failed()));
    world.pollers.poll(mapping());
    world.queue.send("x");
    pass(secs(100)).await;
    let runs = world.function.runs();
    assert_eq!(runs.len(), 4, "at once, and after 30, 60 and 90 s");
    assert_nothing_twice_within(&runs, 30);
    assert_eq!(world.queue.left().values().collect::<Vec<_>>(), [&4]);
}

#[tokio::test(start_paused = true)]
async fn only_the_messages_that_failed_come_back() {
    let world = World::new(false);
    world.pollers.poll(QueueMapping { reports_failures: true, ..mapping() });
    world.function.does(|_| (secs(1), returned(r#"{"batchItemFailures": [{"itemIdentifier": "m1"}]}"#)));
    (0..3).for_each(|_| drop(world.queue.send("x")));
    pass(secs(10)).await;
    assert_eq!(world.queue.left(), BTreeMap::from([("m1".to_owned(), 1)]));
    world.function.does(|_| (secs(1), returned("null")));
    pass(secs(30)).await;
    assert!(world.queue.left().is_empty());
    assert_eq!(world.function.batches(), [vec!["m0", "m1", "m2"], vec!["m1"]]);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_batch_is_tried_again_while_it_is_invisible_and_uses_up_one_receive() {
    let world = World::new(false);
    world.function.does(|_| (Duration::ZERO, Err(throttled())));
    world.pollers.poll(mapping());
    world.queue.send("x");
    pass(secs(29)).await;
    let tries: Vec<u64> = world.function.runs().iter().map(|run| run.at.as_secs()).collect();
    assert_eq!(tries, [0, 1, 3, 7, 15], "not so late that it could not end within 30 s");
    assert_eq!(world.queue.left().values().collect::<Vec<_>>(), [&1]);
    world.function.does(|_| (Duration::ZERO, returned("null")));
    pass(secs(2)).await;
    assert!(world.queue.left().is_empty());
    assert_eq!(world.function.runs().last().expect("one").at.as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn groups_stay_in_order_and_each_runs_one_batch_at_a_time() {
    let world = World::new(true);
    world.pollers.poll(QueueMapping { batch_size: 3, reports_failures: true, ..mapping() });
    // Every message fails once.
    let seen = Mutex::new(BTreeSet::new());
    world.function.does(move |ids| {
        let mut seen = seen.lock();
        let first = ids.iter().find(|id| seen.insert((*id).clone()));
        let failure = first.map(|id| format!(r#"{{"batchItemFailures": [{{"itemIdentifier": "{id}"}}]}}"#));
        (secs(2), returned(&failure.unwrap_or_else(|| "{}".to_owned())))
    });
    for at in 0..12 {
        world.queue.put("x", Some(["a", "b"][at % 2]), None);
    }
    pass(secs(2_000)).await;
    assert!(world.queue.left().is_empty(), "{:?}", world.queue.left());
    let runs = world.function.runs();
    for group in ["a", "b"] {
        let of_group: Vec<&Run> = runs.iter().filter(|run| run.groups.contains(&Some(group.to_owned()))).collect();
        for pair in of_group.windows(2) {
            assert!(pair[0].ended.expect("ended") <= pair[1].at, "two batches of {group} at once");
        }
        // The last attempt at each is in the order they were sent.
        let mut last = BTreeMap::new();
        for (at, run) in of_group.iter().enumerate() {
            for (id, of) in run.ids.iter().zip(&run.groups) {
                if of.as_deref() == Some(group) {
                    last.insert(id[1..].parse::<u32>().expect("a number"), at);
                }
            }
        }
        assert!(last.values().is_sorted(), "{last:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn fifo_concurrency_is_that_of_the_groups() {
    let world = World::new(true);
    world.function.does(|_| (secs(2), returned("null")));
    world.pollers.poll(QueueMapping { batch_size: 1, ..mapping() });
    for at in 0..30 {
        world.queue.put("x", Some(["a", "b", "c"][at % 3]), None);
    }
    pass(secs(60)).await;
    assert!(world.queue.left().is_empty());
    assert_eq!(concurrency(&world.function.runs()), 3);
}

#[tokio::test(start_paused = true)]
async fn a_message_does_not_wait_for_batches_that_take_long() {
    for is_fifo in [false, true] {
        let world = World::new(is_fifo);
        world.function.timeout_s.store(900, SeqCst);
        world.function.does(|_| (secs(800), returned("null")));
        world.pollers.poll(QueueMapping { batch_size: 1, ..mapping() });
        for at in 0..7 {
            let group = format!("g{at}");
            world.queue.put("x", is_fifo.then_some(group.as_str()), None);
            pass(secs(90)).await;
            assert_eq!(world.function.runs().len(), at + 1);
        }
        pass(secs(900)).await;
        assert!(world.queue.left().is_empty());
        assert_eq!(world.function.runs().len(), 7);
    }
}

#[tokio::test(start_paused = true)]
async fn a_backlog_starts_with_five_batches_and_gets_300_more_a_minute() {
    let world = World::new(false);
    world.function.does(|_| (secs(25), returned("null")));
    (0..2_000).for_each(|_| drop(world.queue.send("x")));
    world.pollers.poll(QueueMapping { batch_size: 1, ..mapping() });
    pass(Duration::from_millis(100)).await;
    assert_eq!(world.function.runs().len(), 5);
    pass(secs(20)).await;
    let ran = world.function.runs().len();
    assert!((100..=105).contains(&ran), "{ran}");
}

#[tokio::test(start_paused = true)]
async fn maximum_concurrency_holds_and_can_be_changed() {
    let world = World::new(false);
    world.function.does(|_| (secs(2), returned("null")));
    (0..400).for_each(|_| drop(world.queue.send("x")));
    world.pollers.poll(QueueMapping { batch_size: 1, concurrency_max: Some(2), ..mapping() });
    pass(secs(60)).await;
    let runs = world.function.runs();
    assert_eq!(concurrency(&runs), 2);
    assert!((58..=62).contains(&runs.len()), "{}", runs.len());
    world.pollers.poll(QueueMapping { batch_size: 1, concurrency_max: Some(4), ..mapping() });
    pass(secs(60)).await;
    assert_eq!(concurrency(&world.function.runs()), 4);
}

#[tokio::test(start_paused = true)]
async fn a_stop_takes_no_more_and_waits_for_what_runs() {
    let world = World::new(false);
    world.function.does(|_| (secs(2), returned("null")));
    world.pollers.poll(mapping());
    world.queue.send("x");
    pass(secs(1)).await;
    world.pollers.stop(&mapping().id).await;
    assert!(world.queue.left().is_empty(), "what ran has ended and is deleted");
    world.queue.send("later");
    pass(secs(100)).await;
    assert_eq!(world.function.runs().len(), 1);
    assert_eq!(world.queue.left().values().collect::<Vec<_>>(), [&0], "nobody has touched it");
    world.pollers.poll(mapping());
    pass(secs(3)).await;
    assert!(world.queue.left().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_gives_back_what_waits_and_lets_batches_end() {
    let world = World::new(false);
    world.function.does(|_| (secs(2), returned("null")));
    world.pollers.poll(QueueMapping { batch_size: 100, window: Millis::from_secs(10), ..mapping() });
    world.queue.send("gathered");
    pass(secs(1)).await;
    assert_eq!(world.queue.visible(), 0);
    world.pollers.shutdown().await;
    assert_eq!(world.queue.visible(), 1, "at once, and not after its time-out");
    assert!(world.function.runs().is_empty());

    let world = World::new(false);
    world.function.does(|_| (Duration::ZERO, Err(throttled())));
    world.pollers.poll(mapping());
    world.queue.send("throttled");
    pass(secs(5)).await;
    world.pollers.shutdown().await;
    assert_eq!(world.queue.visible(), 1);
}

#[tokio::test(start_paused = true)]
async fn messages_wait_for_a_function_that_is_gone() {
    let world = World::new(false);
    world.function.is_there.store(false, SeqCst);
    world.pollers.poll(mapping());
    world.queue.send("x");
    pass(secs(3_600)).await;
    assert_eq!(world.queue.left().values().collect::<Vec<_>>(), [&0], "no receive is used up");
    world.function.is_there.store(true, SeqCst);
    pass(secs(2)).await;
    assert!(world.queue.left().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_fails_is_asked_again_after_growing_pauses() {
    let world = World::new(false);
    *world.queue.failure.lock() = Some(QueueError::NotFound);
    world.pollers.poll(mapping());
    pass(secs(300)).await;
    let asked = world.queue.receives.load(SeqCst);
    assert!((8..=12).contains(&asked), "{asked}");
    *world.queue.failure.lock() = None;
    world.queue.send("x");
    pass(secs(61)).await;
    assert!(world.queue.left().is_empty());
}

#[tokio::test(start_paused = true)]
async fn messages_that_are_done_with_are_deleted_even_if_the_queue_fails_for_a_while() {
    let world = World::new(false);
    world.queue.undeletable.store(3, SeqCst);
    world.pollers.poll(mapping());
    world.queue.send("x");
    pass(secs(20)).await;
    assert!(world.queue.left().is_empty());
    assert_eq!(world.function.runs().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_batch_goes_on_with_the_longest_chain_of_its_messages() {
    let world = World::new(false);
    world.queue.put("x", None, Some("Root=1-a"));
    world.queue.put("x", None, Some("Root=1-b;Lineage=1:aaaaaaaa:4"));
    world.pollers.poll(mapping());
    pass(secs(1)).await;
    assert_eq!(world.function.runs()[0].ctx.trace.as_deref(), Some("Root=1-b;Lineage=1:aaaaaaaa:4"));
}

/// A number below `limit`, always the same for the same input.
fn chance(seed: u64, of: &str, limit: u64) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (seed, of).hash(&mut hasher);
    hasher.finish() % limit
}

#[tokio::test(start_paused = true)]
async fn whatever_the_function_does_nothing_is_lost_or_given_out_twice_at_once() {
    for seed in 0..24 {
        let world = World::new(seed % 2 == 0);
        let succeeded = Arc::new(Mutex::new(BTreeSet::new()));
        let calls = AtomicU64::new(0);
        let noted = Arc::clone(&succeeded);
        world.function.does(move |ids| {
            let call = format!("{}", calls.fetch_add(1, SeqCst));
            let takes = Duration::from_millis(chance(seed, &format!("takes {call}"), 3_000));
            let answer = match chance(seed, &call, 5) {
                0 => failed(),
                1 => Err(throttled()),
                2 => {
                    let bad: Vec<_> = ids.iter().filter(|id| chance(seed, &format!("{call} {id}"), 2) == 0).collect();
                    noted.lock().extend(ids.iter().filter(|id| !bad.contains(id)).cloned());
                    let items: Vec<String> = bad.iter().map(|id| format!(r#"{{"itemIdentifier": "{id}"}}"#)).collect();
                    returned(&format!(r#"{{"batchItemFailures": [{}]}}"#, items.join(",")))
                }
                _ => {
                    noted.lock().extend(ids.iter().cloned());
                    returned("null")
                }
            };
            (takes, answer)
        });
        let batch_size = 1 + u32::try_from(chance(seed, "size", 10)).expect("small");
        let window = Millis::from_secs(if seed % 4 == 1 { chance(seed, "window", 60) } else { 0 });
        world.pollers.poll(QueueMapping { batch_size, window, reports_failures: true, ..mapping() });
        let mut sent = BTreeSet::new();
        for at in 0..60 {
            let group = format!("g{}", at % 4);
            sent.insert(world.queue.put("x", (seed % 2 == 0).then_some(group.as_str()), None));
            pass(Duration::from_millis(chance(seed, &format!("gap {at}"), 2_000))).await;
            let left = world.queue.left();
            let succeeded = succeeded.lock();
            assert!(sent.iter().all(|id| left.contains_key(id) || succeeded.contains(id)), "seed {seed}");
        }
        pass(secs(6_000)).await;
        assert!(world.queue.left().is_empty(), "seed {seed}: {:?}", world.queue.left());
        assert_eq!(*succeeded.lock(), sent, "seed {seed}");
        let runs: Vec<Run> = world.function.runs().into_iter().filter(|run| run.has_run).collect();
        let mut ended: BTreeMap<&str, Duration> = BTreeMap::new();
        for run in &runs {
            for id in &run.ids {
                let before = ended.insert(id, run.ended.expect("ended"));
                assert!(before.is_none_or(|before| before <= run.at), "seed {seed}: {id} twice at once");
            }
        }
        world.pollers.shutdown().await;
    }
}
