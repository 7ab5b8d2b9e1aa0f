//! The outer end of a sandbox's TUN device, and descriptors in tokio's hands.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::io::{Errno, retry_on_intr};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::address::DEVICE_MTU;

/// Bytes of the largest packet.
pub(crate) const PACKET_BYTES_MAX: usize = DEVICE_MTU as usize;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; PACKET_BYTES_MAX]);
}

/// Gives a descriptor to tokio, non-blocking from now on.
#[expect(deprecated, reason = "unsound for types that can be made to hold another descriptor; an OwnedFd cannot")]
pub(crate) fn watched(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    rustix::io::ioctl_fionbio(&fd, true)?;
    AsyncFd::with_interest(fd, interest)
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Tun(Arc<AsyncFd<OwnedFd>>);

impl Tun {
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self(Arc::new(watched(fd, Interest::READABLE)?)))
    }

    /// The next packet out of the sandbox: its length in `buffer`.
    pub(crate) async fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.async_io(Interest::READABLE, |fd| Ok(retry_on_intr(|| rustix::io::read(fd, &mut *buffer))?)).await
    }

    /// A packet into the sandbox. What the device does not take is lost, as on any link.
    pub(crate) fn send(&self, packet: &[u8]) {
        match retry_on_intr(|| rustix::io::write(self.0.get_ref(), packet)) {
            // The device is down, or gone with its namespace.
            Ok(_) | Err(Errno::AGAIN | Errno::IO | Errno::BADFD | Errno::INVAL | Errno::NOBUFS) => {}
            Err(error) => tracing::debug!(%error, "a packet was not sent"),
        }
    }

    /// Sends a packet of `length` bytes that `write` puts into the buffer it gets.
    pub(crate) fn send_with<R>(&self, length: usize, write: impl FnOnce(&mut [u8]) -> R) -> R {
        SCRATCH.with_borrow_mut(|scratch| {
            if scratch.len() < length {
                scratch.resize(length, 0);
            }
            let packet = &mut scratch[..length];
            let result = write(packet);
            self.send(packet);
            result
        })
    }
}
