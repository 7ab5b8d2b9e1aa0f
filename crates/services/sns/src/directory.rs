//! The topics and subscriptions that exist: durable in the store, read from memory. Changes are durable first.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use hearth_store::{Epoch, Key, Mutation, Record, scan_all};
use hearth_types::{Arn, Scope};

use crate::Sns;
use crate::confirm::Kind;
use crate::error::SnsError;
use crate::fifo::{PublishedRecord, published, published_key, read_published_key};
use crate::limits::{FIFO_SUBSCRIPTIONS_MAX, FILTERS_MAX, SUBSCRIPTIONS_MAX, TOPICS_MAX};
use crate::record::{
    State, SubscriptionRecord, TopicRecord, shard, subscription_key, subscriptions, topic_key, topics,
};
use crate::subscription::{Subscription, is_as_asked};
use crate::topic::{self, Description, Topic};

/// Mutations of one commit, when a topic goes with its subscriptions.
const DELETIONS: usize = 1_000;

/// What Subscribe asks for.
pub(crate) struct Wanted {
    pub(crate) protocol: String,
    pub(crate) endpoint: String,
    pub(crate) principal: String,
    pub(crate) base_url: String,
    pub(crate) attributes: BTreeMap<String, String>,
    /// Its endpoint's owner has to agree first.
    pub(crate) is_pending: bool,
    /// It is not a function's code that asks.
    pub(crate) by_outsider: bool,
}

impl Sns {
    pub(crate) fn find(&self, scope: &Scope, name: &str) -> Option<Arc<Topic>> {
        self.topics.read().get(scope)?.get(name).cloned()
    }

    /// Up to `limit` topics by name, from behind `after`.
    pub(crate) fn list(&self, scope: &Scope, after: Option<&str>, limit: usize) -> Vec<Arc<Topic>> {
        let topics = self.topics.read();
        let Some(topics) = topics.get(scope) else { return Vec::new() };
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        topics.range::<str, _>((start, Bound::Unbounded)).take(limit).map(|(_, topic)| topic.clone()).collect()
    }

    /// Up to `limit` subscriptions of all topics, in the order of their ARNs' last parts, from behind `after`: a topic's
    /// name and an id.
    pub(crate) fn list_subscriptions(
        &self,
        scope: &Scope,
        after: Option<(&str, &str)>,
        limit: usize,
    ) -> Vec<Arc<Subscription>> {
        let topics = self.topics.read();
        let Some(topics) = topics.get(scope) else { return Vec::new() };
        let start = after.map_or(Bound::Unbounded, |(topic, _)| Bound::Included(topic));
        let mut found = Vec::new();
        for (name, topic) in topics.range::<str, _>((start, Bound::Unbounded)) {
            let after = after.filter(|(topic, _)| topic == name).map(|(_, id)| id);
            found.extend(page(topic, after, limit - found.len()));
            if found.len() == limit {
                break;
            }
        }
        found
    }

    /// Makes a topic; one that is there already is left as it is, if it is what was asked for.
    ///
    /// # Errors
    /// Those of attributes, [`SnsError::TopicLimit`], or the store's.
    pub(crate) async fn create(
        &self,
        scope: &Scope,
        name: &str,
        asked: &BTreeMap<String, String>,
        tags: BTreeMap<String, String>,
    ) -> Result<Arn, SnsError> {
        let attributes = topic::from_asked(name, asked)?;
        let _writer = self.writer.lock().await;
        if let Some(topic) = self.find(scope, name) {
            let description = topic.describe();
            let set = &description.record.attributes;
            // Recorded.
            if attributes.iter().any(|(name, value)| set.get(name) != Some(value)) {
                return Err(SnsError::parameter("Attributes Reason: Topic already exists with different attributes"));
            }
            if !tags.is_empty() && tags != description.record.tags {
                return Err(SnsError::parameter("Tags Reason: Topic already exists with different tags"));
            }
            return Ok(topic.arn.clone());
        }
        if self.topics.read().get(scope).is_some_and(|topics| topics.len() >= TOPICS_MAX) {
            return Err(SnsError::TopicLimit);
        }
        let record = TopicRecord { name: name.to_owned(), attributes, tags, unsubscribed: 0 };
        let topic = Topic::new(scope, record.clone())?;
        self.commit(scope, vec![self.put(topic_key(scope, name), &record)?]).await?;
        let arn = topic.arn.clone();
        self.insert(topic);
        Ok(arn)
    }

    fn insert(&self, topic: Topic) {
        let name = topic.name().to_owned();
        self.topics.write().entry(topic.scope.clone()).or_default().insert(name, Arc::new(topic));
    }

    /// Changes a topic's record.
    ///
    /// # Errors
    /// [`SnsError::NotFound`] when it is deleted meanwhile, what `edit` refuses, or the store's.
    pub(crate) async fn edit(
        &self,
        topic: &Topic,
        edit: impl FnOnce(&mut TopicRecord) -> Result<(), SnsError>,
    ) -> Result<(), SnsError> {
        let _writer = self.writer.lock().await;
        self.still_there(topic)?;
        let before = topic.describe();
        let mut record = before.record.clone();
        edit(&mut record)?;
        if record != before.record {
            let description = Description::new(&topic.arn, record)?;
            self.commit(&topic.scope, vec![self.put_topic(topic, &description.record)?]).await?;
            topic.set_description(description);
        }
        Ok(())
    }

    /// Deletes a topic and its subscriptions. What is on its way to them is dropped.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn delete_topic(&self, topic: &Topic) -> Result<(), SnsError> {
        let _writer = self.writer.lock().await;
        let ids: Vec<String> = topic.subscriptions().keys().cloned().collect();
        let keys = ids.iter().map(|id| subscription_key(&topic.scope, topic.name(), id));
        // The topic last: a crash between commits leaves a topic with fewer subscriptions, and its deletion unsaid.
        let keys: Vec<Key> = keys.chain([topic_key(&topic.scope, topic.name())]).collect();
        for keys in keys.chunks(DELETIONS) {
            self.commit(&topic.scope, keys.iter().cloned().map(Mutation::Delete).collect()).await?;
        }
        self.forget_published(topic).await?;
        if let Some(topics) = self.topics.write().get_mut(&topic.scope) {
            topics.remove(topic.name());
        }
        Ok(())
    }

    /// What a topic that is gone has published. What a crash leaves of it goes at the next start.
    async fn forget_published(&self, topic: &Topic) -> Result<(), SnsError> {
        let numbers = topic.ledger.lock().await.numbers();
        for numbers in numbers.chunks(DELETIONS) {
            let keys = numbers.iter().map(|number| published_key(&topic.scope, topic.name(), *number));
            self.delete_published(&topic.scope, keys.collect()).await?;
        }
        Ok(())
    }

    async fn delete_published(&self, scope: &Scope, keys: Vec<Key>) -> Result<(), SnsError> {
        let mutations = keys.into_iter().map(Mutation::Delete).collect();
        Ok(self
            .store
            .commit(&hearth_delivery::shard(scope), Epoch::default(), Vec::new(), mutations)
            .await
            .map(drop)?)
    }

    /// Subscribes; a subscription that is there already is left as it is, if it is what was asked for. Where somebody
    /// else has to agree, he is asked, also when he was before.
    ///
    /// # Errors
    /// [`SnsError::NotFound`] when the topic is deleted meanwhile, those of attributes, of limits, or the store's.
    pub(crate) async fn subscribe(&self, topic: &Topic, wanted: Wanted) -> Result<Arc<Subscription>, SnsError> {
        let Wanted { protocol, endpoint, principal, base_url, attributes, is_pending, by_outsider } = wanted;
        let (token, kept) = self.new_token();
        let mut record = SubscriptionRecord {
            topic: topic.name().to_owned(),
            id: hearth_types::random::uuid(&*self.random),
            protocol,
            endpoint,
            principal,
            base_url,
            attributes,
            state: if is_pending { State::Pending } else { State::Confirmed },
            token: is_pending.then_some(kept),
            is_authenticated: !is_pending,
            authenticates_unsubscribe: false,
            by_outsider,
        };
        let subscription = Subscription::new(&topic.arn, record.clone()).map_err(SnsError::in_attributes)?;
        let _writer = self.writer.lock().await;
        self.still_there(topic)?;
        let known = {
            let all = topic.subscriptions();
            let is_same = |known: &&Arc<Subscription>| known.endpoint == subscription.endpoint;
            let known = all.values().find(is_same).cloned();
            let max = if topic.is_fifo() { FIFO_SUBSCRIPTIONS_MAX } else { SUBSCRIPTIONS_MAX };
            if known.is_none() && all.len() >= max {
                return Err(SnsError::SubscriptionLimit);
            }
            known
        };
        if let Some(known) = known {
            if known.is_confirmed() {
                if is_as_asked(&known.record.attributes, &subscription.record.attributes) {
                    return Ok(known);
                }
                // Recorded.
                let reason = "Attributes Reason: Subscription already exists with different attributes";
                return Err(SnsError::parameter(reason));
            }
            record.id.clone_from(&known.record.id);
        }
        let id = record.id.clone();
        self.store_subscription(topic, Subscription::new(&topic.arn, record)?).await?;
        let subscription = topic.subscription(&id).ok_or(SnsError::NotFound("Subscription"))?;
        if is_pending {
            self.invite(topic, &subscription, Kind::Subscribe, token).await?;
        }
        Ok(subscription)
    }

    /// Changes a subscription's attributes.
    ///
    /// # Errors
    /// [`SnsError::NotFound`] when it is gone, those of attributes, or the store's.
    pub(crate) async fn edit_subscription(
        &self,
        topic: &Topic,
        id: &str,
        edit: impl FnOnce(&mut BTreeMap<String, String>),
    ) -> Result<(), SnsError> {
        let _writer = self.writer.lock().await;
        let mut record = topic.subscription(id).ok_or(SnsError::NotFound("Subscription"))?.record.clone();
        edit(&mut record.attributes);
        self.store_subscription(topic, Subscription::new(&topic.arn, record)?).await.map(drop)
    }

    /// To be called by who holds the writer's lock.
    pub(crate) async fn store_subscription(
        &self,
        topic: &Topic,
        subscription: Subscription,
    ) -> Result<String, SnsError> {
        if subscription.filter.is_some() {
            let others = topic.subscriptions();
            let filters = others.values().filter(|other| other.filter.is_some() && other.arn != subscription.arn);
            if filters.count() >= FILTERS_MAX {
                return Err(SnsError::FilterLimit);
            }
        }
        let key = subscription_key(&topic.scope, topic.name(), &subscription.record.id);
        self.commit(&topic.scope, vec![self.put(key, &subscription.record)?]).await?;
        let arn = subscription.arn.clone();
        topic.put_subscription(Arc::new(subscription));
        Ok(arn)
    }

    /// Ends a subscription. What is on its way to it is dropped.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn unsubscribe(&self, topic: &Topic, id: &str) -> Result<(), SnsError> {
        let _writer = self.writer.lock().await;
        let Some(subscription) = topic.subscription(id) else { return Ok(()) };
        if subscription.is_confirmed() {
            self.count_unsubscribed(topic, |unsubscribed| unsubscribed + 1).await?;
        }
        self.remove_subscription(topic, id).await
    }

    /// To be called by who holds the writer's lock.
    pub(crate) async fn remove_subscription(&self, topic: &Topic, id: &str) -> Result<(), SnsError> {
        let gone = Mutation::Delete(subscription_key(&topic.scope, topic.name(), id));
        self.commit(&topic.scope, vec![gone]).await?;
        topic.remove_subscription(id);
        self.paces.forget(id);
        Ok(())
    }

    /// To be called by who holds the writer's lock.
    pub(crate) async fn count_unsubscribed(
        &self,
        topic: &Topic,
        count: impl FnOnce(u64) -> u64,
    ) -> Result<(), SnsError> {
        let mut record = topic.describe().record.clone();
        record.unsubscribed = count(record.unsubscribed);
        self.commit(&topic.scope, vec![self.put_topic(topic, &record)?]).await?;
        topic.set_description(Description::new(&topic.arn, record)?);
        Ok(())
    }

    fn still_there(&self, topic: &Topic) -> Result<(), SnsError> {
        let found = self.find(&topic.scope, topic.name());
        match found.filter(|found| std::ptr::eq(&raw const **found, &raw const *topic)) {
            Some(_) => Ok(()),
            None => Err(SnsError::NotFound("Topic")),
        }
    }

    fn put_topic(&self, topic: &Topic, record: &TopicRecord) -> Result<Mutation, SnsError> {
        self.put(topic_key(&topic.scope, topic.name()), record)
    }

    fn put<R: Record>(&self, key: Key, record: &R) -> Result<Mutation, SnsError> {
        let bytes = self.codec.encode_at(&key, record)?;
        Ok(Mutation::Put(key, bytes))
    }

    async fn commit(&self, scope: &Scope, mutations: Vec<Mutation>) -> Result<(), SnsError> {
        Ok(self.store.commit(&shard(scope), Epoch::default(), Vec::new(), mutations).await.map(drop)?)
    }

    /// Reads all topics and subscriptions into memory.
    ///
    /// # Errors
    /// The store's, or a record is of a newer Hearth.
    pub(crate) async fn load(&self) -> Result<(), SnsError> {
        for scope in hearth_store::scopes(&*self.store).await? {
            if scope.region.is_none() {
                continue;
            }
            scan_all(&*self.store, &topics(&scope), |entry| {
                let record = self.codec.decode_at::<TopicRecord>(&entry.key, &entry.value)?;
                self.insert(Topic::new(&scope, record)?);
                Ok::<_, SnsError>(())
            })
            .await?;
            scan_all(&*self.store, &subscriptions(&scope), |entry| {
                let record = self.codec.decode_at::<SubscriptionRecord>(&entry.key, &entry.value)?;
                if let Some(topic) = self.find(&scope, &record.topic) {
                    topic.put_subscription(Arc::new(Subscription::new(&topic.arn, record)?));
                }
                Ok::<_, SnsError>(())
            })
            .await?;
            self.load_published(&scope).await?;
        }
        Ok(())
    }

    async fn load_published(&self, scope: &Scope) -> Result<(), SnsError> {
        let mut orphans = Vec::new();
        scan_all(&*self.store, &published(scope), |entry| {
            let record = self.codec.decode_at::<PublishedRecord>(&entry.key, &entry.value)?;
            let topic =
                read_published_key(&entry.key).and_then(|(name, number)| Some((self.find(scope, &name)?, number)));
            match topic {
                // Nobody publishes yet.
                Some((topic, number)) => {
                    if let Ok(mut ledger) = topic.ledger.try_lock() {
                        ledger.remember(number, record);
                    }
                }
                None => orphans.push(entry.key),
            }
            Ok::<_, SnsError>(())
        })
        .await?;
        for keys in orphans.chunks(DELETIONS) {
            self.delete_published(scope, keys.to_vec()).await?;
        }
        Ok(())
    }
}

/// Up to `limit` subscriptions of a topic by id, from behind `after`.
pub(crate) fn page(topic: &Topic, after: Option<&str>, limit: usize) -> Vec<Arc<Subscription>> {
    let start = after.map_or(Bound::Unbounded, Bound::Excluded);
    let all = topic.subscriptions();
    let behind = all.range::<str, _>((start, Bound::Unbounded)).map(|(_, subscription)| subscription);
    behind.filter(|subscription| subscription.record.state != State::Ended).take(limit).cloned().collect()
}
