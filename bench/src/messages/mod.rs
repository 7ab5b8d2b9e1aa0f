//! Events and messages that must not be lost: how many are accepted each second, how many go through a queue, what a
//! waiting message costs. Beside the disk's own limit.

use std::io::{Seek, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::functions::{self, MEMORY_MB};
use crate::goals::{self, Goal, Verdict};
use crate::null_runtime::Client;
use crate::report::{Measurement, new_table, right};
use crate::server::Server;
use crate::{BenchError, LoadArgs, Outcome, ProgramArgs, RunArgs, http, load, memory};

/// However slow the machine, it ends.
const RUN_MAX: Duration = Duration::from_secs(900);
const FUNCTION: &str = "events";
const EVENT_CONNECTIONS: usize = 256;
const QUEUE_CONNECTIONS: usize = 32;
/// Messages of one request.
const BATCH: usize = 10;
const BODY: &str =
    "a message of a hundred bytes, as services send them to each other: an order, with its number and all";
/// Queues take turns, because machines are faster at times.
const ROUNDS: u32 = 3;
const DISK_WAIT: Duration = Duration::from_secs(2);

#[derive(clap::Args, Clone)]
pub(crate) struct MessagesArgs {
    /// Seconds of each measurement of events, and of each of the rounds in which the queues take turns.
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    phase: u64,
    /// Messages that wait in the queue beside those measured: a server with such a queue for each number.
    #[arg(long, default_value = "10,1000000", value_delimiter = ',', value_name = "MESSAGES")]
    waiting: Vec<usize>,
}

/// Prints what was measured; gives every figure as a line of JSON.
pub(crate) async fn run(program: &ProgramArgs, args: &MessagesArgs) -> Result<Outcome, BenchError> {
    let measured = tokio::time::timeout(RUN_MAX, measure(program, args));
    let outcome = measured.await.map_err(|_| BenchError::Other(format!("not done after {RUN_MAX:?}: given up")))?;
    eprint!("\r{:60}\r", "");
    outcome
}

/// One row of the table.
struct Row {
    what: String,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// Flushes of the disk a second while it was measured.
    flushes: Option<f64>,
}

async fn measure(program: &ProgramArgs, args: &MessagesArgs) -> Result<Outcome, BenchError> {
    progress("the disk");
    let mut rows = vec![disk()?];
    let mut verdicts = Vec::new();

    for busy in [Busy::Long, Busy::Short] {
        progress(&format!("events for {}", busy.what()));
        let server = Server::start(&program.hearth()?)?;
        let events = events(server.address, busy, args.phase).await?;
        let what = format!("events accepted for {}", busy.what());
        verdicts.push(verdict(&what, events.per_second, "/s", Goal::AtLeast(20_000.0)));
        rows.push(events);
        server.stop()?;
    }

    let mut queues = Vec::new();
    let mut numbers = args.waiting.clone();
    numbers.sort_unstable();
    for waiting in numbers {
        progress(&format!("{waiting} messages that wait"));
        queues.push(Waiting::make(program, waiting).await?);
    }
    for round in 1..=ROUNDS {
        for queue in &mut queues {
            progress(&format!("a queue with {} messages that wait, {round} of {ROUNDS}", queue.waiting));
            queue.cycles(args.phase).await?;
        }
    }
    let (mut rates, mut each_bytes) = (Vec::new(), 0.0);
    for queue in queues {
        let (row, bytes) = queue.end().await?;
        rates.push(row.per_second);
        rows.push(row);
        // In the end of the queue in which most wait.
        each_bytes = bytes;
    }
    if let Some(first) = rates.first() {
        verdicts.push(verdict("messages sent, received and deleted", *first, "/s", Goal::AtLeast(20_000.0)));
    }
    if let [first, .., last] = rates[..] {
        verdicts.push(verdict(
            "the same with most waiting, of that rate",
            last / first * 100.0,
            "%",
            Goal::AtLeast(90.0),
        ));
        verdicts.push(verdict("memory of a waiting message", each_bytes, "bytes", Goal::AtMost(300.0)));
    }
    Ok(print(&rows, &verdicts))
}

fn verdict(what: &str, measured: f64, unit: &'static str, goal: Goal) -> Verdict {
    Verdict { what: what.to_owned(), measured, unit, goal }
}

/// What the disk can do at all: 4 KiB written and synced, one after the other, where the servers keep their data.
fn disk() -> Result<Row, BenchError> {
    let failed = || BenchError::io("the disk");
    let mut file = tempfile_in_data().map_err(failed())?;
    let (mut latencies, began, flushes) = (Vec::new(), Instant::now(), flushes());
    while began.elapsed() < DISK_WAIT {
        let from = Instant::now();
        file.rewind().and_then(|()| file.write_all(&[7; 4_096])).and_then(|()| file.sync_data()).map_err(failed())?;
        latencies.push(from.elapsed());
    }
    Ok(row("the disk: 4 KiB written and synced", latencies, 1, began.elapsed(), flushes))
}

fn tempfile_in_data() -> std::io::Result<std::fs::File> {
    let path = std::env::temp_dir().join(format!("hearth-bench-disk-{}", std::process::id()));
    let file = std::fs::File::create_new(&path)?;
    std::fs::remove_file(path)?;
    Ok(file)
}

/// What the events' function does: whoever accepts events shares the machine with it.
#[derive(Clone, Copy)]
enum Busy {
    /// Waits: next to nothing is spent on its events, and most of them are throttled.
    Long,
    /// Answers at once: as many events are worked off as the machine can beside accepting them.
    Short,
}

const LONG_PYTHON: &str = "import time\n\n\ndef handler(event, context):\n    time.sleep(2)\n";

impl Busy {
    const fn what(self) -> &'static str {
        match self {
            Self::Long => "a function of two seconds",
            Self::Short => "a function that answers at once",
        }
    }

    async fn create(self, address: SocketAddr) -> Result<(), BenchError> {
        let (client, package) = match self {
            Self::Long => (Client::Python, functions::package("app.py", LONG_PYTHON.as_bytes())?),
            Self::Short => {
                let (name, text) = Client::Stock.echo()?;
                (Client::Stock, functions::package(name, &text)?)
            }
        };
        functions::create(address, FUNCTION, client.runtime(), MEMORY_MB, &package).await
    }
}

async fn events(address: SocketAddr, busy: Busy, seconds: u64) -> Result<Row, BenchError> {
    functions::create_role(address).await?;
    busy.create(address).await?;
    http::invoke(address, FUNCTION, "{}").await?;
    let run = RunArgs { seconds, warm_up_ms: Some(1_000), one_core: false, core: 0, payload_bytes: 100 };
    let args = LoadArgs { run, connections: vec![EVENT_CONNECTIONS], rate: None };
    let payload = args.run.payload();
    let request = format!(
        "POST /2015-03-31/functions/{FUNCTION}/invocations HTTP/1.1\r\nHost: {address}\r\n\
         X-Amz-Invocation-Type: Event\r\nContent-Length: {}\r\n\r\n{payload}",
        payload.len()
    );
    let before = flushes();
    let measured = load::run("events", &args, address, || request.clone().into_bytes()).await?;
    let latencies = measured.into_iter().flat_map(|one| one.latencies).collect();
    let what = format!("Event accepted, over {EVENT_CONNECTIONS}, for {}", busy.what());
    let mut row = row(&what, latencies, 1, Duration::from_secs(seconds), None);
    row.flushes = before.and_then(|before| per_second(before, Duration::from_secs(seconds + 1)));
    Ok(row)
}

struct Queue {
    address: SocketAddr,
    url: String,
}

impl Queue {
    async fn create(address: SocketAddr) -> Result<Self, BenchError> {
        let input = json!({ "QueueName": "bench", "Attributes": { "VisibilityTimeout": "600" } });
        let made = Client10::connect(address).await?.call("CreateQueue", &input).await?;
        let url = made["QueueUrl"].as_str().ok_or_else(|| BenchError::Other(format!("no queue: {made}")))?;
        Ok(Self { address, url: url.to_owned() })
    }

    fn batch(&self) -> Value {
        let entries: Vec<_> =
            (0..BATCH).map(|number| json!({ "Id": number.to_string(), "MessageBody": BODY })).collect();
        json!({ "QueueUrl": self.url, "Entries": entries })
    }

    /// Adds messages that nobody takes during the measurement: they come behind those of it, which are taken as fast as
    /// they come.
    async fn fill(&self, messages: usize) -> Result<(), BenchError> {
        let mut tasks = JoinSet::new();
        for _ in 0..QUEUE_CONNECTIONS {
            let (batch, address) = (self.batch(), self.address);
            let batches = messages / BATCH / QUEUE_CONNECTIONS + 1;
            tasks.spawn(async move {
                let mut client = Client10::connect(address).await?;
                for _ in 0..batches {
                    client.call("SendMessageBatch", &batch).await?;
                }
                Ok::<_, BenchError>(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.map_err(|error| BenchError::Other(error.to_string()))??;
        }
        Ok(())
    }

    /// Sends, receives and deletes batches on each connection, again and again. Gives the latencies and how many messages
    /// went through.
    async fn cycles(&self, seconds: u64) -> Result<(Vec<Duration>, usize), BenchError> {
        let end = Instant::now() + Duration::from_secs(seconds);
        let mut tasks = JoinSet::new();
        for _ in 0..QUEUE_CONNECTIONS {
            let (batch, address, url) = (self.batch(), self.address, self.url.clone());
            tasks.spawn(async move {
                let mut client = Client10::connect(address).await?;
                let (mut latencies, mut moved) = (Vec::new(), 0);
                while Instant::now() < end {
                    let from = Instant::now();
                    client.call("SendMessageBatch", &batch).await?;
                    let input = json!({ "QueueUrl": url, "MaxNumberOfMessages": BATCH });
                    let received = client.call("ReceiveMessage", &input).await?;
                    let messages = received["Messages"].as_array().cloned().unwrap_or_default();
                    let entries: Vec<_> = messages
                        .iter()
                        .enumerate()
                        .map(|(at, message)| json!({ "Id": at.to_string(), "ReceiptHandle": message["ReceiptHandle"] }))
                        .collect();
                    if !entries.is_empty() {
                        client.call("DeleteMessageBatch", &json!({ "QueueUrl": url, "Entries": entries })).await?;
                    }
                    moved += entries.len();
                    latencies.push(from.elapsed());
                }
                Ok::<_, BenchError>((latencies, moved))
            });
        }
        let (mut latencies, mut moved) = (Vec::new(), 0);
        while let Some(done) = tasks.join_next().await {
            let (more, count) = done.map_err(|error| BenchError::Other(error.to_string()))??;
            latencies.extend(more);
            moved += count;
        }
        Ok((latencies, moved))
    }
}

/// A server of its own, in whose queue so many messages wait, and what was measured with it.
struct Waiting {
    waiting: usize,
    server: Server,
    queue: Queue,
    before_mib: f64,
    latencies: Vec<Duration>,
    moved: usize,
    elapsed: Duration,
    flushes: u64,
}

impl Waiting {
    async fn make(program: &ProgramArgs, waiting: usize) -> Result<Self, BenchError> {
        let server = Server::start(&program.hearth()?)?;
        let queue = Queue::create(server.address).await?;
        server.rest().await;
        let before_mib = memory::resident_mib(server.pid())?;
        queue.fill(waiting).await?;
        let (latencies, moved, elapsed, flushes) = (Vec::new(), 0, Duration::ZERO, 0);
        Ok(Self { waiting, server, queue, before_mib, latencies, moved, elapsed, flushes })
    }

    async fn cycles(&mut self, seconds: u64) -> Result<(), BenchError> {
        let (began, before) = (Instant::now(), flushes());
        let (latencies, moved) = self.queue.cycles(seconds).await?;
        self.elapsed += began.elapsed();
        self.latencies.extend(latencies);
        self.moved += moved;
        if let (Some((before, _)), Some((after, _))) = (before, flushes()) {
            self.flushes += after.saturating_sub(before);
        }
        Ok(())
    }

    /// Gives its row, and how many bytes of the server's memory each waiting message takes.
    #[expect(clippy::cast_precision_loss, reason = "counts of messages and flushes")]
    async fn end(self) -> Result<(Row, f64), BenchError> {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let more_mib = memory::resident_mib(self.server.pid())? - self.before_mib;
        self.server.stop()?;
        let seconds = self.elapsed.as_secs_f64();
        let what = format!("send, receive, delete by {BATCH}, over {QUEUE_CONNECTIONS}; {} wait", self.waiting);
        let mut row = row(&what, self.latencies, 1, self.elapsed, None);
        row.per_second = self.moved as f64 / seconds;
        row.flushes = (self.flushes > 0).then_some(self.flushes as f64 / seconds);
        Ok((row, more_mib * 1_048_576.0 / self.waiting.max(1) as f64))
    }
}

/// A connection that speaks to SQS, as boto3 does, without signatures.
struct Client10 {
    stream: TcpStream,
    address: SocketAddr,
    buffer: Vec<u8>,
}

impl Client10 {
    async fn connect(address: SocketAddr) -> Result<Self, BenchError> {
        Ok(Self { stream: http::connect(address).await?, address, buffer: Vec::with_capacity(1 << 16) })
    }

    async fn call(&mut self, operation: &str, input: &Value) -> Result<Value, BenchError> {
        let (body, address) = (input.to_string(), self.address);
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {address}\r\nX-Amz-Target: AmazonSQS.{operation}\r\n\
             Content-Type: application/x-amz-json-1.0\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await.map_err(BenchError::io("sending"))?;
        let length = loop {
            if self.stream.read_buf(&mut self.buffer).await.map_err(BenchError::io("receiving"))? == 0 {
                return Err(BenchError::Other("the server closed the connection".to_owned()));
            }
            if let Some(length) = load::answer_length(&self.buffer)?
                && self.buffer.len() >= length
            {
                break length;
            }
        };
        let head = self.buffer.windows(4).position(|four| four == b"\r\n\r\n").map_or(length, |at| at + 4);
        let answer = serde_json::from_slice(&self.buffer[head..length]).unwrap_or(Value::Null);
        self.buffer.drain(..length);
        Ok(answer)
    }
}

/// Flushes that the disk of temporary files has done so far. Source: Linux, Documentation/block/stat.rst.
fn flushes() -> Option<(u64, Instant)> {
    let device = rustix::fs::stat(std::env::temp_dir()).ok()?.st_dev;
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let text = std::fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat")).ok()?;
    Some((text.split_whitespace().nth(15)?.parse().ok()?, Instant::now()))
}

#[expect(clippy::cast_precision_loss, reason = "a count of flushes")]
fn per_second((before, _): (u64, Instant), elapsed: Duration) -> Option<f64> {
    Some(flushes()?.0.saturating_sub(before) as f64 / elapsed.as_secs_f64())
}

fn row(
    what: &str,
    mut latencies: Vec<Duration>,
    each: usize,
    elapsed: Duration,
    before: Option<(u64, Instant)>,
) -> Row {
    latencies.sort_unstable();
    let at = |share| Measurement::percentile_us(&latencies, share) / 1e3;
    #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
    let rate = (latencies.len() * each) as f64 / elapsed.as_secs_f64();
    let flushes = before.and_then(|before| per_second(before, elapsed));
    Row { what: what.to_owned(), per_second: rate, p50_ms: at(0.5), p99_ms: at(0.99), flushes }
}

fn print(rows: &[Row], verdicts: &[Verdict]) -> Outcome {
    let mut table = new_table(&["", "per second", "p50, ms", "p99, ms", "flushes/s"]);
    for Row { what, per_second, p50_ms, p99_ms, flushes } in rows {
        let flushes = flushes.map_or_else(|| "-".to_owned(), |flushes| format!("{flushes:.0}"));
        let numbers = [format!("{per_second:.0}"), format!("{p50_ms:.2}"), format!("{p99_ms:.2}"), flushes];
        table.add_row([comfy_table::Cell::new(what)].into_iter().chain(numbers.map(right)));
    }
    println!("{table}\n\n{}", goals::table(verdicts));
    let lines = rows.iter().map(|Row { what, per_second, p50_ms, p99_ms, flushes }| {
        json!({
            "bench": "messages", "what": what, "per_second": per_second, "p50_ms": p50_ms, "p99_ms": p99_ms,
            "flushes_per_second": flushes,
        })
    });
    let lines = lines.chain(verdicts.iter().map(Verdict::json));
    Outcome { json_lines: lines.map(|line| format!("{line}\n")).collect(), has_failed: false }
}

fn progress(what: &str) {
    eprint!("\r{:60}\r{what} … ", "");
}
