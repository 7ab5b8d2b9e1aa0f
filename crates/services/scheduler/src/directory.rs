//! The schedules and groups that exist: durable in the store, read from memory. Changes are durable first.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use hearth_delivery::timetable::Name;
use hearth_store::{Epoch, Key, Mutation, Record, scan_all};
use hearth_types::{Scope, random};

use crate::error::SchedulerError;
use crate::limits::{DEFAULT_GROUP, DELETIONS_KNOWN, GROUPS_MAX, SCHEDULES_MAX};
use crate::record::{GroupRecord, ScheduleRecord, group_key, groups, schedule_key, schedules, shard};
use crate::settings::{ActionAfterCompletion, Settings, State};
use crate::{Place, Scheduler};

/// Mutations of one commit, when a group goes with its schedules.
const DELETIONS: usize = 1_000;

/// On the timetable.
fn name(scope: &Scope, group: &str, name: &str) -> Name {
    Name { scope: scope.clone(), name: format!("{group}/{name}") }
}

/// Group and name of what [`name`] called so.
pub(crate) fn place_of(name: &str) -> Option<(&str, &str)> {
    name.split_once('/')
}

impl Scheduler {
    pub(crate) fn find(&self, scope: &Scope, group: &str, name: &str) -> Option<Arc<ScheduleRecord>> {
        self.schedules.read().get(scope)?.get(&(group.to_owned(), name.to_owned())).cloned()
    }

    /// The default group is there always.
    pub(crate) fn find_group(&self, scope: &Scope, name: &str) -> Option<Arc<GroupRecord>> {
        let known = self.groups.read().get(scope).and_then(|groups| groups.get(name).cloned());
        known.or_else(|| (name == DEFAULT_GROUP).then(|| Arc::new(default_group())))
    }

    /// Up to `limit` schedules that are wanted, by group and name, from behind `after`.
    pub(crate) fn list(
        &self,
        scope: &Scope,
        after: Option<&Place>,
        limit: usize,
        is_wanted: impl Fn(&ScheduleRecord) -> bool,
    ) -> Vec<Arc<ScheduleRecord>> {
        let schedules = self.schedules.read();
        let Some(schedules) = schedules.get(scope) else { return Vec::new() };
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let found = schedules.range::<Place, _>((start, Bound::Unbounded)).map(|(_, schedule)| schedule);
        found.filter(|schedule| is_wanted(schedule)).take(limit).cloned().collect()
    }

    pub(crate) fn list_groups(
        &self,
        scope: &Scope,
        after: Option<&str>,
        limit: usize,
        prefix: &str,
    ) -> Vec<Arc<GroupRecord>> {
        let mut groups = self.groups.read().get(scope).cloned().unwrap_or_default();
        groups.entry(DEFAULT_GROUP.to_owned()).or_insert_with(|| Arc::new(default_group()));
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let found = groups.range::<str, _>((start, Bound::Unbounded)).filter(|(name, _)| name.starts_with(prefix));
        found.take(limit).map(|(_, group)| group.clone()).collect()
    }

    /// Makes a schedule. What the same request has made already is left as it is.
    ///
    /// # Errors
    /// [`SchedulerError::NotFound`] of its group, [`SchedulerError::Conflict`], [`SchedulerError::Quota`], or the store's.
    pub(crate) async fn create(
        &self,
        scope: &Scope,
        (group, name): (&str, &str),
        settings: Settings,
        client_token: Option<String>,
    ) -> Result<(), SchedulerError> {
        let _writer = self.writer.lock().await;
        self.find_group(scope, group).ok_or_else(|| SchedulerError::no_group(group))?;
        if let Some(known) = self.find(scope, group, name) {
            let is_same = client_token.is_some() && known.client_token == client_token && known.settings == settings;
            let conflict = || SchedulerError::Conflict(format!("Schedule {name} already exists."));
            return if is_same { Ok(()) } else { Err(conflict()) };
        }
        if self.schedules.read().get(scope).is_some_and(|schedules| schedules.len() >= SCHEDULES_MAX) {
            return Err(SchedulerError::Quota(format!("There are {SCHEDULES_MAX} schedules already.")));
        }
        let now_ms = self.wall.now_ms();
        let record = ScheduleRecord {
            group: group.to_owned(),
            name: name.to_owned(),
            settings,
            life: random::uuid(&*self.random),
            since_ms: self.outbox.now_ms(),
            created_ms: now_ms,
            modified_ms: now_ms,
            client_token,
        };
        self.put_schedule(scope, record).await
    }

    /// Sets a schedule anew.
    ///
    /// # Errors
    /// [`SchedulerError::NotFound`], or the store's.
    pub(crate) async fn update(
        &self,
        scope: &Scope,
        (group, name): (&str, &str),
        settings: Settings,
    ) -> Result<(), SchedulerError> {
        let _writer = self.writer.lock().await;
        let before = self.find(scope, group, name).ok_or_else(|| SchedulerError::no_schedule(name))?;
        let record = ScheduleRecord {
            settings,
            life: random::uuid(&*self.random),
            since_ms: self.outbox.now_ms(),
            modified_ms: self.wall.now_ms(),
            ..(*before).clone()
        };
        self.put_schedule(scope, record).await
    }

    async fn put_schedule(&self, scope: &Scope, record: ScheduleRecord) -> Result<(), SchedulerError> {
        let put = self.put(schedule_key(scope, &record.group, &record.name), &record)?;
        self.commit(scope, vec![put]).await?;
        self.enter(scope, record);
        Ok(())
    }

    /// Into memory and on the timetable.
    fn enter(&self, scope: &Scope, record: ScheduleRecord) -> bool {
        let (name, timed) = (name(scope, &record.group, &record.name), record.timed());
        let place = (record.group.clone(), record.name.clone());
        self.schedules.write().entry(scope.clone()).or_default().insert(place, Arc::new(record));
        if let Some(timed) = timed {
            self.timetable.set(name, timed)
        } else {
            self.timetable.remove(&name);
            true
        }
    }

    /// # Errors
    /// [`SchedulerError::NotFound`], or the store's.
    pub(crate) async fn delete(&self, scope: &Scope, group: &str, name: &str) -> Result<(), SchedulerError> {
        let _writer = self.writer.lock().await;
        self.find(scope, group, name).ok_or_else(|| SchedulerError::no_schedule(name))?;
        self.remove_schedule(scope, group, name).await
    }

    /// Deletes a schedule after its last invocation, unless it was set anew meanwhile.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn complete_schedule(
        &self,
        scope: &Scope,
        group: &str,
        name: &str,
        life: &str,
    ) -> Result<(), SchedulerError> {
        let _writer = self.writer.lock().await;
        match self.find(scope, group, name).filter(|known| known.life == life) {
            Some(_) => self.remove_schedule(scope, group, name).await,
            None => Ok(()),
        }
    }

    async fn remove_schedule(&self, scope: &Scope, group: &str, schedule: &str) -> Result<(), SchedulerError> {
        self.commit(scope, vec![Mutation::Delete(schedule_key(scope, group, schedule))]).await?;
        self.forget(scope, group, schedule);
        Ok(())
    }

    fn forget(&self, scope: &Scope, group: &str, schedule: &str) {
        if let Some(schedules) = self.schedules.write().get_mut(scope) {
            schedules.remove(&(group.to_owned(), schedule.to_owned()));
        }
        self.timetable.remove(&name(scope, group, schedule));
    }

    /// Makes a group. What the same request has made already is left as it is.
    ///
    /// # Errors
    /// [`SchedulerError::Conflict`], [`SchedulerError::Quota`], or the store's.
    pub(crate) async fn create_group(
        &self,
        scope: &Scope,
        name: &str,
        tags: BTreeMap<String, String>,
        client_token: Option<String>,
    ) -> Result<(), SchedulerError> {
        let _writer = self.writer.lock().await;
        if let Some(known) = self.find_group(scope, name) {
            let is_same = client_token.is_some() && known.client_token == client_token && known.tags == tags;
            let conflict = || SchedulerError::Conflict(format!("Schedule group {name} already exists."));
            return if is_same { Ok(()) } else { Err(conflict()) };
        }
        if self.groups.read().get(scope).is_some_and(|groups| groups.len() >= GROUPS_MAX) {
            return Err(SchedulerError::Quota(format!("There are {GROUPS_MAX} schedule groups already.")));
        }
        let now_ms = self.wall.now_ms();
        let (created_ms, modified_ms) = (now_ms, now_ms);
        self.put_group(scope, GroupRecord { name: name.to_owned(), tags, created_ms, modified_ms, client_token }).await
    }

    /// Changes a group's tags.
    ///
    /// # Errors
    /// [`SchedulerError::NotFound`], what `edit` refuses, or the store's.
    pub(crate) async fn edit_tags(
        &self,
        scope: &Scope,
        name: &str,
        edit: impl FnOnce(&mut BTreeMap<String, String>) -> Result<(), SchedulerError>,
    ) -> Result<(), SchedulerError> {
        let _writer = self.writer.lock().await;
        let group = self.find_group(scope, name).ok_or_else(|| SchedulerError::no_group(name))?;
        let mut record = GroupRecord { modified_ms: self.wall.now_ms(), ..(*group).clone() };
        edit(&mut record.tags)?;
        self.put_group(scope, record).await
    }

    async fn put_group(&self, scope: &Scope, record: GroupRecord) -> Result<(), SchedulerError> {
        self.commit(scope, vec![self.put(group_key(scope, &record.name), &record)?]).await?;
        self.groups.write().entry(scope.clone()).or_default().insert(record.name.clone(), Arc::new(record));
        Ok(())
    }

    /// Deletes a group and its schedules.
    ///
    /// # Errors
    /// [`SchedulerError::NotFound`], or the store's.
    pub(crate) async fn delete_group(&self, scope: &Scope, group: &str) -> Result<(), SchedulerError> {
        let _writer = self.writer.lock().await;
        self.find_group(scope, group).ok_or_else(|| SchedulerError::no_group(group))?;
        let schedules = self.list(scope, None, usize::MAX, |schedule| schedule.group == group);
        // The group last: a crash between commits leaves a group with fewer schedules, and its deletion unsaid.
        for schedules in schedules.chunks(DELETIONS) {
            let keys = schedules.iter().map(|schedule| schedule_key(scope, group, &schedule.name));
            self.commit(scope, keys.map(Mutation::Delete).collect()).await?;
            schedules.iter().for_each(|schedule| self.forget(scope, group, &schedule.name));
        }
        self.commit(scope, vec![Mutation::Delete(group_key(scope, group))]).await?;
        if let Some(groups) = self.groups.write().get_mut(scope) {
            groups.remove(group);
        }
        Ok(())
    }

    /// Whether a deletion of that token has been answered already.
    pub(crate) fn has_deleted(&self, token: Option<&str>) -> bool {
        token.is_some_and(|token| self.deletions.lock().iter().any(|known| known == token))
    }

    pub(crate) fn remember_deletion(&self, token: Option<String>) {
        let mut known = self.deletions.lock();
        known.extend(token);
        if known.len() > DELETIONS_KNOWN {
            known.pop_front();
        }
    }

    fn put<R: Record>(&self, key: Key, record: &R) -> Result<Mutation, SchedulerError> {
        let bytes = self.codec.encode_at(&key, record)?;
        Ok(Mutation::Put(key, bytes))
    }

    async fn commit(&self, scope: &Scope, mutations: Vec<Mutation>) -> Result<(), SchedulerError> {
        Ok(self.store.commit(&shard(scope), Epoch::default(), Vec::new(), mutations).await.map(drop)?)
    }

    /// Reads all schedules and groups into memory.
    ///
    /// # Errors
    /// The store's, or a record is of a newer Hearth.
    pub(crate) async fn load(&self) -> Result<(), SchedulerError> {
        for scope in hearth_store::scopes(&*self.store).await? {
            if scope.region.is_none() {
                continue;
            }
            scan_all(&*self.store, &groups(&scope), |entry| {
                let record = self.codec.decode_at::<GroupRecord>(&entry.key, &entry.value)?;
                self.groups.write().entry(scope.clone()).or_default().insert(record.name.clone(), Arc::new(record));
                Ok::<_, SchedulerError>(())
            })
            .await?;
            let mut over = Vec::new();
            scan_all(&*self.store, &schedules(&scope), |entry| {
                let record = self.codec.decode_at::<ScheduleRecord>(&entry.key, &entry.value)?;
                let place = (record.group.clone(), record.name.clone());
                let Settings { state, action_after_completion, .. } = record.settings;
                let goes = state == State::Enabled && action_after_completion == ActionAfterCompletion::Delete;
                if !self.enter(&scope, record) && goes {
                    over.push(place);
                }
                Ok::<_, SchedulerError>(())
            })
            .await?;
            // Completed, and a crash came before the deletion.
            for (group, name) in over {
                self.remove_schedule(&scope, &group, &name).await?;
            }
        }
        Ok(())
    }
}

fn default_group() -> GroupRecord {
    let name = DEFAULT_GROUP.to_owned();
    GroupRecord { name, tags: BTreeMap::new(), created_ms: 0, modified_ms: 0, client_token: None }
}
