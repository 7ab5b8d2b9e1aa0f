//! One TCP connection of a sandbox: our end of it inside (smoltcp's), an ordinary socket outside, and a task between.
//!
//! ```text
//! SYN ──▶ connect outside ──▶ SYN+ACK inside ──▶ bytes both ways ──▶ each side closes for itself
//!              └─ fails ──▶ RST or ICMP inside
//! ```
//!
//! The sandbox's connection is accepted only when the outside has accepted ours: a function sees the error that the
//! real connection had. Bytes are held in the connection's own buffers only; when they are full, the side that sends
//! has to wait, as with one connection from end to end.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddrV4;

use hearth_types::{OsRandom, Random};
use rustix::io::Errno;
use rustix::net::{Shutdown, sockopt};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::wire::{HardwareAddress, IpCidr};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use crate::limits::{
    TCP_CONNECT_TIMEOUT, TCP_KEEPALIVE_IDLE, TCP_PACKET_BYTES_MAX, TCP_PACKETS_WAITING_MAX, TCP_RECEIVE_BUFFER_BYTES,
    TCP_SEND_BUFFER_BYTES, TCP_UNACKNOWLEDGED_TIMEOUT,
};
use crate::packet::{self, Refusal, Transport};
use crate::tun::Tun;

/// Serves a connection to its end. `syn` is the packet that asked for it, `destination` whom the sandbox believes to talk
/// to, `target` whom we talk to; `packets` are those that follow.
pub(crate) async fn serve(
    tun: Tun,
    syn: Vec<u8>,
    destination: SocketAddrV4,
    target: SocketAddrV4,
    mut packets: mpsc::Receiver<Vec<u8>>,
) {
    let connected = tokio::select! {
        connected = connect(target) => connected,
        () = given_up(&mut packets) => return,
    };
    let outside = match connected {
        Ok(outside) => outside,
        Err(refusal) => {
            if let Some(answer) = packet::refuse(&syn, refusal) {
                tun.send(&answer);
            }
            return;
        }
    };
    let Some(inside) = Inside::accept(tun, syn, destination) else { return };
    Connection { inside, outside, outside_ended: false, inside_ended: false }.serve(packets).await;
}

async fn connect(target: SocketAddrV4) -> Result<TcpStream, Refusal> {
    match timeout(TCP_CONNECT_TIMEOUT, TcpStream::connect(target)).await {
        Ok(Ok(stream)) => {
            // Without them the connection works, only slower, or longer than it should.
            let _ = stream.set_nodelay(true);
            let _ = sockopt::set_tcp_keepidle(&stream, TCP_KEEPALIVE_IDLE);
            let _ = sockopt::set_socket_keepalive(&stream, true);
            Ok(stream)
        }
        Ok(Err(error)) => Err(refusal(&error)),
        Err(_) => Err(Refusal::Unreachable),
    }
}

fn refusal(error: &io::Error) -> Refusal {
    match Errno::from_io_error(error) {
        Some(Errno::CONNREFUSED | Errno::CONNRESET | Errno::MFILE | Errno::NFILE | Errno::NOBUFS) => Refusal::Refused,
        _ => Refusal::Unreachable,
    }
}

/// The sandbox takes its SYN back. Repetitions of it are what normally comes while the outside is being connected.
async fn given_up(packets: &mut mpsc::Receiver<Vec<u8>>) {
    while let Some(bytes) = packets.recv().await {
        if packet::parse(&bytes).is_some_and(|p| matches!(p.transport, Transport::Tcp(flags) if flags.resets)) {
            return;
        }
    }
}

/// Our end inside.
struct Inside {
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    link: Link,
    started: Instant,
}

impl Inside {
    /// `None` when the packet is no sound SYN after all.
    fn accept(tun: Tun, syn: Vec<u8>, destination: SocketAddrV4) -> Option<Self> {
        let mut link = Link { tun, received: VecDeque::from([syn]) };
        let mut config = Config::new(HardwareAddress::Ip);
        let mut seed = [0; 8];
        OsRandom.fill(&mut seed);
        // Initial sequence numbers come from it.
        config.random_seed = u64::from_le_bytes(seed);
        let mut interface = Interface::new(config, &mut link, smoltcp::time::Instant::ZERO);
        // We are who the sandbox wants to talk to, and everybody is our neighbour.
        interface.update_ip_addrs(|addresses| {
            let _ = addresses.push(IpCidr::new((*destination.ip()).into(), 0));
        });
        let mut socket = Socket::new(
            SocketBuffer::new(vec![0; TCP_RECEIVE_BUFFER_BYTES]),
            SocketBuffer::new(vec![0; TCP_SEND_BUFFER_BYTES]),
        );
        // Waiting for more would only add to what the real connection waits for.
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        socket.set_timeout(Some(TCP_UNACKNOWLEDGED_TIMEOUT.into()));
        socket.listen((*destination.ip(), destination.port())).ok()?;
        let mut sockets = SocketSet::new(Vec::with_capacity(1));
        let handle = sockets.add(socket);
        let mut inside = Self { interface, sockets, handle, link, started: Instant::now() };
        inside.poll();
        (inside.state() != State::Listen).then_some(inside)
    }

    fn now(&self) -> smoltcp::time::Instant {
        let micros = self.started.elapsed().as_micros();
        smoltcp::time::Instant::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }

    /// Takes in what was received and sends what is due.
    fn poll(&mut self) {
        if self.state() == State::TimeWait {
            // Nothing is due any more, and smoltcp would throw away after a while what the outside has yet to take.
            self.link.received.clear();
            return;
        }
        let now = self.now();
        self.interface.poll(now, &mut self.link, &mut self.sockets);
    }

    fn reset(&mut self) {
        self.socket().abort();
        self.poll();
    }

    /// When to poll again although nothing happens.
    fn deadline(&mut self) -> Option<Instant> {
        if self.state() == State::TimeWait {
            return None;
        }
        let now = self.now();
        let at = self.interface.poll_at(now, &self.sockets)?;
        self.started.checked_add(std::time::Duration::from_micros(at.total_micros().max(0).unsigned_abs()))
    }

    fn socket(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut(self.handle)
    }

    fn state(&self) -> State {
        self.sockets.get::<Socket<'_>>(self.handle).state()
    }

    /// The sandbox will send nothing more.
    fn has_ended(&self) -> bool {
        matches!(self.state(), State::CloseWait | State::Closing | State::LastAck | State::TimeWait | State::Closed)
    }
}

/// smoltcp's view of the device: packets of this connection only.
struct Link {
    tun: Tun,
    received: VecDeque<Vec<u8>>,
}

struct Received(Vec<u8>);
struct Sender<'a>(&'a Tun);

impl Device for Link {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sender<'a>;

    fn receive(&mut self, _now: smoltcp::time::Instant) -> Option<(Received, Sender<'_>)> {
        self.received.pop_front().map(|packet| (Received(packet), Sender(&self.tun)))
    }

    fn transmit(&mut self, _now: smoltcp::time::Instant) -> Option<Sender<'_>> {
        Some(Sender(&self.tun))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = TCP_PACKET_BYTES_MAX;
        // From the kernel of this machine through memory: nothing can have changed it.
        capabilities.checksum.ipv4 = smoltcp::phy::Checksum::Tx;
        capabilities.checksum.tcp = smoltcp::phy::Checksum::Tx;
        capabilities
    }
}

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

impl TxToken for Sender<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        self.0.send_with(length, write)
    }
}

struct Connection {
    inside: Inside,
    outside: TcpStream,
    /// The outside has sent its last byte.
    outside_ended: bool,
    /// The outside has been told that the sandbox has sent its last byte.
    inside_ended: bool,
}

impl Connection {
    async fn serve(mut self, mut packets: mpsc::Receiver<Vec<u8>>) {
        loop {
            self.inside.poll();
            match self.pump() {
                Ok(true) => self.inside.poll(),
                Ok(false) => {}
                // The outside has reset it: so do we.
                Err(_) => return self.inside.reset(),
            }
            match self.inside.state() {
                // The last acknowledgement is sent; the link loses nothing that would have to be repeated.
                State::TimeWait if self.inside_ended => return,
                State::Closed => return self.close(),
                _ => {}
            }
            let (interest, deadline) = (self.interest(), self.inside.deadline());
            tokio::select! {
                received = packets.recv() => match received {
                    Some(packet) => {
                        self.inside.link.received.push_back(packet);
                        for _ in 1..TCP_PACKETS_WAITING_MAX {
                            let Ok(packet) = packets.try_recv() else { break };
                            self.inside.link.received.push_back(packet);
                        }
                    }
                    // The sandbox is to go. Its kernel would keep what is not closed, and the namespace with it.
                    None => {
                        self.inside.reset();
                        return self.close();
                    }
                },
                _ = async { self.outside.ready(interest.unwrap_or(Interest::READABLE)).await }, if interest.is_some() => {}
                () = async { sleep_until(deadline.unwrap_or_else(Instant::now)).await }, if deadline.is_some() => {}
            }
        }
    }

    /// What of the outside would let bytes move.
    fn interest(&mut self) -> Option<Interest> {
        let reads = !self.outside_ended && self.inside.socket().can_send();
        let writes = self.inside.socket().can_recv();
        match (reads, writes) {
            (true, true) => Some(Interest::READABLE | Interest::WRITABLE),
            (true, false) => Some(Interest::READABLE),
            (false, true) => Some(Interest::WRITABLE),
            (false, false) => None,
        }
    }

    /// Moves what can be moved, both ways, and hands on the ends. Returns whether the inside has something to say.
    fn pump(&mut self) -> io::Result<bool> {
        let Self { inside, outside, .. } = self;
        let mut moved = false;
        while inside.socket().can_recv() {
            let written = inside.socket().recv(|bytes| match outside.try_write(bytes) {
                Ok(count) => (count, Ok(count)),
                Err(error) => (0, Err(error)),
            });
            if !flowed(written.map_err(io::Error::other)?)? {
                break;
            }
            moved = true;
        }
        while !self.outside_ended && inside.socket().can_send() {
            let read = inside.socket().send(|room| match outside.try_read(room) {
                Ok(count) => (count, Ok(count)),
                Err(error) => (0, Err(error)),
            });
            match read.map_err(io::Error::other)? {
                Ok(0) => {
                    self.outside_ended = true;
                    inside.socket().close();
                }
                read => {
                    if !flowed(read)? {
                        break;
                    }
                }
            }
            moved = true;
        }
        if !self.inside_ended && inside.has_ended() && !inside.socket().can_recv() && inside.state() != State::Closed {
            self.inside_ended = true;
            // Fails only when the outside is gone, which reading tells.
            let _ = rustix::net::shutdown(&*outside, Shutdown::Write);
        }
        Ok(moved)
    }

    /// Ends the outside as the inside has ended: a reset is handed on.
    fn close(self) {
        if !(self.outside_ended && self.inside_ended) {
            // Fails only when it is closed already.
            let _ = sockopt::set_socket_linger(&self.outside, Some(std::time::Duration::ZERO));
        }
    }
}

/// Whether bytes moved; that they would have to wait is no error.
fn flowed(result: io::Result<usize>) -> io::Result<bool> {
    match result {
        Ok(count) => Ok(count > 0),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}
