//! The network of one sandbox: reads its device, knows its flows, starts and ends their tasks. Everything of a sandbox
//! lives in this one task and its children.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::SocketAddrV4;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{AbortHandle, Id, JoinSet, yield_now};
use tokio::time::{Instant, sleep, timeout};

use crate::address::DEVICE_ADDRESS;
use crate::budget::Budget;
use crate::gate::Gate;
use crate::limits::{
    FLOWS_END_WAIT_MAX, FLOWS_MAX, PACKETS_PER_NEW_FLOW, PACKETS_PER_SECOND, PACKETS_PER_TURN, REFUSALS_REPORTED_MAX,
    TCP_PACKETS_WAITING_MAX, UDP_EVICTION_IDLE,
};
use crate::packet::{self, Packet, Refusal, Transport};
use crate::policy::{Denial, Verdict};
use crate::protocol::Reply;
use crate::tcp;
use crate::tun::{PACKET_BYTES_MAX, Tun};
use crate::udp::UdpFlow;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    is_tcp: bool,
    source_port: u16,
    destination: SocketAddrV4,
}

enum Flow {
    Tcp(mpsc::Sender<Vec<u8>>),
    Udp(UdpFlow, AbortHandle),
}

/// What all sandboxes share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) gate: Arc<Gate>,
    /// One permit per flow of any sandbox.
    pub(crate) flows: Arc<Semaphore>,
    pub(crate) reports: mpsc::Sender<Reply>,
}

pub(crate) struct SandboxNetwork {
    environment: u64,
    tun: Tun,
    shared: Shared,
    flows: HashMap<Key, Flow>,
    tasks: JoinSet<()>,
    keys: HashMap<Id, Key>,
    reported: HashSet<SocketAddrV4>,
    is_full_reported: bool,
    budget: Budget,
}

impl SandboxNetwork {
    pub(crate) fn new(environment: u64, tun: Tun, shared: Shared) -> Self {
        Self {
            environment,
            tun,
            shared,
            flows: HashMap::new(),
            tasks: JoinSet::new(),
            keys: HashMap::new(),
            reported: HashSet::new(),
            is_full_reported: false,
            budget: Budget::new(PACKETS_PER_SECOND, Instant::now()),
        }
    }

    /// Serves until the device is gone. Can be dropped, and then [`end`](Self::end)ed.
    pub(crate) async fn serve(&mut self) -> io::Result<()> {
        let tun = self.tun.clone();
        let mut buffer = vec![0; PACKET_BYTES_MAX];
        let mut turn = 0;
        loop {
            tokio::select! {
                // First what has ended: a packet must not go to a flow nobody serves any more.
                biased;
                Some(ended) = self.tasks.join_next_with_id() => {
                    let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                    self.forget(id);
                }
                received = tun.receive(&mut buffer) => {
                    let length = received?;
                    let cost = self.handle(&buffer[..length]).await;
                    let wait = self.budget.spend(cost, Instant::now());
                    if !wait.is_zero() {
                        sleep(wait).await;
                    }
                }
            }
            turn += 1;
            if turn == PACKETS_PER_TURN {
                turn = 0;
                yield_now().await;
            }
        }
    }

    /// Ends every flow: a TCP connection is reset on both sides.
    pub(crate) async fn end(mut self) {
        for (_, flow) in self.flows.drain() {
            match flow {
                // Its task ends when nobody can send it packets any more.
                Flow::Tcp(_) => {}
                Flow::Udp(_, task) => task.abort(),
            }
        }
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        // What does not end, dropping ends.
        let _ = timeout(FLOWS_END_WAIT_MAX, ended).await;
    }

    /// Returns for how many packets it counts.
    async fn handle(&mut self, bytes: &[u8]) -> u32 {
        let Some(packet) = packet::parse(bytes) else { return 1 };
        // Nobody else lives there.
        if *packet.source.ip() != DEVICE_ADDRESS {
            return 1;
        }
        match packet.transport {
            Transport::Tcp(flags) => {
                let key = key(&packet, true);
                if let Some(Flow::Tcp(packets)) = self.flows.get(&key)
                    // Waiting is right: the task takes them at once, and until then they wait in the device.
                    && packets.send(bytes.to_owned()).await.is_ok()
                {
                    return 1;
                }
                if flags.opens {
                    self.open_tcp(key, bytes);
                } else {
                    self.refuse(bytes, Refusal::Refused);
                }
            }
            Transport::Udp(payload) => {
                let key = key(&packet, false);
                match self.flows.get(&key) {
                    Some(Flow::Udp(flow, _)) => {
                        flow.send(payload);
                        return 1;
                    }
                    _ => self.open_udp(key, &packet, payload, bytes),
                }
            }
            // No echo: an ordinary user of the host may not send one, and who waits for it sees a time-out as on Lambda.
            Transport::Icmp => return 1,
            Transport::Other => self.refuse(bytes, Refusal::Protocol),
        }
        PACKETS_PER_NEW_FLOW
    }

    fn open_tcp(&mut self, key: Key, syn: &[u8]) {
        let Some((target, permit)) = self.admit(key, syn) else { return };
        let (packets, waiting) = mpsc::channel(TCP_PACKETS_WAITING_MAX);
        let task = tcp::serve(self.tun.clone(), syn.to_owned(), key.destination, target, waiting);
        self.start(key, permit, task);
        self.flows.insert(key, Flow::Tcp(packets));
    }

    fn open_udp(&mut self, key: Key, packet: &Packet<'_>, payload: &[u8], bytes: &[u8]) {
        let Some((target, permit)) = self.admit(key, bytes) else { return };
        match UdpFlow::open(self.tun.clone(), packet.source, packet.destination, target) {
            Ok(flow) => {
                flow.send(payload);
                let task = self.start(key, permit, flow.clone().serve());
                self.flows.insert(key, Flow::Udp(flow, task));
            }
            Err(error) => {
                tracing::debug!(%error, "no UDP flow to {}", key.destination);
                self.refuse(bytes, Refusal::Unreachable);
            }
        }
    }

    /// May there be such a flow, and is there room for it? If not, the sandbox is told.
    fn admit(&mut self, key: Key, bytes: &[u8]) -> Option<(SocketAddrV4, OwnedSemaphorePermit)> {
        let target = match self.shared.gate.decide(key.destination) {
            Verdict::Connect(target) => target,
            Verdict::Denied(denial) => {
                self.report_denial(key.destination, denial);
                self.refuse(bytes, Refusal::Denied);
                return None;
            }
        };
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
            self.forget(id);
        }
        if self.keys.len() >= FLOWS_MAX {
            self.evict();
        }
        let permit = Arc::clone(&self.shared.flows).try_acquire_owned().ok();
        let Some(permit) = permit.filter(|_| self.keys.len() < FLOWS_MAX) else {
            self.report_full();
            self.refuse(bytes, Refusal::Refused);
            return None;
        };
        Some((target, permit))
    }

    fn start(
        &mut self,
        key: Key,
        permit: OwnedSemaphorePermit,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> AbortHandle {
        let handle = self.tasks.spawn(async move {
            task.await;
            drop(permit);
        });
        self.keys.insert(handle.id(), key);
        handle
    }

    /// Makes room: UDP has no end, so the flow that has been silent for longest is taken to be over.
    fn evict(&mut self) {
        let idle = self.flows.iter().filter_map(|(key, flow)| match flow {
            Flow::Udp(flow, task) => Some((flow.idle(), *key, task)),
            Flow::Tcp(_) => None,
        });
        let Some((_, key, task)) = idle.filter(|(idle, ..)| *idle >= UDP_EVICTION_IDLE).max_by_key(|(idle, ..)| *idle)
        else {
            return;
        };
        task.abort();
        self.keys.remove(&task.id());
        self.flows.remove(&key);
    }

    /// A flow's task has ended.
    fn forget(&mut self, id: Id) {
        let Some(key) = self.keys.remove(&id) else { return };
        // The same ports may have been used again since.
        if !self.keys.values().any(|other| *other == key) {
            self.flows.remove(&key);
        }
    }

    fn refuse(&self, original: &[u8], refusal: Refusal) {
        if let Some(answer) = packet::refuse(original, refusal) {
            self.tun.send(&answer);
        }
    }

    fn report_denial(&mut self, destination: SocketAddrV4, denial: Denial) {
        if self.reported.len() < REFUSALS_REPORTED_MAX && self.reported.insert(destination) {
            let report = Reply::Denied { environment: self.environment, destination, denial };
            // When too many wait, this one is not missed.
            let _ = self.shared.reports.try_send(report);
        }
    }

    fn report_full(&mut self) {
        if !std::mem::replace(&mut self.is_full_reported, true) {
            let _ = self.shared.reports.try_send(Reply::Full { environment: self.environment });
        }
    }
}

fn key(packet: &Packet<'_>, is_tcp: bool) -> Key {
    Key { is_tcp, source_port: packet.source.port(), destination: packet.destination }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use hearth_types::{Random, SeededRandom};
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::oneshot;

    use super::*;
    use crate::address::HOST_ADDRESS;
    use crate::policy::{Outgoing, Policy};

    const PACKETS: usize = 20_000;
    const HEADERS: usize = 40;

    /// A TCP packet that a hostile sandbox might write: the headers lead to a connection, the rest is arbitrary.
    fn packet(random: &SeededRandom, port: u16) -> Vec<u8> {
        let mut dice = [0; 24];
        random.fill(&mut dice);
        let options = usize::from(dice[0] % 11) * 4;
        let payload = usize::from(dice[1]) * usize::from(dice[2] % 8);
        let mut bytes = vec![0; HEADERS + options + payload];
        random.fill(&mut bytes[HEADERS..]);
        let length = u16::try_from(bytes.len()).expect("short");
        bytes[0] = 0x45;
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        bytes[8..10].copy_from_slice(&[64, 6]);
        bytes[12..16].copy_from_slice(&DEVICE_ADDRESS.octets());
        bytes[16..20].copy_from_slice(&HOST_ADDRESS.octets());
        bytes[20..22].copy_from_slice(&(u16::from(dice[3] % 16) + 1_000).to_be_bytes());
        bytes[22..24].copy_from_slice(&port.to_be_bytes());
        // Numbers near each other, so that some fit.
        bytes[24..32].copy_from_slice(&[0, 0, dice[4] % 4, dice[5], 0, 0, dice[6] % 4, dice[7]]);
        bytes[32] = u8::try_from(5 + options / 4).expect("few") << 4;
        const FLAGS: [u8; 8] = [0x02, 0x02, 0x10, 0x18, 0x11, 0x04, 0x14, 0x12];
        bytes[33] = if dice[8] < 16 { dice[9] } else { FLAGS[usize::from(dice[8] % 8)] };
        bytes[34..36].copy_from_slice(&dice[10..12]);
        if dice[12] < 8 {
            let at = usize::from(dice[13]) % bytes.len();
            bytes[at] = dice[14];
        }
        bytes
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whatever_a_sandbox_writes_its_network_goes_on() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("listener");
        let port = listener.local_addr().expect("address").port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut reader, mut writer) = stream.split();
                    let _ = tokio::io::copy(&mut reader, &mut writer).await;
                    let _ = reader.read(&mut [0; 1]).await;
                    let _ = writer.shutdown().await;
                });
            }
        });
        // A socket pair keeps packets apart, as a device does.
        let (device, inside) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::NONBLOCK, None).expect("pair");
        let (device, inside) = (Tun::new(device).expect("device"), Tun::new(inside).expect("device"));
        let policy = Policy::parse(Outgoing::None, &[format!("host.hearth.internal:{port}")]).expect("policy");
        let (reports, _reported) = mpsc::channel(REFUSALS_REPORTED_MAX);
        let shared = Shared { gate: Gate::new(policy), flows: Arc::new(Semaphore::new(FLOWS_MAX)), reports };
        let mut network = SandboxNetwork::new(1, device, shared.clone());
        let (end, ended) = oneshot::channel::<()>();
        let network = tokio::spawn(async move {
            tokio::select! {
                ended = network.serve() => ended.expect("open"),
                _ = ended => {}
            }
            network.end().await;
        });

        let (answers, mut answered) = mpsc::unbounded_channel();
        let reader = inside.clone();
        tokio::spawn(async move {
            let mut buffer = vec![0; PACKET_BYTES_MAX];
            while let Ok(length) = reader.receive(&mut buffer).await {
                let answer = packet::parse(&buffer[..length]).expect("a packet");
                let _ = answers.send(answer.transport == Transport::Icmp);
            }
        });

        let random = SeededRandom::new(4_711);
        for at in 0..PACKETS {
            inside.send(&packet(&random, port));
            if at % 32 == 0 {
                sleep(Duration::from_millis(1)).await;
            }
        }
        // It was no rubbish: connections were accepted and reset.
        assert!(answered.len() > PACKETS / 100, "{} answers", answered.len());
        assert!(!network.is_finished());

        // And it still does what it is for.
        let closed = SocketAddrV4::new(Ipv4Addr::new(1, 1, 1, 1), 53);
        let mut question = vec![0; packet::datagram_length(0).expect("length")];
        packet::emit_datagram(&mut question, SocketAddrV4::new(DEVICE_ADDRESS, 5_353), closed, &[]);
        inside.send(&question);
        timeout(Duration::from_secs(10), async { while answered.recv().await != Some(true) {} })
            .await
            .expect("an answer");
        // Every task ends with it.
        drop(end);
        timeout(Duration::from_secs(10), network).await.expect("it ends").expect("no panic");
        assert_eq!(shared.flows.available_permits(), FLOWS_MAX);
    }
}
