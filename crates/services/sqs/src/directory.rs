//! The queues that exist: durable in the store, read from memory. Changes are durable first, then visible.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use hearth_store::{Mutation, Record};
use hearth_types::Scope;

use crate::Sqs;
use crate::attributes::{self, FIFO, REDRIVE, Settings};
use crate::error::SqsError;
use crate::limits::PURGE_INTERVAL_MS;
use crate::queue::{Description, Queue};
use crate::record::{QueueRecord, queue_key, task_key};

impl Sqs {
    pub(crate) fn find(&self, scope: &Scope, name: &str) -> Option<Arc<Queue>> {
        self.queues.read().get(scope)?.get(name).cloned()
    }

    pub(crate) fn all_queues(&self) -> Vec<Arc<Queue>> {
        self.queues.read().values().flat_map(|queues| queues.values().cloned()).collect()
    }

    /// Up to `limit` queues by name, from behind `after`, whose names start with `prefix` and that `wanted` picks.
    pub(crate) fn list(
        &self,
        scope: &Scope,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        wanted: impl Fn(&Queue) -> bool,
    ) -> Vec<Arc<Queue>> {
        let queues = self.queues.read();
        let Some(queues) = queues.get(scope) else { return Vec::new() };
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        queues
            .range::<str, _>((start, Bound::Unbounded))
            .take_while(|(name, _)| name.starts_with(prefix))
            .map(|(_, queue)| queue)
            .filter(|queue| wanted(queue))
            .take(limit)
            .cloned()
            .collect()
    }

    pub(crate) fn insert(&self, queue: Queue) {
        let name = queue.arn.resource.clone();
        self.queues.write().entry(queue.scope.clone()).or_default().insert(name, Arc::new(queue));
    }

    /// Makes a queue; one that is there already is left as it is, if it is what was asked for.
    ///
    /// # Errors
    /// [`SqsError::QueueExists`], those of attributes, or the store's.
    pub(crate) async fn create(
        &self,
        scope: &Scope,
        name: &str,
        asked: &BTreeMap<String, String>,
        tags: BTreeMap<String, String>,
    ) -> Result<(), SqsError> {
        let _writer = self.writer.lock().await;
        if let Some(queue) = self.find(scope, name) {
            let description = queue.describe();
            let mut checked = BTreeMap::new();
            attributes::set(&mut checked, asked)?;
            return match attributes::difference(&description.record.attributes, asked) {
                Some(name) => Err(SqsError::QueueExists(name)),
                None => Ok(()),
            };
        }
        let mut attributes = BTreeMap::new();
        attributes::set(&mut attributes, asked)?;
        check_name(name, attributes.contains_key(FIFO))?;
        self.check_redrive(scope, name, &attributes, asked)?;
        let now_ms = self.wall.now_ms();
        let record = QueueRecord {
            name: name.to_owned(),
            id: self.new_id(),
            created_at_ms: now_ms,
            modified_at_ms: now_ms,
            attributes,
            tags,
            handle_key: hearth_types::random::hex(&*self.random, 32),
            first_page: 0,
            purged_at_ms: None,
        };
        self.commit(scope, vec![self.put(scope, &record)?]).await?;
        self.insert(Queue::new(scope, record, now_ms)?);
        Ok(())
    }

    /// Changes a queue's record.
    ///
    /// # Errors
    /// [`SqsError::NoSuchQueue`], what `edit` refuses, or the store's.
    pub(crate) async fn edit(
        &self,
        queue: &Arc<Queue>,
        edit: impl FnOnce(&mut QueueRecord) -> Result<(), SqsError>,
    ) -> Result<(), SqsError> {
        let _writer = self.writer.lock().await;
        self.edit_locked(queue, edit).await
    }

    async fn edit_locked(
        &self,
        queue: &Arc<Queue>,
        edit: impl FnOnce(&mut QueueRecord) -> Result<(), SqsError>,
    ) -> Result<(), SqsError> {
        if queue.is_deleted() {
            return Err(SqsError::NoSuchQueue);
        }
        let before = queue.describe();
        let mut record = before.record.clone();
        edit(&mut record)?;
        if record != before.record {
            let settings = Settings::of(&record.attributes)?;
            self.commit(&queue.scope, vec![self.put(&queue.scope, &record)?]).await?;
            queue.set_description(Description { record, settings });
        }
        Ok(())
    }

    /// Sets attributes.
    ///
    /// # Errors
    /// As [`Sqs::edit`], and those of attributes.
    pub(crate) async fn set_attributes(
        &self,
        queue: &Arc<Queue>,
        asked: &BTreeMap<String, String>,
    ) -> Result<(), SqsError> {
        let now_ms = self.wall.now_ms();
        self.edit(queue, |record| {
            let is_fifo = record.attributes.contains_key(FIFO);
            if asked.get(FIFO).is_some_and(|asked| (asked == "true") != is_fifo) {
                // Recorded.
                return Err(SqsError::AttributeValue(
                    "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported."
                        .to_owned(),
                ));
            }
            attributes::set(&mut record.attributes, asked)?;
            record.modified_at_ms = now_ms;
            self.check_redrive(&queue.scope, &queue.arn.resource, &record.attributes, asked)
        })
        .await
    }

    /// Deletes a queue. Its messages are nobody's at once, and leave the store in time.
    ///
    /// # Errors
    /// [`SqsError::NoSuchQueue`], or the store's.
    pub(crate) async fn delete_queue(&self, queue: &Arc<Queue>) -> Result<(), SqsError> {
        let _writer = self.writer.lock().await;
        let name = &queue.arn.resource;
        if queue.is_deleted() {
            return Err(SqsError::NoSuchQueue);
        }
        let mut mutations = vec![Mutation::Delete(queue_key(&queue.scope, name))];
        mutations.extend(self.tasks.of(queue.id).iter().map(|task| {
            self.tasks.forget(&task.id);
            Mutation::Delete(task_key(&queue.scope, queue.id, &task.id))
        }));
        // The queue first: without it, what is left of its messages after a crash belongs to nobody.
        self.commit(&queue.scope, mutations).await?;
        if let Some(queues) = self.queues.write().get_mut(&queue.scope) {
            queues.remove(name);
        }
        queue.mark_deleted();
        let mut live = queue.live();
        let departures = live.engine.clear_before(u64::MAX);
        let remembering = std::mem::take(&mut live.remembering);
        drop(live);
        self.cache.forget(queue.id);
        let rows = queue.mutations(departures)?;
        let rows = rows.into_iter().chain(remembering.iter().map(|(_, page)| Mutation::Delete(queue.page_key(*page))));
        self.discard(&queue.scope, rows.collect());
        Ok(())
    }

    /// Deletes a queue's messages: those of all pages there are by now.
    ///
    /// # Errors
    /// [`SqsError::PurgeInProgress`], [`SqsError::NoSuchQueue`], or the store's.
    pub(crate) async fn purge(&self, queue: &Arc<Queue>) -> Result<(), SqsError> {
        let now_ms = self.wall.now_ms();
        let first_page = queue.live().next_page();
        self.edit(queue, |record| {
            if record.purged_at_ms.is_some_and(|purged| now_ms - purged < PURGE_INTERVAL_MS) {
                return Err(SqsError::PurgeInProgress(queue.arn.resource.clone()));
            }
            record.purged_at_ms = Some(now_ms);
            record.first_page = first_page;
            Ok(())
        })
        .await?;
        let departures = queue.live().engine.clear_before(first_page);
        self.cache.forget(queue.id);
        let rows = queue.mutations(departures)?;
        self.discard(&queue.scope, rows);
        Ok(())
    }

    /// A dead-letter queue must be there, of the same kind, account and region, and take this queue's letters.
    fn check_redrive(
        &self,
        scope: &Scope,
        name: &str,
        attributes: &BTreeMap<String, String>,
        asked: &BTreeMap<String, String>,
    ) -> Result<(), SqsError> {
        let Some(text) = asked.get(REDRIVE) else { return Ok(()) };
        let settings = Settings::of(attributes)?;
        let Some(redrive) = settings.redrive else { return Ok(()) };
        let refuse = |reason: &str| Err(SqsError::value(text, "RedrivePolicy", reason));
        let source = crate::queue::arn(scope, name);
        if redrive.target.account != source.account || redrive.target.region != source.region {
            return refuse("Dead-letter target owner and region should be same as the source.");
        }
        if redrive.target == source {
            return refuse("Dead letter target cannot be the queue itself.");
        }
        let Some(target) = self.find_arn(scope, &redrive.target) else {
            return refuse("Dead letter target does not exist.");
        };
        let target = target.describe();
        if target.settings.is_fifo != settings.is_fifo {
            return refuse("Dead-letter queue must be same type of queue as the source.");
        }
        if !target.settings.redrive_allow.allows(&source) {
            return refuse("Dead letter target does not allow this source queue: see its RedriveAllowPolicy.");
        }
        Ok(())
    }

    fn put(&self, scope: &Scope, record: &QueueRecord) -> Result<Mutation, SqsError> {
        self.put_at(queue_key(scope, &record.name), record)
    }

    pub(crate) fn put_at<R: Record>(&self, key: hearth_store::Key, record: &R) -> Result<Mutation, SqsError> {
        let bytes = self.codec.encode_at(&key, record)?;
        Ok(Mutation::Put(key, bytes))
    }

    /// Nobody will ever have had it: of 2^63 numbers.
    fn new_id(&self) -> u64 {
        let mut raw = [0; 8];
        self.random.fill(&mut raw);
        u64::from_le_bytes(raw) >> 1
    }
}

/// Source: SQS API reference, CreateQueue.
fn check_name(name: &str, is_fifo: bool) -> Result<(), SqsError> {
    let stem = if is_fifo { name.strip_suffix(".fifo") } else { Some(name) };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    match stem {
        Some(stem) if !stem.is_empty() && name.len() <= 80 && stem.bytes().all(is_plain) => Ok(()),
        None => Err(SqsError::invalid(
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or \
                                       underscores, must end with .fifo suffix and be 1 to 80 in length.",
        )),
        Some(_) => Err(SqsError::invalid(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        )),
    }
}
