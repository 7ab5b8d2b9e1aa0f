//! The name server of a sandbox, at 169.254.100.1:53 inside it. Forwards to the host's own name servers, answers the few
//! names that mean something inside only, and takes the names of allow entries from the host itself, so that a function
//! sees the addresses that the policy opens.
//!
//! Addresses in answers are passed on unseen: what may be reached is decided when it is connected to.

pub(crate) mod message;
pub(crate) mod resolvers;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::address::{HOST_ADDRESS, HOST_NAME, SERVICES_ADDRESS, SERVICES_NAMES};
use crate::budget::Budget;
use crate::gate::Gate;
use crate::limits::{
    DNS_CONNECTION_IDLE_TIMEOUT, DNS_CONNECTIONS_MAX, DNS_QUERIES_MAX, DNS_QUERIES_PER_SECOND, DNS_QUERY_BYTES_MAX,
};
use crate::policy::Outgoing;
use message::{Answer, Query, ResponseCode};
use resolvers::{Carrier, Resolvers};

/// Names under it exist inside only; the world is not asked for them.
const OWN_DOMAIN: &str = "hearth.internal";

/// What all sandboxes share.
#[derive(Clone)]
pub(crate) struct NameServer {
    pub(crate) gate: Arc<Gate>,
    pub(crate) resolvers: Arc<Resolvers>,
}

/// What a sandbox asks.
struct InFlight {
    queries: Arc<Semaphore>,
    budget: Mutex<Budget>,
}

impl InFlight {
    fn may_ask(&self) -> bool {
        self.budget.lock().try_spend(1, Instant::now())
    }
}

/// What is known about a name without asking anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Own {
    Address(std::net::Ipv4Addr),
    NoSuchName,
    /// It is for others to answer.
    Foreign,
}

fn own(name: &str) -> Own {
    if name == HOST_NAME {
        Own::Address(HOST_ADDRESS)
    } else if SERVICES_NAMES.contains(&name) {
        Own::Address(SERVICES_ADDRESS)
    } else if name == OWN_DOMAIN || name.strip_suffix(OWN_DOMAIN).is_some_and(|front| front.ends_with('.')) {
        Own::NoSuchName
    } else {
        Own::Foreign
    }
}

impl NameServer {
    /// Serves a sandbox until one of its sockets fails, which it does with its namespace.
    pub(crate) async fn serve(self, udp: UdpSocket, tcp: TcpListener) -> io::Result<()> {
        let in_flight = Arc::new(InFlight {
            queries: Arc::new(Semaphore::new(DNS_QUERIES_MAX)),
            budget: Mutex::new(Budget::new(DNS_QUERIES_PER_SECOND, Instant::now())),
        });
        tokio::select! {
            ended = self.clone().serve_udp(udp, Arc::clone(&in_flight)) => ended,
            ended = self.serve_tcp(tcp, in_flight) => ended,
        }
    }

    async fn serve_udp(self, socket: UdpSocket, in_flight: Arc<InFlight>) -> io::Result<()> {
        let socket = Arc::new(socket);
        let mut queries = JoinSet::new();
        let mut buffer = [0; DNS_QUERY_BYTES_MAX + 1];
        loop {
            tokio::select! {
                Some(_) = queries.join_next() => {}
                received = socket.recv_from(&mut buffer) => {
                    let (length, asker) = received?;
                    if !in_flight.may_ask() {
                        continue;
                    }
                    let bytes = buffer[..length].to_vec();
                    let Ok(permit) = Arc::clone(&in_flight.queries).try_acquire_owned() else {
                        reply(&socket, asker, message::failure(&bytes, ResponseCode::ServerFailure)).await;
                        continue;
                    };
                    let (server, socket) = (self.clone(), Arc::clone(&socket));
                    queries.spawn(async move {
                        reply(&socket, asker, server.answer(&bytes, Carrier::Udp).await).await;
                        drop(permit);
                    });
                }
            }
        }
    }

    async fn serve_tcp(self, listener: TcpListener, in_flight: Arc<InFlight>) -> io::Result<()> {
        let connections_left = Arc::new(Semaphore::new(DNS_CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => {
                    let (stream, _) = accepted?;
                    // Too many: closing says "try again".
                    let Ok(permit) = Arc::clone(&connections_left).try_acquire_owned() else { continue };
                    let (server, in_flight) = (self.clone(), Arc::clone(&in_flight));
                    connections.spawn(async move {
                        // The asker is gone, or does not speak DNS: nobody to tell.
                        let _ = server.serve_connection(stream, &in_flight).await;
                        drop(permit);
                    });
                }
            }
        }
    }

    /// Source: RFC 1035, section 4.2.2: each message after its length.
    async fn serve_connection(&self, mut stream: TcpStream, in_flight: &InFlight) -> io::Result<()> {
        loop {
            let bytes = timeout(DNS_CONNECTION_IDLE_TIMEOUT, read_message(&mut stream, DNS_QUERY_BYTES_MAX)).await??;
            if !in_flight.may_ask() {
                return Ok(());
            }
            let answer = match in_flight.queries.try_acquire() {
                Ok(_permit) => self.answer(&bytes, Carrier::Tcp).await,
                Err(_) => message::failure(&bytes, ResponseCode::ServerFailure),
            };
            let Some(answer) = answer else { return Ok(()) };
            timeout(DNS_CONNECTION_IDLE_TIMEOUT, write_message(&mut stream, &answer)).await??;
        }
    }

    /// `None` for what is no query: it gets no answer.
    async fn answer(&self, bytes: &[u8], carrier: Carrier) -> Option<Vec<u8>> {
        if bytes.len() > DNS_QUERY_BYTES_MAX {
            return message::failure(bytes, ResponseCode::FormatError);
        }
        let query = match Query::parse(bytes) {
            Ok(query) => query,
            Err(code) => return message::failure(bytes, code),
        };
        let answer = match own(query.name()) {
            Own::Address(address) => Answer::Addresses(vec![address]),
            Own::NoSuchName => Answer::Failure(ResponseCode::NoSuchName),
            Own::Foreign => match self.gate.addresses(query.name()).await {
                Some(Some(addresses)) => Answer::Addresses(addresses),
                Some(None) => Answer::Failure(ResponseCode::ServerFailure),
                None if self.gate.outgoing() == Outgoing::None => Answer::Failure(ResponseCode::Refused),
                None => match self.resolvers.ask(&query, carrier).await {
                    Some(answer) => return Some(answer),
                    None => Answer::Failure(ResponseCode::ServerFailure),
                },
            },
        };
        Some(query.answer(&answer))
    }
}

async fn reply(socket: &UdpSocket, asker: SocketAddr, answer: Option<Vec<u8>>) {
    if let Some(answer) = answer {
        // Who asked may be gone.
        let _ = socket.send_to(&answer, asker).await;
    }
}

/// A message of at most `length_max` bytes from a TCP stream.
pub(crate) async fn read_message(stream: &mut TcpStream, length_max: usize) -> io::Result<Vec<u8>> {
    let length = usize::from(stream.read_u16().await?);
    if length > length_max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the message is longer than a query can be"));
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// A message into a TCP stream.
pub(crate) async fn write_message(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    let framed = [&length.to_be_bytes(), bytes].concat();
    stream.write_all(&framed).await
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn names_that_mean_something_inside_only_are_not_asked_for_outside() {
        let table = [
            ("host.hearth.internal", Own::Address(Ipv4Addr::new(169, 254, 100, 2))),
            ("sandbox.localdomain", Own::Address(Ipv4Addr::new(169, 254, 100, 1))),
            ("sandbox", Own::Address(Ipv4Addr::new(169, 254, 100, 1))),
            ("hearth.internal", Own::NoSuchName),
            ("other.hearth.internal", Own::NoSuchName),
            ("nothearth.internal", Own::Foreign),
            ("host.hearth.internal.example.com", Own::Foreign),
            ("example.com", Own::Foreign),
            ("", Own::Foreign),
        ];
        for (name, expected) in table {
            assert_eq!(own(name), expected, "{name}");
        }
    }
}
