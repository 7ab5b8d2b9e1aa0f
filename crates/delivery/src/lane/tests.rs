//! Lanes in virtual time.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::SeqCst;

use async_trait::async_trait;
use hearth_store::testing::MemoryStore;
use hearth_store::{Codec, KeyRing, Record};
use hearth_types::{AccountId, ManualClock, Partition, Region, SeededRandom};
use serde::{Deserialize, Serialize};

use super::*;

pub(crate) fn scope() -> Scope {
    Scope { partition: Partition::Aws, account: AccountId::DEFAULT, region: Some(Region::from(Region::DEFAULT)) }
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note(pub(crate) String);

impl Record for Note {
    const KIND: &'static str = "test.note";
    const VERSION: u32 = 1;
}

impl Body for Note {
    fn size(&self) -> usize {
        self.0.len()
    }

    /// What stands behind an `@`.
    fn line(&self) -> Option<String> {
        self.0.split_once('@').map(|(_, line)| line.to_owned())
    }
}

/// Does what a note says: `ok`, `hold` (for ever), `fail` (a minute later again) or `tell TEXT` (done, and another note follows).
struct Reader {
    lane: Arc<Lane<Note>>,
    /// By id: what was read, and the tries before.
    read: Mutex<BTreeMap<String, Vec<(String, Tries)>>>,
}

#[async_trait]
impl Target<Note> for Reader {
    async fn attempt(self: Arc<Self>, delivery: &Delivery<Note>) -> Verdict {
        let (id, text) = (delivery.id.as_str(), delivery.body.0.as_str());
        self.read.lock().entry(id.to_owned()).or_default().push((text.to_owned(), delivery.tries));
        if text == "hold" {
            std::future::pending::<()>().await;
        }
        if let Some(told) = text.strip_prefix("tell ") {
            let id = RequestId::from(format!("{id}'").as_str());
            let staged = self.lane.stage(&delivery.scope, id, Note(told.to_owned()));
            return Verdict { then: vec![staged.expect("a note")], ..Verdict::DONE };
        }
        if text.starts_with("fail") {
            let tries = Tries { failed: delivery.tries.failed + 1, ..delivery.tries };
            return Verdict::again(Millis::from_secs(60), tries);
        }
        Verdict::DONE
    }
}

struct World {
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    reader: Arc<Reader>,
    stop: CancellationToken,
}

impl World {
    fn over(store: &Arc<MemoryStore>, clock: &Arc<ManualClock>) -> Self {
        let random = Arc::new(SeededRandom::new(5));
        let codec = Arc::new(Codec::new(KeyRing::generate(&*random), random));
        let outbox = Outbox::new(Arc::clone(store) as _, codec, Arc::clone(clock) as _);
        let lane = Lane::new(&outbox, "test.notes", LaneLimits { attempts: 3 });
        let reader = Arc::new(Reader { lane: Arc::clone(&lane), read: Mutex::default() });
        let stop = CancellationToken::new();
        let (target, stopped) = (Arc::clone(&reader), stop.clone());
        tokio::spawn(async move { lane.work(target, &stopped, &TaskTracker::new()).await });
        Self { store: Arc::clone(store), clock: Arc::clone(clock), reader, stop }
    }

    fn new() -> Self {
        Self::over(&Arc::default(), &Arc::new(ManualClock::at(1_000_000)))
    }

    async fn accept(&self, id: &str, text: &str) -> Result<(), StoreError> {
        self.reader.lane.accept(&scope(), RequestId::from(id), Note(text.to_owned())).await
    }

    async fn pass(&self, by: Millis) {
        self.clock.advance(i64::try_from(by.0).expect("small"));
        tokio::time::sleep(by.duration() + Duration::from_millis(1)).await;
    }

    fn reads(&self, id: &str) -> Vec<(String, Tries)> {
        self.reader.read.lock().get(id).cloned().unwrap_or_default()
    }

    /// Slips and bodies in the store.
    fn kept(&self) -> (usize, usize) {
        (self.store.count(&scope(), "delivery.due"), self.store.count(&scope(), "delivery.body"))
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_accepted_is_in_the_store_until_it_is_done() {
    let world = World::new();
    world.accept("a", "ok").await.expect("accepted");
    assert_eq!((world.kept(), world.reads("a").len()), ((1, 0), 0));
    world.pass(Millis(0)).await;
    assert_eq!((world.kept(), world.reads("a").len()), ((0, 0), 1));
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_tried_again_when_it_is_said_with_what_was_counted() {
    for text in ["fail".to_owned(), format!("fail {}", "x".repeat(10_000))] {
        let world = World::new();
        world.accept("a", &text).await.expect("accepted");
        world.pass(Millis(0)).await;
        world.pass(Millis::from_secs(59)).await;
        assert_eq!(world.reads("a").len(), 1);
        assert_eq!(world.kept(), (1, usize::from(text.len() > 4)), "a large body has a record of its own");
        world.pass(Millis::from_secs(1)).await;
        let tried = |failed| (text.clone(), Tries { failed, not_run: 0 });
        assert_eq!(world.reads("a"), [tried(0), tried(1)]);
        // Another life of the server goes on where this one was.
        world.stop.cancel();
        let again = World::over(&world.store, &world.clock);
        again.pass(Millis::from_secs(60)).await;
        assert_eq!(again.reads("a"), [tried(2)]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_follows_is_accepted_in_the_commit_that_ends_its_cause() {
    let world = World::new();
    world.accept("a", "tell fail").await.expect("accepted");
    world.store.is_down.store(true, SeqCst);
    world.pass(Millis::from_secs(3)).await;
    assert_eq!((world.kept(), world.reads("a").len(), world.reads("a'").len()), ((1, 0), 1, 0), "nothing of both");
    world.store.is_down.store(false, SeqCst);
    world.pass(Millis::from_secs(3)).await;
    assert_eq!((world.kept(), world.reads("a").len(), world.reads("a'").len()), ((1, 0), 1, 1), "all of both");
}

#[tokio::test(start_paused = true)]
async fn what_the_store_refuses_is_not_accepted() {
    let world = World::new();
    world.store.is_down.store(true, SeqCst);
    assert!(world.accept("a", "ok").await.is_err());
    world.store.is_down.store(false, SeqCst);
    world.pass(Millis::from_secs(10)).await;
    assert_eq!(world.reads("a").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_stands_still_holds_up_no_other_however_long_it_is() {
    const STUCK: usize = WINDOW_DELIVERIES + READ_ROWS;
    const BRISK: usize = 5 * LINE_DELIVERIES;
    let world = World::new();
    let accept = async |world: &World, from: usize, count: usize, text: &str| {
        let notes = (from..from + count).map(|number| {
            let id = RequestId::from(format!("{number:06}").as_str());
            world.reader.lane.stage(&scope(), id, Note(text.to_owned())).expect("a note")
        });
        world.reader.lane.outbox.accept(&scope(), notes.collect()).await.expect("accepted");
    };
    let read = |world: &World, from: usize, count: usize| {
        (from..from + count).map(|number| world.reads(&format!("{number:06}")).len()).sum::<usize>()
    };
    accept(&world, 0, STUCK, "fail@stuck").await;
    accept(&world, STUCK, BRISK, "ok@brisk").await;
    world.pass(Millis::from_secs(1)).await;
    assert_eq!((read(&world, 0, STUCK), read(&world, STUCK, BRISK)), (1, BRISK));
    // So does the next life, which finds them all in the store, and what comes meanwhile.
    world.stop.cancel();
    let again = World::over(&world.store, &world.clock);
    accept(&again, STUCK + BRISK, BRISK, "ok@brisk").await;
    again.pass(Millis::from_secs(1)).await;
    assert_eq!((read(&again, 0, STUCK), read(&again, STUCK + BRISK, BRISK)), (1, BRISK));
    assert_eq!(again.kept().0, STUCK);
}

#[tokio::test(start_paused = true)]
async fn many_are_accepted_at_once_in_commits_the_store_takes() {
    let world = World::new();
    let notes = (0..40).map(|number| {
        let note = Note("x".repeat(1 << 20));
        world.reader.lane.stage(&scope(), RequestId::from(format!("{number}").as_str()), note).expect("a note")
    });
    world.reader.lane.outbox.accept(&scope(), notes.collect()).await.expect("accepted");
    for _ in 0..40 {
        world.pass(Millis(0)).await;
    }
    assert_eq!(world.kept(), (0, 0));
    assert!((0..40).all(|number| world.reads(&number.to_string()).len() == 1));
}

#[tokio::test(start_paused = true)]
async fn a_crowd_of_callers_goes_before_deliveries_where_the_machine_is_late() {
    let world = World::new();
    let begun = || ["a", "b", "c"].iter().filter(|id| !world.reads(id).is_empty()).count();
    let crowd: Vec<_> = (0..CROWD_CALLERS).map(|_| world.reader.lane.outbox.caller()).collect();
    for id in ["a", "b", "c"] {
        world.accept(id, "hold").await.expect("accepted");
    }
    for _ in 0..20 {
        // Whoever sleeps is woken late.
        tokio::time::advance(GIVE_WAY * 10).await;
    }
    assert_eq!(begun(), ATTEMPTS_ALWAYS, "deliveries go on, but few");
    drop(crowd);
    tokio::time::advance(GIVE_WAY * 10).await;
    world.pass(Millis(0)).await;
    assert_eq!(begun(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_crowd_of_callers_does_not_keep_deliveries_from_a_machine_that_has_time() {
    let world = World::new();
    let _crowd: Vec<_> = (0..CROWD_CALLERS).map(|_| world.reader.lane.outbox.caller()).collect();
    for id in ["a", "b", "c"] {
        world.accept(id, "hold").await.expect("accepted");
    }
    tokio::time::sleep(GIVE_WAY * 10).await;
    assert!(["a", "b", "c"].iter().all(|id| !world.reads(id).is_empty()));
}
