//! Timetables in virtual time: a clock that goes sixty times as fast as the test's.

use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use async_trait::async_trait;
use hearth_schedule::{Expression, Zone};
use hearth_store::testing::MemoryStore;
use hearth_store::{Codec, KeyRing};
use hearth_types::{Clock, RequestId, SeededRandom};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::*;
use crate::lane::tests::{Note, scope};
use crate::{Delivery, Lane, LaneLimits, Target, Verdict};

const SCALE: i64 = 60;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

fn ms(text: &str) -> i64 {
    hearth_types::clock::parse_rfc3339_ms(text).expect(text)
}

fn shown(ms: i64) -> String {
    hearth_types::clock::format_utc(ms, "%Y-%m-%d %H:%M:%S")
}

/// Goes with the test's time.
struct FastClock {
    began: Instant,
    began_ms: AtomicI64,
}

impl FastClock {
    fn at(text: &str) -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), began_ms: AtomicI64::new(ms(text)) })
    }

    fn set_by(&self, by_ms: i64) {
        self.began_ms.fetch_add(by_ms, SeqCst);
    }
}

impl Clock for FastClock {
    fn now_ms(&self) -> i64 {
        let passed = i64::try_from(self.began.elapsed().as_millis()).expect("small");
        self.began_ms.load(SeqCst) + passed * SCALE
    }

    fn machine_time(&self, span: Millis) -> Millis {
        Millis(span.0.div_ceil(SCALE.unsigned_abs()))
    }
}

/// Tells a lane of each occurrence, and remembers what is delivered.
struct Bell {
    lane: Arc<Lane<Note>>,
    life: Mutex<String>,
    /// Occurrences, and when they were delivered.
    rung: Arc<Mutex<Vec<(i64, i64)>>>,
}

impl Occasion for Bell {
    fn occur(&self, name: &Name, life: &str, Occurrence { at_ms, is_last }: Occurrence) -> Option<Vec<Staged>> {
        if *self.life.lock() != life {
            return None;
        }
        let id = RequestId::from(format!("{} {life} {at_ms}", name.name).as_str());
        let note = Note(format!("{at_ms}{}", if is_last { " last" } else { "" }));
        Some(vec![self.lane.stage(&name.scope, id, note).expect("a note")])
    }
}

#[async_trait]
impl Target<Note> for Bell {
    async fn attempt(self: Arc<Self>, delivery: &Delivery<Note>) -> Verdict {
        let at_ms = delivery.body.0.split(' ').next().and_then(|at_ms| at_ms.parse().ok()).expect("a time");
        self.rung.lock().push((at_ms, delivery.accepted_ms));
        Verdict::DONE
    }
}

/// A server's life.
struct World {
    store: Arc<MemoryStore>,
    clock: Arc<FastClock>,
    timetable: Arc<Timetable>,
    bell: Arc<Bell>,
    rung: Arc<Mutex<Vec<(i64, i64)>>>,
    stop: CancellationToken,
}

impl World {
    async fn begin(store: Arc<MemoryStore>, clock: Arc<FastClock>, rung: Arc<Mutex<Vec<(i64, i64)>>>) -> Self {
        let random = Arc::new(SeededRandom::new(5));
        let codec = Arc::new(Codec::new(KeyRing::generate(&*random), random.clone()));
        let outbox = Outbox::new(store.clone(), codec, clock.clone());
        let lane = Lane::new(&outbox, "test.bell", LaneLimits { attempts: 3 });
        let timetable = Timetable::open(&outbox, "test", random).await.expect("a timetable");
        let bell = Arc::new(Bell { lane, life: Mutex::new("1".to_owned()), rung: rung.clone() });
        Self { store, clock, timetable, bell, rung, stop: CancellationToken::new() }
    }

    async fn at(text: &str) -> Self {
        Self::begin(Arc::default(), FastClock::at(text), Arc::default()).await
    }

    /// The life ends as with a kill, and another begins later.
    async fn killed_for(self, down_ms: i64) -> Self {
        self.stop.cancel();
        tokio::time::sleep(Duration::from_millis(1)).await;
        sleep(down_ms).await;
        Self::begin(self.store, self.clock, self.rung).await
    }

    fn work(&self) {
        let (timetable, bell, stop) = (self.timetable.clone(), self.bell.clone(), self.stop.clone());
        tokio::spawn(timetable.work(bell, stop));
        self.deliver();
    }

    fn deliver(&self) {
        let (bell, stop) = (self.bell.clone(), self.stop.clone());
        tokio::spawn(async move { bell.lane.clone().work(bell, &stop, &TaskTracker::new()).await });
    }

    fn timed(expression: &str, zone: &str, since: &str) -> Timed {
        let (expression, zone) = (Expression::parse(expression).expect(expression), Zone::named(zone).expect(zone));
        let schedule = Schedule { expression, zone, anchor_ms: ms(since), start_ms: None, end_ms: None };
        let (since_ms, age_max) = (ms(since), Millis::from_secs(86_400));
        Timed { schedule, since_ms, window: Millis(0), age_max, life: "1".to_owned() }
    }

    fn set(&self, timed: Timed) -> bool {
        self.timetable.set(name("s"), timed)
    }

    /// When occurrences were, in the order of their deliveries.
    fn rung(&self) -> Vec<String> {
        self.rung.lock().iter().map(|(at_ms, _)| shown(*at_ms)).collect()
    }

    fn kept(&self) -> usize {
        self.store.count(&scope(), TABLE)
    }
}

fn name(name: &str) -> Name {
    Name { scope: scope(), name: name.to_owned() }
}

/// So much of the fast clock.
async fn sleep(ms: i64) {
    tokio::time::sleep(Duration::from_millis((ms / SCALE).unsigned_abs() + 1)).await;
}

#[tokio::test(start_paused = true)]
async fn each_occurrence_comes_once_and_on_time() {
    let world = World::at("2026-01-01T00:00:30Z").await;
    assert!(world.set(World::timed("cron(0/20 * * * ? *)", "UTC", "2026-01-01T00:00:30Z")));
    world.work();
    sleep(HOUR_MS).await;
    assert_eq!(world.rung(), ["2026-01-01 00:20:00", "2026-01-01 00:40:00", "2026-01-01 01:00:00"]);
    let late = |(at_ms, delivered_ms): &(i64, i64)| delivered_ms - at_ms;
    assert!(world.rung.lock().iter().all(|rung| (0..MINUTE_MS).contains(&late(rung))), "{:?}", world.rung.lock());
    assert_eq!(world.kept(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_leap_day_and_both_changes_of_the_clocks_are_as_the_calendar_has_them() {
    for (began, zone, expected) in [
        ("2028-02-28T00:00:00Z", "UTC", ["2028-02-28 02:30:00", "2028-02-29 02:30:00", "2028-03-01 02:30:00"]),
        // Nothing on the 29th: 02:30 does not exist.
        (
            "2026-03-28T00:00:00Z",
            "Europe/Berlin",
            ["2026-03-28 01:30:00", "2026-03-30 00:30:00", "2026-03-31 00:30:00"],
        ),
        // Once on the 25th: 02:30 exists twice.
        (
            "2026-10-24T00:00:00Z",
            "Europe/Berlin",
            ["2026-10-24 00:30:00", "2026-10-25 00:30:00", "2026-10-26 01:30:00"],
        ),
    ] {
        let world = World::at(began).await;
        world.set(World::timed("cron(30 2 * * ? *)", zone, began));
        world.work();
        sleep(4 * 24 * HOUR_MS).await;
        assert_eq!(world.rung()[..3], expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_between_occurrences_neither_repeats_nor_loses_one() {
    let began = "2026-01-01T00:00:30Z";
    let mut world = World::at(began).await;
    for _ in 0..6 {
        world.set(World::timed("rate(10 minutes)", "UTC", began));
        world.work();
        sleep(7 * MINUTE_MS).await;
        world = world.killed_for(0).await;
    }
    let minutes: Vec<String> = (1..=4).map(|step| format!("2026-01-01 00:{step}0:30")).collect();
    assert_eq!(world.rung()[..4], minutes);
}

#[tokio::test(start_paused = true)]
async fn of_what_was_missed_the_last_is_made_up_for_once() {
    let began = "2026-01-01T00:00:30Z";
    for expression in ["cron(0/10 * * * ? *)", "rate(10 minutes)"] {
        let mut timed = World::timed(expression, "UTC", began);
        timed.schedule.anchor_ms = ms("2026-01-01T00:10:00Z");
        let world = World::at(began).await;
        world.set(timed.clone());
        world.work();
        sleep(15 * MINUTE_MS).await;
        let world = world.killed_for(3 * HOUR_MS).await;
        world.set(timed);
        world.work();
        sleep(10 * MINUTE_MS).await;
        assert_eq!(world.rung(), ["2026-01-01 00:10:00", "2026-01-01 03:10:00", "2026-01-01 03:20:00"], "{expression}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_too_long_ago_is_let_go() {
    let began = "2026-01-01T00:00:30Z";
    let once = || Timed { age_max: Millis::from_secs(3_600), ..World::timed("at(2026-01-01T00:30:00)", "UTC", began) };
    for (down_ms, made_up) in [(80 * MINUTE_MS, true), (100 * MINUTE_MS, false)] {
        let world = World::at(began).await;
        world.set(once());
        let world = world.killed_for(down_ms).await;
        assert_eq!(world.set(once()), made_up);
        world.work();
        sleep(HOUR_MS).await;
        assert_eq!(world.rung().len(), usize::from(made_up));
    }
}

#[tokio::test(start_paused = true)]
async fn a_kill_between_commit_and_delivery_delivers_once() {
    let began = "2026-01-01T00:00:30Z";
    let world = World::at(began).await;
    world.set(World::timed("cron(0/10 * * * ? *)", "UTC", began));
    // Commits, but delivers nothing.
    tokio::spawn(world.timetable.clone().work(world.bell.clone(), world.stop.clone()));
    sleep(10 * MINUTE_MS).await;
    assert_eq!((world.rung().len(), world.kept(), world.store.count(&scope(), "delivery.due")), (0, 1, 1));
    let world = world.killed_for(0).await;
    world.set(World::timed("cron(0/10 * * * ? *)", "UTC", began));
    world.work();
    sleep(5 * MINUTE_MS).await;
    assert_eq!(world.rung(), ["2026-01-01 00:10:00"]);
}

#[tokio::test(start_paused = true)]
async fn a_kill_before_the_commit_is_made_up_for() {
    let began = "2026-01-01T00:00:30Z";
    let world = World::at(began).await;
    world.set(World::timed("cron(0/10 * * * ? *)", "UTC", began));
    world.store.is_down.store(true, SeqCst);
    world.work();
    sleep(10 * MINUTE_MS).await;
    assert_eq!((world.rung().len(), world.kept()), (0, 0));
    let world = world.killed_for(0).await;
    world.store.is_down.store(false, SeqCst);
    world.set(World::timed("cron(0/10 * * * ? *)", "UTC", began));
    world.work();
    sleep(5 * MINUTE_MS).await;
    assert_eq!(world.rung(), ["2026-01-01 00:10:00"]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_for_long_does_not_make_occurrences_pile_up() {
    let world = World::at("2026-01-01T00:00:30Z").await;
    world.set(World::timed("cron(0/10 * * * ? *)", "UTC", "2026-01-01T00:00:30Z"));
    world.work();
    world.store.is_down.store(true, SeqCst);
    sleep(4 * HOUR_MS).await;
    world.store.is_down.store(false, SeqCst);
    sleep(15 * MINUTE_MS).await;
    // The one it was about, the last that was missed, the next.
    let rung = world.rung();
    assert_eq!(rung, ["2026-01-01 00:10:00", "2026-01-01 04:00:00", "2026-01-01 04:10:00"]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_repeats_nothing() {
    let world = World::at("2026-01-01T00:00:30Z").await;
    world.set(World::timed("cron(0/10 * * * ? *)", "UTC", "2026-01-01T00:00:30Z"));
    world.work();
    sleep(21 * MINUTE_MS).await;
    world.clock.set_by(-HOUR_MS);
    sleep(HOUR_MS).await;
    assert_eq!(world.rung(), ["2026-01-01 00:10:00", "2026-01-01 00:20:00"]);
    // Nor after a restart.
    let world = world.killed_for(0).await;
    world.clock.set_by(-HOUR_MS);
    world.set(World::timed("cron(0/10 * * * ? *)", "UTC", "2026-01-01T00:00:30Z"));
    world.work();
    sleep(HOUR_MS + 10 * MINUTE_MS).await;
    assert_eq!(world.rung()[2..], ["2026-01-01 00:30:00"]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_ahead_makes_up_for_one() {
    let world = World::at("2026-01-01T00:00:30Z").await;
    world.set(World::timed("cron(0/10 * * * ? *)", "UTC", "2026-01-01T00:00:30Z"));
    world.work();
    sleep(11 * MINUTE_MS).await;
    // A machine that sleeps.
    world.clock.set_by(5 * HOUR_MS);
    sleep(10 * MINUTE_MS).await;
    assert_eq!(world.rung(), ["2026-01-01 00:10:00", "2026-01-01 05:10:00", "2026-01-01 05:20:00"]);
}

#[tokio::test(start_paused = true)]
async fn occurrences_are_put_off_within_their_window_and_none_is_lost() {
    let world = World::at("2026-01-01T00:00:30Z").await;
    let timed = World::timed("cron(0/10 * * * ? *)", "UTC", "2026-01-01T00:00:30Z");
    world.set(Timed { window: Millis::from_secs(1_800), ..timed });
    world.work();
    sleep(10 * HOUR_MS + 30 * MINUTE_MS).await;
    let rung = world.rung.lock().clone();
    let at: Vec<i64> = rung.iter().map(|(at_ms, _)| *at_ms).collect();
    let expected: Vec<i64> = (1..=60).map(|step| ms("2026-01-01T00:00:00Z") + step * 10 * MINUTE_MS).collect();
    assert_eq!(at[..60], expected);
    let late: Vec<i64> = rung.iter().map(|(at_ms, delivered_ms)| delivered_ms - at_ms).collect();
    assert!(late.iter().all(|late_ms| (0..31 * MINUTE_MS).contains(late_ms)), "{late:?}");
    assert!(
        late.iter().any(|late_ms| *late_ms > 10 * MINUTE_MS) && late.iter().any(|late_ms| *late_ms < 20 * MINUTE_MS)
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_set_anew_counts_from_then_and_what_is_removed_is_forgotten() {
    let world = World::at("2026-01-01T00:00:30Z").await;
    world.set(World::timed("cron(0/10 * * * ? *)", "UTC", "2026-01-01T00:00:30Z"));
    world.work();
    sleep(15 * MINUTE_MS).await;
    *world.bell.life.lock() = "2".to_owned();
    let timed = World::timed("rate(10 minutes)", "UTC", "2026-01-01T00:15:00Z");
    world.set(Timed { life: "2".to_owned(), ..timed });
    sleep(15 * MINUTE_MS).await;
    let rung = ["2026-01-01 00:10:00", "2026-01-01 00:25:00"];
    assert_eq!(world.rung(), rung);
    world.timetable.remove(&name("s"));
    sleep(HOUR_MS).await;
    assert_eq!((world.rung().len(), world.kept()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn what_a_crash_leaves_of_what_is_gone_goes_at_the_next_start() {
    let world = World::at("2026-01-01T00:00:30Z").await;
    world.set(World::timed("rate(10 minutes)", "UTC", "2026-01-01T00:00:30Z"));
    world.work();
    sleep(15 * MINUTE_MS).await;
    let world = world.killed_for(0).await;
    assert_eq!(world.kept(), 1);
    world.work();
    sleep(MINUTE_MS).await;
    assert_eq!(world.kept(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_of_one_minute_all_come() {
    let world = World::at("2026-01-01T00:00:30Z").await;
    for number in 0..1_000 {
        let timed = World::timed("at(2026-01-01T00:10:00)", "UTC", "2026-01-01T00:00:30Z");
        world.timetable.set(name(&number.to_string()), timed);
    }
    world.work();
    sleep(11 * MINUTE_MS).await;
    assert_eq!((world.rung().len(), world.kept()), (1_000, 1_000));
}
