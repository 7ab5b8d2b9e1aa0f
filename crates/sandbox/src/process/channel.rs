//! The server's ends of the sockets to the spawner and into slots. What never lives here: what is said on them.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use hearth_network::seqpacket::{self, Received};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep};

use crate::sys;

/// Pause before a message is offered again to a socket that is full, and how long that may go on.
const FULL_PAUSE: Duration = Duration::from_millis(1);
const FULL_WAIT_MAX: Duration = Duration::from_secs(10);

/// Watched for reading only: a socket that is watched for writing, too, wakes the server each time the other side has read
/// something, which takes the processor from whoever reads.
pub(super) struct Channel(AsyncFd<OwnedFd>);

impl Channel {
    pub(super) fn new(socket: OwnedFd) -> io::Result<Self> {
        sys::watched(socket, Interest::READABLE).map(Self)
    }

    /// `None` when the other side is gone. See [`seqpacket::receive`].
    pub(super) async fn receive<M: DeserializeOwned>(&self, buffer: &mut [u8]) -> io::Result<Option<Received<M>>> {
        self.0.async_io(Interest::READABLE, |socket| seqpacket::receive(socket.as_fd(), buffer)).await
    }

    /// What is there already; [`io::ErrorKind::WouldBlock`] when there is nothing, and the other side not gone.
    pub(super) fn receive_now<M: DeserializeOwned>(&self, buffer: &mut [u8]) -> io::Result<Option<Received<M>>> {
        seqpacket::receive(self.0.get_ref().as_fd(), buffer)
    }

    pub(super) async fn send<M: Serialize>(&self, message: &M) -> io::Result<()> {
        let mut deadline = None;
        loop {
            match seqpacket::send(self.0.get_ref().as_fd(), message, &[]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let now = Instant::now();
                    if now > *deadline.get_or_insert(now + FULL_WAIT_MAX) {
                        return Err(error);
                    }
                    sleep(FULL_PAUSE).await;
                }
                sent => return sent,
            }
        }
    }

    pub(super) fn socket(&self) -> &OwnedFd {
        self.0.get_ref()
    }
}
