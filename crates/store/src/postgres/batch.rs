//! What goes into one transaction: requests of which no two touch the same key, as the arrays of `hearth.apply`.

use std::collections::{HashMap, VecDeque};

use super::rows::checksum;
use crate::key::{Key, Shard};
use crate::limits::{BATCH_BYTES_MAX, BATCH_REQUESTS_MAX};
use crate::request::{Request, Work};
use crate::store::{Epoch, Mutation, Precondition};

/// No row ever has it: stands for what cannot hold.
const NO_VERSION: i64 = -1;

/// Requests in the order they came.
pub(super) struct Batch {
    pub(super) requests: VecDeque<Request>,
    bytes: usize,
    /// Whether a request changes the key, or all only check it.
    keys: HashMap<Key, bool>,
}

impl Batch {
    pub(super) fn new(first: Request) -> Self {
        let keys = keys(&first.work).map(|(key, changes)| (key.clone(), changes)).collect();
        Self { bytes: first.bytes, requests: VecDeque::from([first]), keys }
    }

    /// Takes one more, or gives it back when it must wait for the next transaction: the database decides on all of a
    /// batch at once, so none of it may depend on another.
    pub(super) fn add(&mut self, request: Request) -> Result<(), Request> {
        let is_lease = |request: &Request| matches!(request.work, Work::Lease { .. });
        let is_full = self.requests.len() >= BATCH_REQUESTS_MAX || self.bytes + request.bytes > BATCH_BYTES_MAX;
        let meets = |(key, changes): (&Key, bool)| self.keys.get(key).is_some_and(|changed| *changed || changes);
        let alone = is_lease(&request) || self.requests.front().is_some_and(is_lease);
        if is_full || alone || keys(&request.work).any(meets) {
            return Err(request);
        }
        for (key, changes) in keys(&request.work) {
            *self.keys.entry(key.clone()).or_default() |= changes;
        }
        self.bytes += request.bytes;
        self.requests.push_back(request);
        Ok(())
    }
}

fn keys(work: &Work) -> impl Iterator<Item = (&Key, bool)> {
    let (preconditions, mutations) = match work {
        Work::Commit { preconditions, mutations, .. } => (preconditions.as_slice(), mutations.as_slice()),
        Work::Lease { .. } => (&[][..], &[][..]),
    };
    let checked = preconditions.iter().map(|precondition| (precondition.key(), false));
    checked.chain(mutations.iter().map(|mutation| (mutation.key(), true)))
}

/// The arguments of `hearth.apply`; see there.
#[derive(Debug, Default)]
pub(super) struct Arguments<'a> {
    pub(super) shards: Vec<&'a [u8]>,
    pub(super) request_shards: Vec<i32>,
    pub(super) request_epochs: Vec<i64>,
    pub(super) request_changes: Vec<bool>,
    pub(super) touch_requests: Vec<i32>,
    pub(super) touch_keys: Vec<&'a [u8]>,
    pub(super) touch_versions: Vec<Option<i64>>,
    pub(super) touch_actions: Vec<i16>,
    pub(super) touch_values: Vec<Option<&'a [u8]>>,
    pub(super) touch_crcs: Vec<Option<i64>>,
}

/// What a request does to one key: what it expects, and the last thing it does.
#[derive(Default)]
struct Touch<'a> {
    version: Option<i64>,
    mutation: Option<&'a Mutation>,
}

impl<'a> Arguments<'a> {
    /// Of commits; leases go another way.
    pub(super) fn of(requests: impl Iterator<Item = &'a Work> + Clone) -> Self {
        let mut arguments = Self::default();
        let shard = |work: &'a Work| match work {
            Work::Commit { shard, .. } | Work::Lease { shard, .. } => shard.as_bytes(),
        };
        arguments.shards = requests.clone().map(shard).collect();
        arguments.shards.sort_unstable();
        arguments.shards.dedup();
        for work in requests {
            if let Work::Commit { shard, epoch, preconditions, mutations } = work {
                arguments.add(shard, *epoch, preconditions, mutations);
            }
        }
        arguments
    }

    fn add(&mut self, shard: &Shard, epoch: Epoch, preconditions: &'a [Precondition], mutations: &'a [Mutation]) {
        let shard = self.shards.partition_point(|other| *other < shard.as_bytes());
        self.request_shards.push(position(shard));
        self.request_epochs.push(i64::try_from(epoch.0).unwrap_or(NO_VERSION));
        self.request_changes.push(!mutations.is_empty());
        let request = position(self.request_epochs.len() - 1);
        for (key, touch) in touches(preconditions, mutations) {
            let (action, value) = match touch.mutation {
                None => (0, None),
                Some(Mutation::Put(_, value)) => (1, Some(&value[..])),
                Some(Mutation::Delete(_)) => (2, None),
            };
            self.touch_requests.push(request);
            self.touch_keys.push(key.as_bytes());
            self.touch_versions.push(touch.version);
            self.touch_actions.push(action);
            self.touch_values.push(value);
            self.touch_crcs.push(value.map(|value| checksum(key.as_bytes(), value)));
        }
    }
}

/// Each key once, in the order of the list.
fn touches<'a>(preconditions: &'a [Precondition], mutations: &'a [Mutation]) -> Vec<(&'a Key, Touch<'a>)> {
    let mut touches: Vec<(&Key, Touch<'_>)> = Vec::with_capacity(preconditions.len() + mutations.len());
    let mut places: HashMap<&Key, usize> = HashMap::new();
    let mut place = |touches: &mut Vec<(&'a Key, Touch<'a>)>, key: &'a Key| {
        *places.entry(key).or_insert_with(|| {
            touches.push((key, Touch::default()));
            touches.len() - 1
        })
    };
    for precondition in preconditions {
        let at = place(&mut touches, precondition.key());
        let wanted = match precondition {
            Precondition::Absent(_) => 0,
            // Nothing that exists has version 0.
            Precondition::Exact(_, version) => match i64::try_from(version.0) {
                Ok(0) | Err(_) => NO_VERSION,
                Ok(version) => version,
            },
        };
        let touch = &mut touches[at].1;
        touch.version = Some(if touch.version.is_none_or(|other| other == wanted) { wanted } else { NO_VERSION });
    }
    for mutation in mutations {
        let at = place(&mut touches, mutation.key());
        touches[at].1.mutation = Some(mutation);
    }
    touches
}

/// As PostgreSQL counts: from 1. A batch and a commit are bounded far below 2^31.
fn position(at: usize) -> i32 {
    i32::try_from(at + 1).unwrap_or(i32::MAX)
}
