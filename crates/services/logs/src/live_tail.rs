//! Live Tail sessions: each second, what has arrived in the groups since the last look.
//!
//! ```text
//! sessionStart ─▶ sessionUpdate (each second, maybe empty) ─▶ … ─▶ SessionTimeoutException, or the client has gone
//! ```
//! Source: CloudWatch Logs API reference, StartLiveTail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hearth_wire::EventSender;
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::pattern::Pattern;
use crate::reader::Arrivals;
use crate::{Logs, LogsError};

/// Sessions at the same time. Source: "CloudWatch Logs quotas".
const SESSIONS_MAX: usize = 15;
const SESSION_MAX: Duration = Duration::from_secs(3 * 60 * 60);
const UPDATE_INTERVAL: Duration = Duration::from_secs(1);
/// Events of one update; of more, evenly chosen ones are sent.
const UPDATE_EVENTS_MAX: usize = 500;
/// Events that one look reads of a group at once.
const READ_EVENTS_MAX: usize = 10_000;
/// Events that one look chooses from; what is beyond waits for the next look.
const LOOK_EVENTS_MAX: usize = 50_000;

/// A group that is listened to.
pub(crate) struct Followed {
    pub(crate) group: u64,
    /// `ACCOUNT:NAME`, as events name it.
    pub(crate) identifier: String,
}

/// The first event: what was asked for.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionStart {
    pub(crate) request_id: String,
    pub(crate) session_id: String,
    pub(crate) log_group_identifiers: Vec<String>,
    pub(crate) log_stream_names: Vec<String>,
    pub(crate) log_stream_name_prefixes: Vec<String>,
    pub(crate) log_event_filter_pattern: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionUpdate {
    session_metadata: SessionMetadata,
    session_results: Vec<LiveEvent>,
}

#[derive(Serialize)]
struct SessionMetadata {
    sampled: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LiveEvent {
    log_stream_name: String,
    log_group_identifier: String,
    message: String,
    timestamp: i64,
    ingestion_time: i64,
}

#[derive(Serialize)]
struct Ended {
    message: &'static str,
}

/// One of the places; it is free again when this is dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(taken: &Arc<AtomicUsize>) -> Option<Self> {
        let place = Self(taken.clone());
        // Counted first: the drop of a place too many takes it back.
        (taken.fetch_add(1, Ordering::AcqRel) < SESSIONS_MAX).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

pub(crate) struct Session {
    logs: Arc<Logs>,
    /// Each with the sequence it has been read up to.
    followed: Vec<(Followed, u64)>,
    start: SessionStart,
    pattern: Arc<Pattern>,
    _place: Place,
}

impl Session {
    /// A session that hears what arrives from now on.
    ///
    /// # Errors
    /// [`LogsError::LimitExceeded`].
    pub(crate) fn open(
        logs: Arc<Logs>,
        followed: Vec<Followed>,
        start: SessionStart,
        pattern: Pattern,
    ) -> Result<Self, LogsError> {
        let place = Place::take(&logs.live_tails).ok_or(LogsError::LimitExceeded)?;
        let now = logs.queue.newest_sequence();
        let followed = followed.into_iter().map(|followed| (followed, now)).collect();
        Ok(Self { logs, followed, start, pattern: Arc::new(pattern), _place: place })
    }

    /// Sends events until the client has gone or the time is over.
    pub(crate) async fn run(mut self, sender: EventSender) {
        if sender.send("sessionStart", &self.start).await.is_err() {
            return;
        }
        let mut ending = self.logs.ending.subscribe();
        let end = Instant::now() + SESSION_MAX;
        let mut ticks = interval_at(Instant::now() + UPDATE_INTERVAL, UPDATE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = sender.closed() => return,
                _ = ending.wait_for(|is_ending| *is_ending) => return,
                _ = ticks.tick() => {}
            }
            if Instant::now() >= end {
                let ended = Ended { message: "The Live Tail session has been open for three hours." };
                let _ = sender.fail("SessionTimeoutException", &ended).await;
                return;
            }
            let update = self.look().await;
            if sender.send("sessionUpdate", &update).await.is_err() {
                return;
            }
        }
    }

    async fn look(&mut self) -> SessionUpdate {
        let mut sample = Sample::default();
        let now_ms = self.logs.clock.now_ms();
        for (followed, after_sequence) in &mut self.followed {
            while sample.seen < LOOK_EVENTS_MAX {
                let group = followed.group;
                let arrivals = Arrivals { group, after_sequence: *after_sequence, limit: READ_EVENTS_MAX, now_ms };
                let arrivals = self.logs.arrivals(arrivals).await;
                let Some(last) = arrivals.last() else { break };
                *after_sequence = last.event.sequence;
                for arrival in arrivals {
                    let message = String::from_utf8_lossy(&arrival.event.message);
                    if wants_stream(&self.start, &arrival.event.stream) && self.pattern.matches(&message) {
                        sample.add(|| LiveEvent {
                            log_stream_name: arrival.event.stream,
                            log_group_identifier: followed.identifier.clone(),
                            message: message.clone().into_owned(),
                            timestamp: arrival.event.timestamp_ms,
                            ingestion_time: arrival.ingested_ms,
                        });
                    }
                }
            }
        }
        let sampled = sample.seen > sample.events.len();
        SessionUpdate { session_metadata: SessionMetadata { sampled }, session_results: sample.events }
    }
}

fn wants_stream(start: &SessionStart, stream: &str) -> bool {
    let SessionStart { log_stream_names: names, log_stream_name_prefixes: prefixes, .. } = start;
    let is_named = names.is_empty() || names.iter().any(|name| name == stream);
    is_named && (prefixes.is_empty() || prefixes.iter().any(|prefix| stream.starts_with(prefix)))
}

/// At most so many events as an update takes, chosen evenly: when it is full, every other one goes and only every other
/// one is taken from then on.
#[derive(Default)]
struct Sample {
    events: Vec<LiveEvent>,
    seen: usize,
    /// Of `1 << thinned` events one is taken.
    thinned: u32,
}

impl Sample {
    fn add(&mut self, event: impl FnOnce() -> LiveEvent) {
        let number = self.seen;
        self.seen += 1;
        if number & ((1 << self.thinned) - 1) != 0 {
            return;
        }
        if self.events.len() >= UPDATE_EVENTS_MAX {
            let mut keep = false;
            self.events.retain(|_| {
                keep = !keep;
                keep
            });
            self.thinned += 1;
            if number & ((1 << self.thinned) - 1) != 0 {
                return;
            }
        }
        self.events.push(event());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: usize) -> LiveEvent {
        LiveEvent {
            log_stream_name: String::new(),
            log_group_identifier: String::new(),
            message: number.to_string(),
            timestamp: 0,
            ingestion_time: 0,
        }
    }

    #[test]
    fn a_sample_is_whole_up_to_its_limit_and_even_beyond() {
        for (count, kept) in [(0, 0), (500, 500), (501, 251), (1_000, 500), (2_000, 500), (10_000, 313)] {
            let mut sample = Sample::default();
            (0..count).for_each(|number| sample.add(|| event(number)));
            assert_eq!((sample.events.len(), sample.seen), (kept, count));
            let numbers: Vec<usize> =
                sample.events.iter().map(|event| event.message.parse().expect("a number")).collect();
            let steps: Vec<usize> = numbers.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert!(steps.windows(2).all(|pair| pair[0] == pair[1]), "{count}: {steps:?}");
        }
    }

    #[test]
    fn a_place_is_free_again_when_its_session_ends() {
        let taken = Arc::new(AtomicUsize::new(0));
        let places: Vec<Place> = std::iter::from_fn(|| Place::take(&taken)).collect();
        assert_eq!(places.len(), SESSIONS_MAX);
        drop(places);
        assert!(Place::take(&taken).is_some());
    }
}
