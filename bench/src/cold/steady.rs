//! Cold starts that are due at fixed times: each request goes to a function whose environment has ended since it was
//! last asked.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use super::{crowd, starts};
use crate::alarm::Alarm;
use crate::null_runtime::{Client, Programs};
use crate::server::Server;
use crate::{BenchError, http};

pub(super) const PER_SECOND: u32 = 20;
/// Asked in turn: each every four seconds, when its environment has been idle for longer than it may be.
pub(super) const FUNCTIONS: u32 = 80;
/// Until a connection stands, which is not measured.
const LEAD: Duration = Duration::from_millis(10);
/// The bare interpreters at the same rate, for a part of the time.
const BARE_SHARE: u32 = 6;

pub(super) struct Steady {
    pub(super) asked_for: Duration,
    /// Sorted, as the others; from when a request was due.
    pub(super) first_answer: Vec<Duration>,
    pub(super) bare_start: Vec<Duration>,
    /// Requests that found an environment after all; not among the others.
    pub(super) warm: u32,
}

pub(super) async fn measure(server: &Server, length: Duration, programs: &Programs) -> Result<Steady, BenchError> {
    let bare_start = bare(programs, length / BARE_SHARE).await?;
    for number in 0..FUNCTIONS {
        crowd::create(server, &name(number)).await?;
    }
    server.rest().await;
    let address = server.address;
    let event = json!({ "hold_ms": 0 }).to_string();
    let mut tasks = JoinSet::new();
    let (mut first_answer, mut warm) = (Vec::new(), 0);
    for (number, due) in dues(length) {
        let event = event.clone();
        tokio::time::sleep_until((due - LEAD).into()).await;
        tasks.spawn(async move {
            let stream = http::connect(address).await?;
            Alarm::new()?.wait_until(due).await?;
            let answer = http::invoke_on(stream, address, &name(number % FUNCTIONS), &event).await?;
            Ok::<_, BenchError>((due.elapsed(), answer))
        });
    }
    while let Some(done) = tasks.join_next().await {
        let (elapsed, answer) = done.map_err(|error| BenchError::Other(error.to_string()))??;
        if answer.json()?[1] == 1 { first_answer.push(elapsed) } else { warm += 1 }
    }
    first_answer.sort_unstable();
    Ok(Steady { asked_for: length, first_answer, bare_start, warm })
}

async fn bare(programs: &Programs, length: Duration) -> Result<Vec<Duration>, BenchError> {
    let mut tasks = JoinSet::new();
    let mut alarm = Alarm::new()?;
    for (_, due) in dues(length) {
        alarm.wait_until(due).await?;
        let mut command = starts::bare(Client::Python, programs)?;
        tasks.spawn(async move {
            command.status().await.map_err(BenchError::io("bare start"))?;
            Ok::<_, BenchError>(due.elapsed())
        });
    }
    let mut elapsed = Vec::new();
    while let Some(done) = tasks.join_next().await {
        elapsed.push(done.map_err(|error| BenchError::Other(error.to_string()))??);
    }
    elapsed.sort_unstable();
    Ok(elapsed)
}

/// Numbers of requests and when they are due.
fn dues(length: Duration) -> impl Iterator<Item = (u32, Instant)> {
    let begin = Instant::now() + LEAD * 2;
    let every = Duration::from_secs(1) / PER_SECOND;
    (0..).map(move |number| (number, begin + every * number)).take_while(move |(_, due)| *due < begin + length)
}

fn name(number: u32) -> String {
    format!("steady-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_at_the_rate_that_was_asked_for() {
        let dues: Vec<_> = dues(Duration::from_secs(3)).collect();
        assert_eq!(dues.len(), 60);
        assert_eq!(dues[20].1 - dues[0].1, Duration::from_secs(1));
    }
}
