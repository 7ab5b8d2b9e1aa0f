//! The load client: bare sockets, one request at a time on each connection.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::alarm::Alarm;
use crate::report::Measurement;
use crate::{BenchError, LoadArgs};

/// Makes the bytes of one whole request. Not timed.
pub(crate) trait Requests: Send + 'static {
    fn next(&mut self) -> Vec<u8>;
}

/// The same bytes every time.
impl Requests for Vec<u8> {
    fn next(&mut self) -> Vec<u8> {
        self.clone()
    }
}

/// Runs the load that `args` ask for, with each number of connections.
pub(crate) async fn run<R: Requests>(
    what: &str,
    args: &LoadArgs,
    address: SocketAddr,
    mut requests: impl FnMut() -> R,
) -> Result<Vec<Measurement>, BenchError> {
    let mut measurements = Vec::new();
    for &connections in &args.connections {
        let start = Instant::now() + args.run.warm_up();
        let end = start + args.run.duration();
        let mut tasks = JoinSet::new();
        for n in 0..connections {
            let stream =
                TcpStream::connect(address).await.map_err(BenchError::io(format!("cannot connect to {address}")))?;
            let pace = args.rate.map(|rate| Pace::new(rate, connections, n)).transpose()?;
            tasks.spawn(connection(stream, requests(), pace, start, end));
        }
        let mut latencies = Vec::new();
        while let Some(done) = tasks.join_next().await {
            latencies.append(&mut done.map_err(|error| BenchError::Other(error.to_string()))??);
        }
        measurements.push(Measurement {
            what: what.to_owned(),
            cores: args.run.cores(),
            connections,
            asked_rate: args.rate,
            elapsed: args.run.duration(),
            latencies,
        });
    }
    Ok(measurements)
}

/// When the requests of one connection are due.
struct Pace {
    due: Instant,
    every: Duration,
    alarm: Alarm,
}

impl Pace {
    #[expect(clippy::cast_precision_loss, reason = "a small count")]
    fn new(rate: f64, connections: usize, n: usize) -> Result<Self, BenchError> {
        let every = Duration::from_secs_f64(connections as f64 / rate);
        let due = Instant::now() + every.mul_f64(n as f64 / connections as f64);
        Ok(Self { due, every, alarm: Alarm::new()? })
    }

    /// Waits until the next request is due, and gives when that was.
    async fn next(&mut self) -> Result<Instant, BenchError> {
        let due = self.due;
        self.due += self.every;
        self.alarm.wait_until(due).await?;
        Ok(due)
    }
}

/// Drives one connection; gives the latency of every request that was due between `start` and `end`.
async fn connection<R: Requests>(
    mut stream: TcpStream,
    mut requests: R,
    mut pace: Option<Pace>,
    start: Instant,
    end: Instant,
) -> Result<Vec<Duration>, BenchError> {
    stream.set_nodelay(true).map_err(BenchError::io("TCP_NODELAY"))?;
    let mut latencies = Vec::with_capacity(1 << 18);
    let mut buffer = Vec::with_capacity(1 << 16);
    loop {
        let request = requests.next();
        let from = match &mut pace {
            Some(pace) => pace.next().await?,
            None => Instant::now(),
        };
        if from >= end {
            return Ok(latencies);
        }
        stream.write_all(&request).await.map_err(BenchError::io("sending"))?;
        let length = loop {
            if stream.read_buf(&mut buffer).await.map_err(BenchError::io("receiving"))? == 0 {
                return Err(BenchError::Other("the server closed the connection".to_owned()));
            }
            if let Some(length) = answer_length(&buffer)?
                && buffer.len() >= length
            {
                break length;
            }
        };
        if from >= start {
            latencies.push(from.elapsed());
        }
        buffer.drain(..length);
    }
}

/// How long the answer in `bytes` is once it is whole; an error if it is not a good one.
pub(crate) fn answer_length(bytes: &[u8]) -> Result<Option<usize>, BenchError> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut headers);
    let head = match answer.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(BenchError::Other(format!("the answer is not HTTP: {error}"))),
    };
    let text = |name: &str| {
        let found = answer.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| String::from_utf8_lossy(header.value).into_owned())
    };
    if !matches!(answer.code, Some(200 | 202)) || text("x-amz-function-error").is_some() {
        return Err(BenchError::Other(format!("the request failed: {}", String::from_utf8_lossy(bytes))));
    }
    let length: Option<usize> = text("content-length").and_then(|text| text.parse().ok());
    length
        .map(|length| Some(head + length))
        .ok_or_else(|| BenchError::Other("the answer has no Content-Length".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
        assert_eq!(answer_length(&answer[..20]).expect("partial"), None);
        assert_eq!(answer_length(answer).expect("whole"), Some(answer.len()));
    }

    #[test]
    fn a_failed_function_is_not_a_fast_answer() {
        assert!(answer_length(b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n").is_err());
        assert!(
            answer_length(b"HTTP/1.1 200 OK\r\nX-Amz-Function-Error: Unhandled\r\nContent-Length: 0\r\n\r\n").is_err()
        );
    }
}
