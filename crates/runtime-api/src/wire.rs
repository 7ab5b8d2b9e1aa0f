//! The writing side of a connection. While a `/next` waits on it, whoever has an event writes it there directly: the
//! connection's task is not woken, which saves a task switch on every invocation.

use std::io::{self, IoSlice};

use parking_lot::Mutex;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;

use crate::http::head::Persistence;
use crate::http::reply::EventReply;

pub(crate) struct Wire {
    write: OwnedWriteHalf,
    slot: Mutex<Slot>,
    wake: Notify,
}

/// Who writes next.
enum Slot {
    /// The connection's task.
    Connection,
    /// Whoever brings the event.
    Parked(Parked),
    /// The connection's task, and this first.
    Unsent(Outgoing),
    /// Nobody: the peer has gone.
    Broken,
}

/// What a waiting `/next` leaves for the one who answers it.
pub(crate) struct Parked {
    /// Replies to earlier pipelined requests; they go out in the same write as the event.
    pub(crate) held: Vec<u8>,
    pub(crate) persistence: Persistence,
    /// The task has further requests in its buffer and wants to be told that the event is out.
    pub(crate) wake: bool,
}

/// What the task of a parked connection finds.
pub(crate) enum Turn {
    StillParked,
    Sent,
    Unsent(Outgoing),
    Broken,
}

/// An event on its way, with what was held back before it.
pub(crate) struct Outgoing {
    held: Vec<u8>,
    event: EventReply,
    persistence: Persistence,
    sent: usize,
}

impl Outgoing {
    pub(crate) const fn new(held: Vec<u8>, event: EventReply, persistence: Persistence) -> Self {
        Self { held, event, persistence, sent: 0 }
    }

    /// Writes what the socket takes now, everything in one call if it can. True when nothing is left.
    fn try_write(&mut self, write: &OwnedWriteHalf) -> io::Result<bool> {
        let [head, head_end, payload] = self.event.pieces(self.persistence);
        let total = self.held.len() + head.len() + head_end.len() + payload.len();
        while self.sent < total {
            let mut slices = [&self.held[..], head, head_end, payload].map(IoSlice::new);
            let mut rest = &mut slices[..];
            IoSlice::advance_slices(&mut rest, self.sent);
            match write.try_write_vectored(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

impl Wire {
    pub(crate) fn new(write: OwnedWriteHalf) -> Self {
        Self { write, slot: Mutex::new(Slot::Connection), wake: Notify::new() }
    }

    /// From here until [`Turn::Sent`] the connection's task must not write.
    pub(crate) fn park(&self, parked: Parked) {
        *self.slot.lock() = Slot::Parked(parked);
    }

    /// More requests came in behind the waiting `/next`: the task wants to be woken.
    pub(crate) fn wake_when_sent(&self) {
        if let Slot::Parked(parked) = &mut *self.slot.lock() {
            parked.wake = true;
        }
    }

    /// Takes the writing side back where that is possible.
    pub(crate) fn turn(&self) -> Turn {
        let mut slot = self.slot.lock();
        match std::mem::replace(&mut *slot, Slot::Connection) {
            Slot::Connection => Turn::Sent,
            Slot::Unsent(outgoing) => Turn::Unsent(outgoing),
            Slot::Broken => Turn::Broken,
            parked @ Slot::Parked(_) => {
                *slot = parked;
                Turn::StillParked
            }
        }
    }

    /// Resolves when the one who answered the `/next` has something to say.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Answers the waiting `/next`. Never blocks: what the socket does not take now, the connection's task sends.
    /// False when the connection turned out to be broken.
    pub(crate) fn deliver(&self, event: &EventReply) -> bool {
        // The lock is held while writing, so that the task cannot write in between.
        let mut slot = self.slot.lock();
        let Slot::Parked(parked) = std::mem::replace(&mut *slot, Slot::Connection) else {
            return false;
        };
        let mut outgoing = Outgoing::new(parked.held, event.clone(), parked.persistence);
        let (next, wake, delivered) = match outgoing.try_write(&self.write) {
            Ok(true) => (Slot::Connection, parked.wake, true),
            Ok(false) => (Slot::Unsent(outgoing), true, true),
            Err(_) => (Slot::Broken, true, false),
        };
        *slot = next;
        if wake {
            self.wake.notify_one();
        }
        delivered
    }

    /// Sends an event from the connection's own task.
    pub(crate) async fn send(&self, mut outgoing: Outgoing) -> io::Result<()> {
        while !outgoing.try_write(&self.write)? {
            self.write.writable().await?;
        }
        Ok(())
    }

    /// Writes `bytes` from the connection's own task.
    pub(crate) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write.try_write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.write.writable().await?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
