//! The network of one sandbox: reads its device, knows its flows, starts and ends their tasks. Everything of a sandbox
//! lives in this one task and its children; dropping it ends them all.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::SocketAddrV4;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{AbortHandle, Id, JoinSet, yield_now};

use crate::address::DEVICE_ADDRESS;
use crate::gate::Gate;
use crate::limits::{FLOWS_MAX, PACKETS_PER_TURN, REFUSALS_REPORTED_MAX, TCP_PACKETS_WAITING_MAX, UDP_EVICTION_IDLE};
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
        }
    }

    /// Serves until the device is gone.
    pub(crate) async fn serve(mut self) -> io::Result<()> {
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
                    self.handle(&buffer[..length]).await;
                }
            }
            turn += 1;
            if turn == PACKETS_PER_TURN {
                turn = 0;
                yield_now().await;
            }
        }
    }

    async fn handle(&mut self, bytes: &[u8]) {
        let Some(packet) = packet::parse(bytes) else { return };
        // Nobody else lives there.
        if *packet.source.ip() != DEVICE_ADDRESS {
            return;
        }
        match packet.transport {
            Transport::Tcp(flags) => {
                let key = key(&packet, true);
                if let Some(Flow::Tcp(packets)) = self.flows.get(&key)
                    // Waiting is right: the task takes them at once, and until then they wait in the device.
                    && packets.send(bytes.to_owned()).await.is_ok()
                {
                    return;
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
                    Some(Flow::Udp(flow, _)) => flow.send(payload),
                    _ => self.open_udp(key, &packet, payload, bytes),
                }
            }
            // No echo: an ordinary user of the host may not send one, and who waits for it sees a time-out as on Lambda.
            Transport::Icmp => {}
            Transport::Other => self.refuse(bytes, Refusal::Protocol),
        }
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
