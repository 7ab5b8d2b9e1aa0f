//! Message groups, and which of them has something to offer.
//!
//! Messages of a standard queue without a group are one group that never waits for its own messages in flight.

use std::collections::{BTreeSet, HashMap};

use super::MessageKey;
use super::key_set::KeySet;

/// The group of messages without one.
const NONE: u32 = 0;

#[derive(Debug, Default)]
struct Group {
    name: Option<Box<str>>,
    /// Standard: what is ready. FIFO: all there is, in order.
    members: KeySet,
    in_flight: u32,
    /// Messages in any state.
    live: u32,
    /// Its place among those that offer something.
    offered: Option<(u32, MessageKey)>,
}

#[derive(Debug)]
pub(super) struct Groups {
    is_fifo: bool,
    by_name: HashMap<Box<str>, u32>,
    groups: Vec<Group>,
    free: Vec<u32>,
    /// By messages in flight, then by the first message.
    offers: BTreeSet<(u32, MessageKey, u32)>,
}

impl Groups {
    pub(super) fn new(is_fifo: bool) -> Self {
        Self {
            is_fifo,
            by_name: HashMap::new(),
            groups: vec![Group::default()],
            free: Vec::new(),
            offers: BTreeSet::new(),
        }
    }

    /// A message comes in; answers its group.
    pub(super) fn enter(&mut self, name: Option<&str>, key: MessageKey) -> u32 {
        let group = match name {
            None => NONE,
            Some(name) => match self.by_name.get(name) {
                Some(group) => *group,
                None => self.make(name),
            },
        };
        self.groups[group as usize].live += 1;
        if self.is_fifo {
            self.groups[group as usize].members.insert(key);
        }
        group
    }

    fn make(&mut self, name: &str) -> u32 {
        let fresh = Group { name: Some(name.into()), ..Group::default() };
        let group = match self.free.pop() {
            Some(group) => {
                self.groups[group as usize] = fresh;
                group
            }
            None => {
                self.groups.push(fresh);
                (self.groups.len() - 1) as u32
            }
        };
        self.by_name.insert(name.into(), group);
        group
    }

    pub(super) fn ready(&mut self, group: u32, key: MessageKey) {
        self.groups[group as usize].members.insert(key);
    }

    /// Ready no longer; a FIFO group keeps its place.
    pub(super) fn unready(&mut self, group: u32, key: MessageKey) {
        if !self.is_fifo {
            self.groups[group as usize].members.remove(key);
        }
    }

    /// Into flight.
    pub(super) fn start(&mut self, group: u32, key: MessageKey) {
        self.unready(group, key);
        self.groups[group as usize].in_flight += 1;
    }

    /// Out of flight.
    pub(super) fn stop(&mut self, group: u32) {
        let group = &mut self.groups[group as usize];
        group.in_flight = group.in_flight.saturating_sub(1);
    }

    /// A message is gone, and with the last one its group.
    pub(super) fn exit(&mut self, group: u32, key: MessageKey, is_ready: impl Fn(&MessageKey) -> bool) {
        let of_group = &mut self.groups[group as usize];
        of_group.members.remove(key);
        of_group.live -= 1;
        let is_last = of_group.live == 0;
        self.refresh(group, is_ready);
        if is_last && group != NONE {
            if let Some(name) = self.groups[group as usize].name.take() {
                self.by_name.remove(&name);
            }
            self.free.push(group);
        }
    }

    /// The group that is to give next, and its first message.
    pub(super) fn first(&self) -> Option<(u32, MessageKey)> {
        self.offers.first().map(|&(_, key, group)| (group, key))
    }

    /// The next message of a FIFO group.
    pub(super) fn after(&self, group: u32, key: MessageKey) -> Option<MessageKey> {
        self.groups[group as usize].members.after(key)
    }

    pub(super) fn refresh(&mut self, group: u32, is_ready: impl Fn(&MessageKey) -> bool) {
        let of_group = &self.groups[group as usize];
        let first = of_group.members.first();
        let offer = match first {
            Some(key) if self.is_fifo => (of_group.in_flight == 0 && is_ready(&key)).then_some((0, key)),
            Some(key) if group == NONE => Some((0, key)),
            Some(key) => Some((of_group.in_flight, key)),
            None => None,
        };
        if offer != of_group.offered {
            if let Some((rank, key)) = of_group.offered {
                self.offers.remove(&(rank, key, group));
            }
            if let Some((rank, key)) = offer {
                self.offers.insert((rank, key, group));
            }
            self.groups[group as usize].offered = offer;
        }
    }
}
