//! One UDP flow of a sandbox: a socket that is connected to the destination, so that only its answers come in, and a
//! task that carries them. What the sandbox sends goes out at once; nothing waits.

use std::cell::RefCell;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket as StdSocket};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::io::Errno;
use rustix::net::SendFlags;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use crate::limits::{PACKETS_PER_TURN, UDP_IDLE_TIMEOUT};
use crate::packet::{self, Refusal};
use crate::tun::{PACKET_BYTES_MAX, Tun};

thread_local! {
    static PAYLOAD: RefCell<Vec<u8>> = RefCell::new(vec![0; PACKET_BYTES_MAX]);
}

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct UdpFlow {
    socket: Arc<UdpSocket>,
    tun: Tun,
    source: SocketAddrV4,
    /// Whom the sandbox believes to talk to.
    destination: SocketAddrV4,
    used: Arc<Mutex<Instant>>,
}

impl UdpFlow {
    /// # Errors
    /// No socket, or no route there.
    pub(crate) fn open(
        tun: Tun,
        source: SocketAddrV4,
        destination: SocketAddrV4,
        target: SocketAddrV4,
    ) -> io::Result<Self> {
        let socket = StdSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect(target)?;
        socket.set_nonblocking(true)?;
        let socket = Arc::new(UdpSocket::from_std(socket)?);
        Ok(Self { socket, tun, source, destination, used: Arc::new(Mutex::new(Instant::now())) })
    }

    /// Sends at once, or loses it, as UDP does.
    pub(crate) fn send(&self, payload: &[u8]) {
        *self.used.lock() = Instant::now();
        // Not through tokio: it would not send before it was told that the socket is writable.
        if let Err(error @ (Errno::CONNREFUSED | Errno::HOSTUNREACH)) =
            rustix::net::send(&self.socket, payload, SendFlags::DONTWAIT)
        {
            self.report(&error.into());
            // That was the answer to an earlier datagram.
            let _ = rustix::net::send(&self.socket, payload, SendFlags::DONTWAIT);
        }
    }

    /// How long nothing has come or gone.
    pub(crate) fn idle(&self) -> Duration {
        self.used.lock().elapsed()
    }

    /// Carries answers until there have been none, and no questions, for a while.
    pub(crate) async fn serve(self) {
        loop {
            let ends = *self.used.lock() + UDP_IDLE_TIMEOUT;
            tokio::select! {
                ready = self.socket.ready(Interest::READABLE | Interest::ERROR) => {
                    let Ok(ready) = ready else { return };
                    if ready.is_error() {
                        self.take_error();
                    }
                    for _ in 0..PACKETS_PER_TURN {
                        if !self.receive() {
                            break;
                        }
                    }
                    yield_now().await;
                }
                () = sleep_until(ends) => {
                    if self.idle() >= UDP_IDLE_TIMEOUT {
                        return;
                    }
                }
            }
        }
    }

    /// Carries one answer; false when there is none.
    fn receive(&self) -> bool {
        PAYLOAD.with_borrow_mut(|payload| match self.socket.try_recv(payload) {
            Ok(count) => {
                *self.used.lock() = Instant::now();
                if let Some(length) = packet::datagram_length(count) {
                    self.tun.send_with(length, |buffer| {
                        packet::emit_datagram(buffer, self.destination, self.source, &payload[..count]);
                    });
                }
                true
            }
            Err(error) => {
                self.report(&error);
                false
            }
        })
    }

    /// The outside's ICMP errors arrive as errors of the socket, once each.
    fn take_error(&self) {
        let taken = self
            .socket
            .try_io(Interest::ERROR, || self.socket.take_error()?.ok_or_else(|| io::ErrorKind::WouldBlock.into()));
        if let Ok(error) = taken {
            self.report(&error);
        }
    }

    /// Tells the sandbox what the outside said of an earlier datagram.
    fn report(&self, error: &io::Error) {
        let refusal = match Errno::from_io_error(error) {
            Some(Errno::CONNREFUSED) => Refusal::Refused,
            Some(Errno::HOSTUNREACH | Errno::NETUNREACH) => Refusal::Unreachable,
            _ => return,
        };
        if let Some(length) = packet::datagram_length(0) {
            let mut original = vec![0; length];
            packet::emit_datagram(&mut original, self.source, self.destination, &[]);
            if let Some(answer) = packet::refuse(&original, refusal) {
                self.tun.send(&answer);
            }
        }
    }
}
