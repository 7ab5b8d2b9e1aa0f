//! What the model test does not show: deduplication, departures that run at the same time, sizes.

mod model;

use super::*;

const NOW: Now = Now { wall_ms: 1_000, service_ms: 1_000 };

fn terms(is_fifo: bool) -> Terms {
    Terms { is_fifo, retention_ms: 345_600_000, receives_max: None }
}

fn arrival(group: Option<&str>) -> Arrival<'_> {
    Arrival {
        enqueued_at_ms: NOW.service_ms,
        due_at_ms: NOW.service_ms,
        group,
        dedup: None,
        message_id: [1; 16],
        seen: Seen::default(),
    }
}

fn of_one_page(messages: usize) -> Engine {
    let mut engine = Engine::new(terms(false));
    engine.reserve(1, &vec![arrival(None); messages]);
    assert!(engine.confirm(1, NOW));
    engine
}

fn all(page: u64) -> Departure {
    Departure::All { page, tombstones: Vec::new(), has_marks: false, remembered: Vec::new() }
}

#[test]
fn a_whole_page_is_deleted_by_one_row() {
    let mut engine = of_one_page(10);
    let keys: Vec<MessageKey> = engine.take(NOW, 10, 1_000, false, || 7).taken.iter().map(|taken| taken.key).collect();
    assert!(keys.iter().all(|key| engine.leave(*key)));
    assert_eq!(engine.departure(&keys, NOW), [all(1)]);
    assert_eq!(engine.gone(&keys, NOW), []);
    assert!(engine.is_empty());
}

#[test]
fn deletions_that_run_at_the_same_time_name_their_own_slots_and_the_page_goes_behind_the_last() {
    let mut engine = of_one_page(2);
    let (first, second) = (MessageKey::new(1, 0), MessageKey::new(1, 1));
    assert!(engine.leave(first));
    let of_first = engine.departure(&[first], NOW);
    assert!(engine.leave(second));
    let of_second = engine.departure(&[second], NOW);
    assert_eq!(of_first, [Departure::Some { page: 1, slots: 1 }]);
    // The other may come back if the store fails it.
    assert_eq!(of_second, [Departure::Some { page: 1, slots: 2 }]);
    assert_eq!(engine.gone(&[second], NOW), []);
    let closing = engine.gone(&[first], NOW);
    assert_eq!(closing, [Departure::All { page: 1, tombstones: vec![0, 1], has_marks: false, remembered: Vec::new() }]);
}

#[test]
fn a_deletion_that_failed_leaves_the_message_in_flight() {
    let mut engine = of_one_page(1);
    let key = engine.take(NOW, 1, 5_000, false, || 7).taken[0].key;
    assert!(engine.leave(key));
    assert_eq!(engine.hold(key, 7), Hold::Gone);
    engine.departure(&[key], NOW);
    engine.stay(&[key], NOW);
    assert_eq!(engine.hold(key, 7), Hold::Held);
    assert!(engine.leave(key));
    assert_eq!(engine.departure(&[key], NOW), [all(1)]);
}

// Source: SQS developer guide, "Using the message deduplication ID in Amazon SQS".
#[test]
fn a_deduplication_id_counts_for_five_minutes_whether_or_not_the_message_is_deleted() {
    let mut engine = Engine::new(terms(true));
    let dedup = DedupKey([3; 16]);
    engine.reserve(1, &[Arrival { dedup: Some(dedup), ..arrival(Some("g")) }]);
    let key = MessageKey::new(1, 0);
    assert!(engine.is_pending(key));
    assert!(engine.confirm(1, NOW));
    assert!(engine.leave(key));
    let departures = engine.departure(&[key], NOW);
    engine.gone(&[key], NOW);
    let known = Remembered { key, message_id: [1; 16], at_ms: NOW.service_ms };
    assert_eq!(
        departures,
        [Departure::All { page: 1, tombstones: Vec::new(), has_marks: false, remembered: vec![(dedup, known)] }]
    );
    for (later_ms, expected) in [(299_999, Some(known)), (300_000, None)] {
        let later = Now { service_ms: NOW.service_ms + later_ms, ..NOW };
        engine.tick(later);
        assert_eq!(engine.duplicate(&dedup, later), expected, "after {later_ms} ms");
    }
}

#[test]
fn an_id_of_a_message_that_did_not_become_durable_does_not_count() {
    let mut engine = Engine::new(terms(true));
    let dedup = DedupKey([3; 16]);
    engine.reserve(1, &[Arrival { dedup: Some(dedup), ..arrival(Some("g")) }]);
    engine.abort(1);
    assert_eq!(engine.duplicate(&dedup, NOW), None);
}

#[test]
fn a_fifo_group_waits_for_a_message_that_is_on_its_way_to_the_disk() {
    let mut engine = Engine::new(terms(true));
    engine.reserve(1, &[arrival(Some("g"))]);
    engine.reserve(2, &[arrival(Some("g"))]);
    assert!(engine.confirm(2, NOW));
    assert_eq!(engine.take(NOW, 10, 1_000, false, || 7).taken, []);
    assert!(engine.confirm(1, NOW));
    let taken: Vec<u64> = engine.take(NOW, 10, 1_000, false, || 7).taken.iter().map(|taken| taken.key.page()).collect();
    assert_eq!(taken, [1, 2]);
}

#[test]
fn receives_are_to_be_saved_once() {
    let mut engine = of_one_page(2);
    assert_eq!(engine.unsaved(8), []);
    let seen = engine.take(NOW, 1, 1_000, false, || 7).taken[0].seen;
    assert_eq!(engine.unsaved(8), [(1, vec![(0, seen)])]);
    assert_eq!(engine.unsaved(8), []);
    engine.still_unsaved([1].into_iter());
    assert_eq!(engine.unsaved(8).len(), 1);
}

/// Ordered maps keep at least half of each node in use; the rest is the cache of pages, which is bounded.
#[test]
fn a_waiting_message_takes_less_than_200_bytes() {
    let each = |of_one_request: usize| {
        let (in_maps, beside) = crate::engine::pages::bytes(of_one_request);
        ((in_maps + crate::engine::key_set::ENTRY_BYTES) * 2 + beside) / of_one_request
    };
    assert!(each(1) <= 200, "{} bytes sent alone", each(1));
    assert!(each(10) <= 50, "{} bytes sent with nine others", each(10));
}
