//! What a mapping tells of its events.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use hearth_ports::metrics::lambda::{
    DELETED_EVENT_COUNT, FAILED_INVOKE_EVENT_COUNT, FILTERED_OUT_EVENT_COUNT, INVOKED_EVENT_COUNT, POLLED_EVENT_COUNT,
};
use hearth_ports::{EventPollers, QueueMapping};

use super::{pass, secs, throttled};
use crate::testing::{World, failed, mapping, returned};

/// Polled, filtered out, invoked, failed, deleted.
fn told(world: &World) -> [Option<f64>; 5] {
    [
        &POLLED_EVENT_COUNT,
        &FILTERED_OUT_EVENT_COUNT,
        &INVOKED_EVENT_COUNT,
        &FAILED_INVOKE_EVENT_COUNT,
        &DELETED_EVENT_COUNT,
    ]
    .map(|metric| world.told.sum(metric))
}

fn counting() -> QueueMapping {
    QueueMapping { counts_events: true, ..mapping() }
}

#[tokio::test(start_paused = true)]
async fn a_mapping_counts_its_events_if_it_is_asked_to() {
    let world = World::new(false);
    world.pollers.poll(mapping());
    world.queue.send("x");
    pass(secs(1)).await;
    assert_eq!(world.function.runs().len(), 1);
    assert!(world.told.is_empty(), "nobody asked");
    // From now on.
    let filters = vec![r#"{"body": [{"prefix": "order"}]}"#.to_owned()];
    world.pollers.poll(QueueMapping { filters, ..counting() });
    for body in ["order 1", "order 2", "else"] {
        world.queue.send(body);
    }
    pass(secs(1)).await;
    assert_eq!(told(&world), [Some(3.0), Some(1.0), Some(2.0), None, Some(2.0)]);
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_finds_nothing_counts_none() {
    let world = World::new(false);
    world.pollers.poll(counting());
    pass(secs(60)).await;
    assert_eq!(told(&world), [Some(0.0), None, None, None, None]);
}

#[tokio::test(start_paused = true)]
async fn events_count_again_each_time_they_are_tried() {
    let world = World::new(false);
    world.function.does(|_| (Duration::from_millis(10), failed()));
    world.pollers.poll(counting());
    world.queue.send("x");
    world.queue.send("y");
    pass(secs(1)).await;
    assert_eq!(told(&world), [Some(2.0), None, Some(2.0), Some(2.0), None]);
    world.function.does(|ids| {
        let named = format!(r#"{{"batchItemFailures": [{{"itemIdentifier": "{}"}}]}}"#, ids[0]);
        (Duration::from_millis(10), returned(&named))
    });
    world.pollers.poll(QueueMapping { reports_failures: true, ..counting() });
    pass(secs(31)).await;
    assert_eq!(told(&world), [Some(4.0), None, Some(4.0), Some(3.0), Some(1.0)], "one of two was named");
}

#[tokio::test(start_paused = true)]
async fn a_throttled_batch_counts_with_each_attempt() {
    let world = World::new(false);
    world.function.does(|_| (Duration::ZERO, Err(throttled())));
    world.pollers.poll(counting());
    world.queue.send("x");
    pass(Duration::from_millis(2_500)).await;
    world.function.does(|_| (Duration::ZERO, returned("null")));
    pass(secs(5)).await;
    // At once, after one second and after two more.
    assert_eq!(told(&world), [Some(1.0), None, Some(3.0), Some(2.0), Some(1.0)]);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_deleted_counts_when_it_is() {
    let world = World::new(false);
    world.queue.undeletable.store(1, SeqCst);
    world.pollers.poll(counting());
    world.queue.send("x");
    pass(Duration::from_millis(100)).await;
    assert_eq!(told(&world)[4], Some(0.0), "told of, as none");
    pass(secs(10)).await;
    assert_eq!(told(&world)[4], Some(1.0));
}
