//! Messages with file descriptors over a unix SEQPACKET socket: boundaries are kept, order is kept, and the end of the
//! other side is seen. Blocking or not as the socket is.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Descriptors in one message: a new slot comes with a dozen.
pub const DESCRIPTORS_MAX: usize = 12;

/// Two connected sockets, closed on exec.
///
/// # Errors
/// No descriptors are left.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// Sends a message, as a whole or not at all.
///
/// # Errors
/// The other side is gone, or takes nothing now ([`io::ErrorKind::WouldBlock`]); or there are more than
/// [`DESCRIPTORS_MAX`] descriptors.
pub fn send<M: Serialize>(socket: BorrowedFd<'_>, message: &M, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let bytes = postcard::to_allocvec(message).map_err(io::Error::other)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::from(Errno::TOOBIG));
    }
    let sent = retry_on_intr(|| sendmsg(socket, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL))?;
    // A datagram goes out as a whole or not at all.
    debug_assert_eq!(sent, bytes.len());
    Ok(())
}

/// Of who serves until the other side is gone: that it is gone is found out by sending, too, and is no failure.
///
/// # Errors
/// All others.
pub fn unless_gone(served: io::Result<()>) -> io::Result<()> {
    let is_gone =
        |error: &io::Error| matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset);
    served.or_else(|error| if is_gone(&error) { Ok(()) } else { Err(error) })
}

/// A received message with its descriptors, in the order they were sent.
#[derive(Debug)]
pub struct Received<M> {
    pub message: M,
    pub descriptors: Vec<OwnedFd>,
}

/// `None` when the other side has closed. What is longer than `buffer` or does not decode is an error; the stream stays
/// usable.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] for such a message; what the socket says.
pub fn receive<M: DeserializeOwned>(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Option<Received<M>>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received =
        retry_on_intr(|| recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut ancillary, RecvFlags::CMSG_CLOEXEC));
    let received = match received {
        Ok(received) => received,
        Err(Errno::CONNRESET) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let descriptors: Vec<OwnedFd> = ancillary
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .collect();
    if received.bytes == 0 {
        return Ok(None);
    }
    if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the message is longer than any that exists"));
    }
    let message = postcard::from_bytes(&buffer[..received.bytes])
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(Some(Received { message, descriptors }))
}

/// Takes the descriptors out of a message that must have exactly `N`.
///
/// # Errors
/// It has another number.
pub fn exactly<const N: usize>(descriptors: Vec<OwnedFd>) -> io::Result<[OwnedFd; N]> {
    descriptors
        .try_into()
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the message has another number of descriptors"))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_message_arrives_whole_with_its_descriptors() {
        let (left, right) = pair().expect("socket pair");
        send(left.as_fd(), &(7_u64, "seven"), &[left.as_fd()]).expect("sent");
        send(left.as_fd(), &(8_u64, "eight"), &[]).expect("sent");
        let mut buffer = [0; 64];
        let first = receive::<(u64, String)>(right.as_fd(), &mut buffer).expect("received").expect("open");
        assert_eq!((first.message.0, first.descriptors.len()), (7, 1));
        let second = receive::<(u64, String)>(right.as_fd(), &mut buffer).expect("received").expect("open");
        assert_eq!((second.message.1.as_str(), second.descriptors.len()), ("eight", 0));
    }

    #[test]
    fn the_end_of_the_other_side_is_seen() {
        let (left, right) = pair().expect("socket pair");
        drop(left);
        assert!(receive::<u64>(right.as_fd(), &mut [0; 8]).expect("no error").is_none());
    }

    #[test]
    fn a_reply_to_who_has_gone_is_no_failure() {
        let (left, right) = pair().expect("socket pair");
        send(left.as_fd(), &7_u64, &[]).expect("sent");
        drop(right);
        // The first says that what waited there was lost, the next that nobody is there.
        for _ in 0..2 {
            unless_gone(send(left.as_fd(), &8_u64, &[])).expect("an orderly end");
        }
        assert!(unless_gone(Err(io::Error::other("a disk"))).is_err());
    }

    #[test]
    fn what_is_too_long_is_refused_and_the_next_message_still_arrives() {
        let (left, right) = pair().expect("socket pair");
        send(left.as_fd(), &"x".repeat(100), &[]).expect("sent");
        send(left.as_fd(), &"y", &[]).expect("sent");
        let mut buffer = [0; 50];
        assert!(receive::<String>(right.as_fd(), &mut buffer).is_err());
        assert_eq!(receive::<String>(right.as_fd(), &mut buffer).expect("received").expect("open").message, "y");
    }
}
