//! The log groups and streams that exist: durable in the store, read from memory.
//!
//! ```text
//! read   ──────────────► memory
//! change ─► writer lock ─► store.commit ─► memory
//! ```
//! What never lives here: their events.

mod change;
mod record;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use hearth_store::{Codec, Component, Entry, Key, Record as _, Store, StoreError};
use hearth_types::{Random, Scope};
use parking_lot::RwLock;

use crate::error::LogsError;
use crate::subscription::Subscribed;

pub(crate) use record::{GroupRecord, StreamRecord};

/// A group in memory.
pub(crate) struct Group {
    pub(crate) record: Arc<GroupRecord>,
    scope: Scope,
    streams: BTreeMap<Arc<str>, Arc<StreamRecord>>,
    names: HashMap<u64, Arc<str>>,
}

impl Group {
    fn new(scope: Scope, record: GroupRecord) -> Self {
        Self { record: Arc::new(record), scope, streams: BTreeMap::new(), names: HashMap::new() }
    }

    fn put_stream(&mut self, record: StreamRecord) {
        let name: Arc<str> = record.name.as_str().into();
        self.names.insert(record.id, name.clone());
        self.streams.insert(name, Arc::new(record));
    }

    fn remove_stream(&mut self, name: &str) {
        if let Some(record) = self.streams.remove(name) {
            self.names.remove(&record.id);
        }
    }

    pub(crate) fn stream(&self, name: &str) -> Option<&Arc<StreamRecord>> {
        self.streams.get(name)
    }

    /// In the order of their names.
    pub(crate) fn streams(&self) -> impl DoubleEndedIterator<Item = &Arc<StreamRecord>> {
        self.streams.values()
    }
}

#[derive(Default)]
struct State {
    groups: HashMap<u64, Group>,
    names: HashMap<Scope, BTreeMap<String, u64>>,
    /// Groups that have subscription filters; few do.
    subscribed: HashMap<u64, Arc<Subscribed>>,
    /// Groups of which streams have been deleted whose events are still in segments.
    trimmed: HashSet<u64>,
}

impl State {
    fn group(&self, scope: &Scope, name: &str) -> Option<&Group> {
        self.groups.get(self.names.get(scope)?.get(name)?)
    }

    fn group_mut(&mut self, scope: &Scope, name: &str) -> Option<&mut Group> {
        let id = *self.names.get(scope)?.get(name)?;
        self.groups.get_mut(&id)
    }

    fn put_group(&mut self, scope: &Scope, record: GroupRecord) {
        self.names.entry(scope.clone()).or_default().insert(record.name.clone(), record.id);
        match Subscribed::of(scope, &record) {
            Some(subscribed) => self.subscribed.insert(record.id, Arc::new(subscribed)),
            None => self.subscribed.remove(&record.id),
        };
        match self.groups.get_mut(&record.id) {
            Some(group) => group.record = Arc::new(record),
            None => {
                self.groups.insert(record.id, Group::new(scope.clone(), record));
            }
        }
    }
}

/// The log groups and streams of this server.
pub(crate) struct Directory {
    store: Arc<dyn Store>,
    codec: Arc<Codec>,
    random: Arc<dyn Random>,
    state: RwLock<State>,
    /// Changes go one after the other, so that memory never takes an older state after a newer one.
    writer: tokio::sync::Mutex<()>,
}

impl Directory {
    /// Reads all groups and streams into memory.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn load(
        store: Arc<dyn Store>,
        codec: Arc<Codec>,
        random: Arc<dyn Random>,
    ) -> Result<Self, LogsError> {
        let mut state = State::default();
        let mut orphans: HashMap<Scope, Vec<Key>> = HashMap::new();
        for scope in hearth_store::scopes(&*store).await? {
            let groups = Key::new(&scope, GroupRecord::KIND);
            hearth_store::scan_all(&*store, &groups, |entry| {
                state.put_group(&scope, codec.decode_at(&entry.key, &entry.value)?);
                Ok::<(), LogsError>(())
            })
            .await?;
            let streams = Key::new(&scope, StreamRecord::KIND);
            hearth_store::scan_all(&*store, &streams, |entry| {
                let group = group_of(&entry)?;
                match state.groups.get_mut(&group) {
                    Some(group) => group.put_stream(codec.decode_at(&entry.key, &entry.value)?),
                    // A crash came between the deletion of the group and that of its streams.
                    None => orphans.entry(scope.clone()).or_default().push(entry.key),
                }
                Ok::<(), LogsError>(())
            })
            .await?;
        }
        let this = Self { store, codec, random, state: RwLock::new(state), writer: tokio::sync::Mutex::new(()) };
        for (scope, keys) in orphans {
            this.delete_keys(&scope, keys).await?;
        }
        Ok(this)
    }

    /// The group of that name.
    pub(crate) fn find(&self, scope: &Scope, name: &str) -> Option<Arc<GroupRecord>> {
        self.state.read().group(scope, name).map(|group| group.record.clone())
    }

    /// Up to `limit` groups in the order of their names, from behind the one called `after`, that `wanted` picks.
    pub(crate) fn list(
        &self,
        scope: &Scope,
        after: Option<&str>,
        limit: usize,
        wanted: impl Fn(&GroupRecord) -> bool,
    ) -> Vec<Arc<GroupRecord>> {
        let state = self.state.read();
        let Some(names) = state.names.get(scope) else { return Vec::new() };
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        names
            .range::<str, _>((start, Bound::Unbounded))
            .filter_map(|(_, id)| state.groups.get(id))
            .map(|group| &group.record)
            .filter(|record| wanted(record))
            .take(limit)
            .cloned()
            .collect()
    }

    /// One consistent look at a group and its streams; `None` when there is no such group. `look` must not ask the
    /// directory again: a change that waits would stop both.
    pub(crate) fn look<T>(&self, group: u64, look: impl FnOnce(&Group) -> T) -> Option<T> {
        self.state.read().groups.get(&group).map(look)
    }

    /// The stream of that name.
    pub(crate) fn find_stream(&self, group: u64, name: &str) -> Option<Arc<StreamRecord>> {
        self.look(group, |group| group.stream(name).cloned())?
    }

    /// The name of a stream that exists.
    pub(crate) fn stream_name(&self, group: u64, stream: u64) -> Option<Arc<str>> {
        self.look(group, |group| group.names.get(&stream).cloned())?
    }

    /// What is to be kept of a stream: nothing, when it does not exist, else events from this time on.
    pub(crate) fn keeps(&self, group: u64, stream: u64, now_ms: i64) -> Option<i64> {
        self.look(group, |group| group.names.contains_key(&stream).then(|| group.record.cutoff_ms(now_ms)))?
    }

    /// Whether any group has subscription filters.
    pub(crate) fn is_anything_subscribed(&self) -> bool {
        !self.state.read().subscribed.is_empty()
    }

    /// The group's subscription filters, if it has any.
    pub(crate) fn subscribed(&self, group: u64) -> Option<Arc<Subscribed>> {
        self.state.read().subscribed.get(&group).cloned()
    }

    /// When the events of a group expire; `None` when it does not exist.
    pub(crate) fn cutoff_ms(&self, group: u64, now_ms: i64) -> Option<i64> {
        self.look(group, |group| group.record.cutoff_ms(now_ms))
    }

    /// Groups that lost streams since this was asked last.
    pub(crate) fn take_trimmed(&self) -> HashSet<u64> {
        std::mem::take(&mut self.state.write().trimmed)
    }

    /// Streams that nobody made on purpose and that `is_empty` says have no events.
    pub(crate) fn idle_streams(&self, is_empty: impl Fn(&GroupRecord, &StreamRecord) -> bool) -> Vec<(u64, String)> {
        let state = self.state.read();
        let streams = state.groups.values().flat_map(|group| group.streams().map(move |stream| (group, stream)));
        streams
            .filter(|(group, stream)| stream.is_automatic && is_empty(&group.record, stream))
            .map(|(group, stream)| (group.record.id, stream.name.clone()))
            .collect()
    }
}

/// `…/logs.stream/<group id>/<name>`
fn group_of(entry: &Entry) -> Result<u64, LogsError> {
    match entry.key.components().as_deref() {
        Some([.., Component::Number(group), Component::Text(_)]) => Ok(*group),
        _ => Err(StoreError::Damaged(format!("{:?} is no key of a log stream", entry.key)).into()),
    }
}
