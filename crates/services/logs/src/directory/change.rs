//! Changes of the directory: durable first, then visible.

use std::collections::HashMap;

use hearth_store::{Epoch, Key, Mutation, Record, Shard};
use hearth_types::Scope;

use super::{Directory, Group, GroupRecord, State, StreamRecord};
use crate::error::LogsError;

/// Log groups of one account and region. Source: "CloudWatch Logs quotas".
const GROUPS_MAX: usize = 1_000_000;
/// Records deleted by one commit.
const DELETE_KEYS_MAX: usize = 1_024;

fn group_key(scope: &Scope, name: &str) -> Key {
    Key::new(scope, GroupRecord::KIND).part(name)
}

fn stream_key(scope: &Scope, group: u64, name: &str) -> Key {
    Key::new(scope, StreamRecord::KIND).part_u64(group).part(name)
}

impl Directory {
    /// Makes a group; `fill` sets what it is given beside its name.
    ///
    /// # Errors
    /// [`LogsError::GroupExists`], [`LogsError::LimitExceeded`], or the store's.
    pub(crate) async fn create_group(
        &self,
        scope: &Scope,
        name: &str,
        now_ms: i64,
        fill: impl FnOnce(&mut GroupRecord),
    ) -> Result<(), LogsError> {
        let _writer = self.writer.lock().await;
        let mut record = self.new_group(scope, name, now_ms)?;
        fill(&mut record);
        self.commit(scope, vec![self.put(group_key(scope, name), &record)?]).await?;
        self.state.write().put_group(scope, record);
        Ok(())
    }

    fn new_group(&self, scope: &Scope, name: &str, now_ms: i64) -> Result<GroupRecord, LogsError> {
        let state = self.state.read();
        if state.group(scope, name).is_some() {
            return Err(LogsError::GroupExists);
        }
        if state.names.get(scope).is_some_and(|names| names.len() >= GROUPS_MAX) {
            return Err(LogsError::LimitExceeded);
        }
        Ok(GroupRecord {
            name: name.to_owned(),
            id: self.new_id(),
            created_at_ms: now_ms,
            retention_days: None,
            tags: std::collections::BTreeMap::new(),
            subscription_filters: Vec::new(),
        })
    }

    /// Applies `edit` to a group's record.
    ///
    /// # Errors
    /// [`LogsError::NoSuchGroup`], what `edit` refuses, or the store's.
    pub(crate) async fn edit_group(
        &self,
        scope: &Scope,
        name: &str,
        edit: impl FnOnce(&mut GroupRecord) -> Result<(), LogsError>,
    ) -> Result<(), LogsError> {
        let _writer = self.writer.lock().await;
        let before = self.find(scope, name).ok_or(LogsError::NoSuchGroup)?;
        let mut record = GroupRecord::clone(&before);
        edit(&mut record)?;
        if record != *before {
            self.commit(scope, vec![self.put(group_key(scope, name), &record)?]).await?;
            self.state.write().put_group(scope, record);
        }
        Ok(())
    }

    /// Deletes a group with its streams; answers their ids and the group's.
    ///
    /// # Errors
    /// [`LogsError::NoSuchGroup`], or the store's.
    pub(crate) async fn delete_group(&self, scope: &Scope, name: &str) -> Result<(u64, Vec<u64>), LogsError> {
        let _writer = self.writer.lock().await;
        let id = self.find(scope, name).ok_or(LogsError::NoSuchGroup)?.id;
        // The group first: without it, what is left of its streams after a crash belongs to nobody.
        self.commit(scope, vec![Mutation::Delete(group_key(scope, name))]).await?;
        let group = {
            let mut state = self.state.write();
            if let Some(names) = state.names.get_mut(scope) {
                names.remove(name);
            }
            state.trimmed.remove(&id);
            state.subscribed.remove(&id);
            state.groups.remove(&id)
        };
        let Some(group) = group else { return Err(LogsError::NoSuchGroup) };
        let keys = group.streams().map(|stream| stream_key(scope, id, &stream.name)).collect();
        if let Err(error) = self.delete_keys(scope, keys).await {
            tracing::warn!(%error, "the streams of a deleted log group are deleted with the next start");
        }
        Ok((id, group.streams().map(|stream| stream.id).collect()))
    }

    /// Makes a stream.
    ///
    /// # Errors
    /// [`LogsError::NoSuchGroup`], [`LogsError::StreamExists`], or the store's.
    pub(crate) async fn create_stream(
        &self,
        scope: &Scope,
        group: &str,
        name: &str,
        now_ms: i64,
    ) -> Result<(), LogsError> {
        let _writer = self.writer.lock().await;
        let group = self.find(scope, group).ok_or(LogsError::NoSuchGroup)?;
        if self.find_stream(group.id, name).is_some() {
            return Err(LogsError::StreamExists);
        }
        let record = self.new_stream(name, now_ms, false);
        self.commit(scope, vec![self.put(stream_key(scope, group.id, name), &record)?]).await?;
        if let Some(group) = self.state.write().groups.get_mut(&group.id) {
            group.put_stream(record);
        }
        Ok(())
    }

    /// Deletes streams of a group, those that are there; answers their ids.
    ///
    /// # Errors
    /// [`LogsError::NoSuchGroup`], or the store's.
    pub(crate) async fn delete_streams(&self, group: u64, names: &[String]) -> Result<Vec<u64>, LogsError> {
        let _writer = self.writer.lock().await;
        let find = |group: &Group| {
            let found = names.iter().filter_map(|name| group.stream(name).cloned()).collect::<Vec<_>>();
            (group.scope.clone(), found)
        };
        let (scope, found) = self.look(group, find).ok_or(LogsError::NoSuchGroup)?;
        let keys = found.iter().map(|stream| stream_key(&scope, group, &stream.name)).collect();
        self.delete_keys(&scope, keys).await?;
        let mut state = self.state.write();
        if let Some(group) = state.groups.get_mut(&group) {
            found.iter().for_each(|stream| group.remove_stream(&stream.name));
        }
        state.trimmed.insert(group);
        Ok(found.iter().map(|stream| stream.id).collect())
    }

    /// The ids of these streams and their groups, which are made where they are not there: one commit for all that are
    /// new in one scope.
    ///
    /// # Errors
    /// [`LogsError::LimitExceeded`], or the store's.
    pub(crate) async fn ensure(
        &self,
        wanted: &[(&Scope, &str, &str)],
        now_ms: i64,
    ) -> Result<Vec<(u64, u64)>, LogsError> {
        if let Some(ids) = self.ids(wanted) {
            return Ok(ids);
        }
        let _writer = self.writer.lock().await;
        let mut changes: HashMap<&Scope, Changes> = HashMap::new();
        for &(scope, group, stream) in wanted {
            let changes = changes.entry(scope).or_default();
            let known = self.find(scope, group).map(|record| record.id);
            let group_id = match known.or_else(|| changes.groups.get(group).map(|record| record.id)) {
                Some(id) => id,
                None => {
                    let record = self.new_group(scope, group, now_ms)?;
                    let id = record.id;
                    changes.mutations.push(self.put(group_key(scope, group), &record)?);
                    changes.groups.insert(group.to_owned(), record);
                    id
                }
            };
            let key = (group.to_owned(), stream.to_owned());
            if self.find_stream(group_id, stream).is_none() && !changes.streams.contains_key(&key) {
                let record = self.new_stream(stream, now_ms, true);
                changes.mutations.push(self.put(stream_key(scope, group_id, stream), &record)?);
                changes.streams.insert(key, record);
            }
        }
        for (scope, changes) in changes {
            self.commit(scope, changes.mutations).await?;
            let mut state = self.state.write();
            changes.groups.into_values().for_each(|record| state.put_group(scope, record));
            for ((group, _), record) in changes.streams {
                if let Some(group) = state.group_mut(scope, &group) {
                    group.put_stream(record);
                }
            }
        }
        self.ids(wanted).ok_or(LogsError::NoSuchGroup)
    }

    fn ids(&self, wanted: &[(&Scope, &str, &str)]) -> Option<Vec<(u64, u64)>> {
        let state = self.state.read();
        let id = |state: &State, scope: &Scope, group: &str, stream: &str| {
            let group = state.group(scope, group)?;
            Some((group.record.id, group.stream(stream)?.id))
        };
        wanted.iter().map(|&(scope, group, stream)| id(&state, scope, group, stream)).collect()
    }

    pub(super) async fn delete_keys(&self, scope: &Scope, keys: Vec<Key>) -> Result<(), LogsError> {
        let mut keys = keys.into_iter().peekable();
        while keys.peek().is_some() {
            let mutations = keys.by_ref().take(DELETE_KEYS_MAX).map(Mutation::Delete).collect();
            self.commit(scope, mutations).await?;
        }
        Ok(())
    }

    async fn commit(&self, scope: &Scope, mutations: Vec<Mutation>) -> Result<(), LogsError> {
        if !mutations.is_empty() {
            self.store.commit(&Shard::new(scope, "logs"), Epoch::default(), Vec::new(), mutations).await?;
        }
        Ok(())
    }

    fn put<R: Record>(&self, key: Key, record: &R) -> Result<Mutation, LogsError> {
        let bytes = self.codec.encode_at(&key, record)?;
        Ok(Mutation::Put(key, bytes))
    }

    fn new_stream(&self, name: &str, now_ms: i64, is_automatic: bool) -> StreamRecord {
        StreamRecord { name: name.to_owned(), id: self.new_id(), created_at_ms: now_ms, is_automatic }
    }

    /// Nobody will ever have had it: of 2^63 numbers.
    fn new_id(&self) -> u64 {
        let mut raw = [0; 8];
        self.random.fill(&mut raw);
        u64::from_le_bytes(raw) >> 1
    }
}

/// What is new in one scope.
#[derive(Default)]
struct Changes {
    mutations: Vec<Mutation>,
    groups: HashMap<String, GroupRecord>,
    /// By group and name.
    streams: HashMap<(String, String), StreamRecord>,
}
