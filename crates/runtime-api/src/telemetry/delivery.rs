//! Brings one subscriber's batches to its port inside the environment. One task per subscriber.
//!
//! A batch is tried a few times and then counted as dropped. Time in which the environment is frozen does not count:
//! a frozen process cannot answer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::http::body::{Decoder, Step};
use crate::http::{head, response};
use crate::limits::{
    DELIVERY_ATTEMPTS_MAX, DELIVERY_BACKOFF, DELIVERY_REPLY_BYTES_MAX, DELIVERY_WAIT, SMALL_HEAD_BYTES_MAX,
};
use crate::telemetry::Outlets;
use crate::telemetry::subscriber::Subscriber;
use crate::telemetry::subscription::Destination;

/// Delivers until the task is ended.
pub(super) async fn run(subscriber: Arc<Subscriber>, outlets: Arc<Outlets>) {
    let mut line = Line { open: None };
    let mut frozen = outlets.frozen.subscribe();
    loop {
        let (batch, destination) = subscriber.next_batch(&outlets).await;
        let delivered = deliver(&mut line, &outlets, &mut frozen, &destination, &batch).await;
        subscriber.finished(delivered);
    }
}

async fn deliver(
    line: &mut Line,
    outlets: &Outlets,
    frozen: &mut watch::Receiver<bool>,
    destination: &Destination,
    batch: &[Bytes],
) -> bool {
    let message = match destination {
        Destination::Http { port, path, method } => post(method, path, *port, batch),
        Destination::Tcp { .. } => lines(batch),
    };
    let mut backoff = DELIVERY_BACKOFF;
    for attempt in 1..=DELIVERY_ATTEMPTS_MAX {
        thawed(frozen).await;
        let result = patient(frozen, DELIVERY_WAIT, line.send(outlets, destination, &message)).await;
        match result {
            Some(Ok(())) => return true,
            Some(Err(error)) => tracing::debug!(%error, attempt, "telemetry: delivery failed"),
            None => tracing::debug!(attempt, "telemetry: delivery took too long"),
        }
        line.open = None;
        if attempt < DELIVERY_ATTEMPTS_MAX {
            tokio::time::sleep(backoff).await;
            backoff *= 2;
        }
    }
    false
}

/// Resolves while the environment runs.
async fn thawed(frozen: &mut watch::Receiver<bool>) {
    if frozen.wait_for(|frozen| !*frozen).await.is_err() {
        // The environment has ended, and this task will be.
        std::future::pending::<()>().await;
    }
}

/// `work`, unless it takes longer than `wait` without a break. A break begins the wait again.
async fn patient<T>(frozen: &mut watch::Receiver<bool>, wait: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::pin!(work);
    loop {
        frozen.mark_unchanged();
        tokio::select! {
            biased;
            done = &mut work => return Some(done),
            () = tokio::time::sleep(wait) => {
                let broken = frozen.has_changed().unwrap_or(true) || *frozen.borrow();
                if !broken {
                    return None;
                }
                tokio::select! {
                    biased;
                    done = &mut work => return Some(done),
                    () = thawed(frozen) => {}
                }
            }
        }
    }
}

/// The request that carries a batch: a JSON array of events.
fn post(method: &str, path: &str, port: u16, batch: &[Bytes]) -> Vec<u8> {
    let length = batch.iter().map(|event| event.len() + 1).sum::<usize>() + 1;
    let mut message = format!(
        "{method} {path} HTTP/1.1\r\nHost: sandbox.localdomain:{port}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n"
    )
    .into_bytes();
    message.reserve_exact(length);
    for (n, event) in batch.iter().enumerate() {
        message.push(if n == 0 { b'[' } else { b',' });
        message.extend_from_slice(event);
    }
    message.push(b']');
    message
}

/// Newline-delimited JSON.
fn lines(batch: &[Bytes]) -> Vec<u8> {
    let mut message = Vec::with_capacity(batch.iter().map(|event| event.len() + 1).sum());
    for event in batch {
        message.extend_from_slice(event);
        message.push(b'\n');
    }
    message
}

/// The connection to a subscriber, kept from batch to batch.
struct Line {
    open: Option<(u16, TcpStream)>,
}

impl Line {
    async fn send(&mut self, outlets: &Outlets, destination: &Destination, message: &[u8]) -> io::Result<()> {
        let port = destination.port();
        if let Some((to, stream)) = self.open.take()
            && to == port
            // A subscriber may close a connection that was idle; the batch then goes over a new one.
            && let Ok(stream) = exchange(stream, destination, message).await
        {
            self.open = stream.map(|stream| (port, stream));
            return Ok(());
        }
        let stream = outlets.dialer.connect(port).await?;
        let _ = stream.set_nodelay(true);
        self.open = exchange(stream, destination, message).await?.map(|stream| (port, stream));
        Ok(())
    }
}

/// Sends a message and waits until it is acknowledged, which over TCP only means sent. Gives the connection back when it
/// can be used again.
async fn exchange(mut stream: TcpStream, destination: &Destination, message: &[u8]) -> io::Result<Option<TcpStream>> {
    stream.write_all(message).await?;
    match destination {
        Destination::Tcp { .. } => Ok(Some(stream)),
        Destination::Http { .. } => {
            let reusable = acknowledged(&mut stream).await?;
            Ok(reusable.then_some(stream))
        }
    }
}

/// Reads a reply. Whether the connection can be used again.
async fn acknowledged(stream: &mut TcpStream) -> io::Result<bool> {
    let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    let mut buffer = BytesMut::new();
    let head = loop {
        if let Some(end) = head::end(&buffer, 0) {
            let head = response::parse(&buffer.split_to(end)).map_err(|why| invalid(&why.to_string()))?;
            if !head.is_interim() {
                break head;
            }
        } else if buffer.len() > DELIVERY_REPLY_BYTES_MAX {
            return Err(invalid("the reply's head is too large"));
        } else if stream.read_buf(&mut buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    if !head.is_success() {
        return Err(invalid(&format!("the subscriber answered {}", head.status)));
    }
    let Some(framing) = head.framing.filter(|_| head.reusable) else { return Ok(false) };
    let mut decoder = Decoder::new(framing, SMALL_HEAD_BYTES_MAX);
    let mut size = 0;
    loop {
        match decoder.step(&mut buffer) {
            Ok(Step::End(_)) => return Ok(buffer.is_empty()),
            Ok(Step::Data(data)) => size += data.len(),
            // The batch is acknowledged; only the connection is of no more use.
            Ok(Step::More) if size > DELIVERY_REPLY_BYTES_MAX => return Ok(false),
            Ok(Step::More) => match stream.read_buf(&mut buffer).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Ok(false),
            },
            Err(_) => return Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_one_json_array_or_lines_of_json() {
        let batch = [Bytes::from_static(b"{\"a\":1}"), Bytes::from_static(b"{\"b\":2}")];
        assert_eq!(
            String::from_utf8(post("POST", "/x", 8080, &batch)).expect("text"),
            "POST /x HTTP/1.1\r\nHost: sandbox.localdomain:8080\r\nContent-Type: application/json\r\n\
             Content-Length: 17\r\n\r\n[{\"a\":1},{\"b\":2}]"
        );
        assert_eq!(lines(&batch), b"{\"a\":1}\n{\"b\":2}\n");
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_has_an_end_that_a_frozen_environment_puts_off() {
        let (sender, mut frozen) = watch::channel(false);
        let wait = Duration::from_secs(1);
        assert_eq!(patient(&mut frozen, wait, std::future::pending::<()>()).await, None);
        let sleep = |ms| tokio::time::sleep(Duration::from_millis(ms));
        let freezer = tokio::spawn(async move {
            sleep(900).await;
            sender.send_replace(true);
            sleep(60_000).await;
            sender.send_replace(false);
            sleep(60_000).await;
        });
        assert_eq!(patient(&mut frozen, wait, sleep(61_500)).await, Some(()), "half a second after the thaw");
        freezer.abort();
    }
}
