//! Many first invocations of one function at once. Each holds its environment for a while, so that none serves twice;
//! the while is taken off again.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use super::starts;
use crate::null_runtime::{Client, Programs};
use crate::server::Server;
use crate::{BenchError, functions, http};

/// Longer than it takes until all of two hundred have their environment, pool or not.
pub(super) const HOLD: Duration = Duration::from_secs(6);
/// So that a machine of 24 GB has room for a crowd of two hundred, as it comes.
const MEMORY_MB: u32 = 128;

/// Says which environment it is, and how often it has been asked.
pub(super) const TELLING_PYTHON: &str = "import os, time\nMINE = os.urandom(8).hex()\nserved = 0\n\n\n\
    def handler(event, context):\n    global served\n    served += 1\n    time.sleep(event['hold_ms'] / 1000)\n    \
    return [MINE, served]\n";

pub(super) struct Crowd {
    pub(super) asked: u32,
    pub(super) environments: u32,
    /// Until the last answer, without the time that each was held.
    pub(super) last_answer: Duration,
    pub(super) median_answer: Duration,
}

pub(super) async fn create(server: &Server, name: &str) -> Result<(), BenchError> {
    let package = functions::package("app.py", TELLING_PYTHON.as_bytes())?;
    functions::create(server.address, name, Client::Python.runtime(), MEMORY_MB, &package).await
}

pub(super) async fn measure(server: &Server, function: &str, count: u32, hold: Duration) -> Result<Crowd, BenchError> {
    let address = server.address;
    let mut streams = Vec::new();
    for _ in 0..count {
        streams.push(http::connect(address).await?);
    }
    let event = json!({ "hold_ms": u64::try_from(hold.as_millis()).unwrap_or(u64::MAX) }).to_string();
    let mut tasks = JoinSet::new();
    let from = Instant::now();
    for stream in streams {
        let (function, event) = (function.to_owned(), event.clone());
        tasks.spawn(async move {
            let answer = http::invoke_on(stream, address, &function, &event).await?;
            Ok::<_, BenchError>((from.elapsed(), answer))
        });
    }
    let (mut latencies, mut environments) = (Vec::new(), HashSet::new());
    while let Some(done) = tasks.join_next().await {
        let (elapsed, answer) = done.map_err(|error| BenchError::Other(error.to_string()))??;
        latencies.push(elapsed.saturating_sub(hold));
        environments.insert(answer.json()?[0].to_string());
    }
    latencies.sort_unstable();
    let at = |index: usize| latencies.get(index).copied().unwrap_or_default();
    Ok(Crowd {
        asked: count,
        environments: u32::try_from(environments.len()).unwrap_or(u32::MAX),
        last_answer: at(latencies.len().saturating_sub(1)),
        median_answer: at(latencies.len() / 2),
    })
}

/// As many bare interpreters at once: until the last has ended.
pub(super) async fn bare(programs: &Programs, count: u32) -> Result<Duration, BenchError> {
    let from = Instant::now();
    let mut children = Vec::new();
    for _ in 0..count {
        children.push(starts::bare(Client::Python, programs)?.spawn().map_err(BenchError::io("bare start"))?);
    }
    for mut child in children {
        child.wait().await.map_err(BenchError::io("bare start"))?;
    }
    Ok(from.elapsed())
}
