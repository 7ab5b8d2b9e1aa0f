//! The buses and rules that exist: durable in the store, read from memory. Changes are durable first.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use hearth_store::{Epoch, Key, Mutation, Record, scan_all};
use hearth_types::Scope;

use crate::EventBridge;
use crate::arn::DEFAULT_BUS;
use crate::bus::{Bus, Description};
use crate::error::EventsError;
use crate::limits::{BUSES_MAX, RULES_MAX};
use crate::record::{BusRecord, RuleRecord, bus_key, buses, rule_key, rules, shard};
use crate::rule::Rule;

impl EventBridge {
    /// The default bus of an account and region is always there.
    pub(crate) fn find(&self, scope: &Scope, name: &str) -> Option<Arc<Bus>> {
        if let Some(bus) = self.buses.read().get(scope).and_then(|buses| buses.get(name)) {
            return Some(bus.clone());
        }
        if name != DEFAULT_BUS {
            return None;
        }
        let record = BusRecord { name: name.to_owned(), ..BusRecord::default() };
        let bus = Arc::new(Bus::new(scope, record).ok()?);
        let mut all = self.buses.write();
        Some(all.entry(scope.clone()).or_default().entry(name.to_owned()).or_insert(bus).clone())
    }

    /// Up to `limit` buses by name, from behind `after`, whose names begin so.
    pub(crate) fn list(&self, scope: &Scope, prefix: &str, after: Option<&str>, limit: usize) -> Vec<Arc<Bus>> {
        self.find(scope, DEFAULT_BUS);
        let all = self.buses.read();
        let Some(all) = all.get(scope) else { return Vec::new() };
        let behind = all.range::<str, _>((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
        let named = behind.filter(|(name, _)| name.starts_with(prefix)).map(|(_, bus)| bus.clone());
        named.take(limit).collect()
    }

    /// # Errors
    /// [`EventsError::AlreadyExists`], [`EventsError::LimitExceeded`], or the store's.
    pub(crate) async fn create_bus(
        &self,
        scope: &Scope,
        name: &str,
        description: Option<String>,
        tags: BTreeMap<String, String>,
    ) -> Result<Arc<Bus>, EventsError> {
        let _writer = self.writer.lock().await;
        if self.find(scope, name).is_some() {
            return Err(EventsError::AlreadyExists(format!("Event bus {name} already exists.")));
        }
        if self.buses.read().get(scope).is_some_and(|buses| buses.len() >= BUSES_MAX) {
            return Err(EventsError::LimitExceeded);
        }
        let now_ms = self.wall.now_ms();
        let (created_ms, modified_ms) = (now_ms, now_ms);
        let record = BusRecord { name: name.to_owned(), description, policy: None, tags, created_ms, modified_ms };
        let put = self.put(bus_key(scope, name), &record)?;
        let bus = Arc::new(Bus::new(scope, record)?);
        self.commit(scope, vec![put]).await?;
        self.insert(bus.clone());
        Ok(bus)
    }

    fn insert(&self, bus: Arc<Bus>) {
        self.buses.write().entry(bus.scope.clone()).or_default().insert(bus.name.clone(), bus);
    }

    /// Changes what a bus is set to.
    ///
    /// # Errors
    /// [`EventsError::NotFound`] when it is deleted meanwhile, what `edit` refuses, or the store's.
    pub(crate) async fn edit_bus(
        &self,
        bus: &Bus,
        edit: impl FnOnce(&mut BusRecord) -> Result<(), EventsError>,
    ) -> Result<(), EventsError> {
        let _writer = self.writer.lock().await;
        self.still_there(bus)?;
        let before = bus.describe();
        let mut record = before.record.clone();
        edit(&mut record)?;
        if record != before.record {
            record.modified_ms = self.wall.now_ms();
            let description = Description::new(record)?;
            self.commit(&bus.scope, vec![self.put(bus_key(&bus.scope, &bus.name), &description.record)?]).await?;
            bus.set_description(description);
        }
        Ok(())
    }

    /// # Errors
    /// [`EventsError::Validation`] for a bus that has rules, or the store's.
    pub(crate) async fn delete_bus(&self, bus: &Bus) -> Result<(), EventsError> {
        let _writer = self.writer.lock().await;
        if bus.rules_count() > 0 {
            return Err(EventsError::validation("Event bus can't be deleted since it has rules."));
        }
        self.commit(&bus.scope, vec![Mutation::Delete(bus_key(&bus.scope, &bus.name))]).await?;
        if let Some(buses) = self.buses.write().get_mut(&bus.scope) {
            buses.remove(&bus.name);
        }
        Ok(())
    }

    /// Makes a rule, or changes it; one that is as it was is not written.
    ///
    /// # Errors
    /// [`EventsError::NotFound`] when the bus is deleted meanwhile, what `edit` refuses, those of rules and limits, or the
    /// store's.
    pub(crate) async fn edit_rule(
        &self,
        bus: &Bus,
        name: &str,
        edit: impl FnOnce(Option<&RuleRecord>) -> Result<RuleRecord, EventsError>,
    ) -> Result<Arc<Rule>, EventsError> {
        let _writer = self.writer.lock().await;
        self.still_there(bus)?;
        let before = bus.rule(name);
        let before_record = before.as_ref().map(|rule| &rule.record);
        let mut record = edit(before_record)?;
        self.begin_schedule(&mut record, before_record);
        match before {
            Some(before) if before.record == record => return Ok(before),
            None if bus.rules_count() >= RULES_MAX => return Err(EventsError::LimitExceeded),
            _ => {}
        }
        let rule = Arc::new(Rule::new(&bus.scope, record)?);
        self.commit(&bus.scope, vec![self.put(rule_key(&bus.scope, &bus.name, name), &rule.record)?]).await?;
        bus.put_rule(rule.clone());
        if bus.is_default() {
            self.schedule_rule(&bus.scope, &rule);
        }
        Ok(rule)
    }

    /// # Errors
    /// [`EventsError::Validation`] for a rule that has targets, or the store's.
    pub(crate) async fn delete_rule(&self, bus: &Bus, name: &str) -> Result<(), EventsError> {
        let _writer = self.writer.lock().await;
        let Some(rule) = bus.rule(name) else { return Ok(()) };
        if !rule.record.targets.is_empty() {
            // Recorded.
            return Err(EventsError::validation("Rule can't be deleted since it has targets."));
        }
        self.commit(&bus.scope, vec![Mutation::Delete(rule_key(&bus.scope, &bus.name, name))]).await?;
        bus.remove_rule(name);
        if bus.is_default() {
            self.unschedule_rule(&bus.scope, name);
        }
        Ok(())
    }

    /// To be called by who holds the writer's lock.
    pub(crate) fn still_there(&self, bus: &Bus) -> Result<(), EventsError> {
        let found = self.find(&bus.scope, &bus.name);
        match found.filter(|found| std::ptr::eq(&raw const **found, &raw const *bus)) {
            Some(_) => Ok(()),
            None => Err(EventsError::no_bus(&bus.name)),
        }
    }

    pub(crate) fn put<R: Record>(&self, key: Key, record: &R) -> Result<Mutation, EventsError> {
        let bytes = self.codec.encode_at(&key, record)?;
        Ok(Mutation::Put(key, bytes))
    }

    pub(crate) async fn commit(&self, scope: &Scope, mutations: Vec<Mutation>) -> Result<(), EventsError> {
        Ok(self.store.commit(&shard(scope), Epoch::default(), Vec::new(), mutations).await.map(drop)?)
    }

    /// Reads everything into memory.
    ///
    /// # Errors
    /// The store's, or a record is of a newer Hearth.
    pub(crate) async fn load(&self) -> Result<(), EventsError> {
        for scope in hearth_store::scopes(&*self.store).await? {
            if scope.region.is_none() {
                continue;
            }
            scan_all(&*self.store, &buses(&scope), |entry| {
                let record = self.codec.decode_at::<BusRecord>(&entry.key, &entry.value)?;
                self.insert(Arc::new(Bus::new(&scope, record)?));
                Ok::<_, EventsError>(())
            })
            .await?;
            self.load_archives(&scope).await?;
            scan_all(&*self.store, &rules(&scope), |entry| {
                let record = self.codec.decode_at::<RuleRecord>(&entry.key, &entry.value)?;
                if let Some(bus) = self.find(&scope, &record.bus) {
                    let rule = Arc::new(Rule::new(&scope, record)?);
                    if bus.is_default() {
                        self.schedule_rule(&scope, &rule);
                    }
                    bus.put_rule(rule);
                }
                Ok::<_, EventsError>(())
            })
            .await?;
        }
        Ok(())
    }
}
