//! Publishing: a delivery for each subscription that wants the message, all in the store before anybody is answered.

use std::sync::Arc;

use hearth_delivery::{Body as _, Lane, Staged};
use hearth_store::Mutation;
use hearth_types::{RequestContext, RequestId, clock, random};

use crate::Sns;
use crate::deliver::{Notice, Place, id_in_line};
use crate::envelope::to_be_signed;
use crate::error::SnsError;
use crate::fifo::{PublishedRecord, published_key};
use crate::limits::STAGED_BYTES_MAX;
use crate::message::Checked;
use crate::subscription::{Subscription, is_web};
use crate::topic::Topic;

/// A message that is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) message_id: String,
    /// Of FIFO topics.
    pub(crate) number: Option<u64>,
}

impl Published {
    pub(crate) fn sequence_number(&self) -> Option<String> {
        self.number.map(|number| number.to_string())
    }
}

/// Deliveries of one request that are not accepted yet.
struct Batch {
    /// Those that may be told.
    subscriptions: Arc<[Arc<Subscription>]>,
    staged: Vec<Staged>,
    bytes: usize,
}

impl Batch {
    fn new(topic: &Topic, staged: Vec<Staged>) -> Self {
        let subscriptions = topic.subscriptions();
        let confirmed = subscriptions.values().filter(|subscription| subscription.is_confirmed());
        Self { subscriptions: confirmed.cloned().collect(), staged, bytes: 0 }
    }
}

impl Sns {
    /// Publishes messages. Very large ones to very many subscriptions are accepted in several commits. Must not be
    /// dropped while it works: what is on disk is to be known to the lane.
    ///
    /// # Errors
    /// The store's: some subscriptions may be told all the same.
    pub(crate) async fn publish(
        &self,
        ctx: &RequestContext,
        topic: &Topic,
        messages: &[Checked],
    ) -> Result<Vec<Published>, SnsError> {
        if topic.is_fifo() {
            return self.publish_in_order(ctx, topic, messages).await;
        }
        let mut batch = Batch::new(topic, Vec::new());
        let mut published = Vec::with_capacity(messages.len());
        for message in messages {
            let message_id = random::uuid(&*self.random);
            self.tell_all(ctx, topic, message, &message_id, None, &mut batch).await?;
            published.push(Published { message_id, number: None });
        }
        self.accept(topic, batch.staged).await?;
        Ok(published)
    }

    /// The same, to a FIFO topic.
    async fn publish_in_order(
        &self,
        ctx: &RequestContext,
        topic: &Topic,
        messages: &[Checked],
    ) -> Result<Vec<Published>, SnsError> {
        let mut ledger = topic.ledger.lock().await;
        let by_group = topic.describe().deduplicates_by_group;
        let now_ms = self.outbox.now_ms();
        let forgotten =
            ledger.forget(now_ms).into_iter().map(|number| published_key(&topic.scope, topic.name(), number));
        let staged = vec![Staged::beside(forgotten.map(Mutation::Delete).collect())];
        let (mut batch, mut published) = (Batch::new(topic, staged), Vec::with_capacity(messages.len()));
        // Remembered when they are on disk.
        let mut fresh: Vec<(u64, PublishedRecord)> = Vec::new();
        for message in messages {
            let deduplication_id = message.deduplication_id.clone().unwrap_or_default();
            let deduplication = match &message.group_id {
                Some(group_id) if by_group => format!("{group_id}\n{deduplication_id}"),
                _ => deduplication_id.clone(),
            };
            let before = fresh.iter().find(|(_, record)| record.deduplication == deduplication);
            let before = before.map(|(number, record)| (*number, record));
            if let Some((number, known)) = before.or_else(|| ledger.find(&deduplication, now_ms)) {
                published.push(Published { message_id: known.message_id.clone(), number: Some(number) });
                continue;
            }
            let (number, message_id) = (ledger.number(self.wall.now_ms()), random::uuid(&*self.random));
            let place = Place { number, deduplication_id };
            self.tell_all(ctx, topic, message, &message_id, Some(&place), &mut batch).await?;
            let record = PublishedRecord { deduplication, message_id: message_id.clone(), at_ms: now_ms };
            let key = published_key(&topic.scope, topic.name(), number);
            let record_bytes = self.codec.encode_at(&key, &record)?;
            batch.staged.push(Staged::beside(vec![Mutation::Put(key, record_bytes)]));
            fresh.push((number, record));
            published.push(Published { message_id, number: Some(number) });
        }
        self.accept(topic, batch.staged).await?;
        for (number, record) in fresh {
            ledger.remember(number, record);
        }
        Ok(published)
    }

    /// Stages a delivery for each subscription that wants the message, and accepts what has become too much.
    async fn tell_all(
        &self,
        ctx: &RequestContext,
        topic: &Topic,
        message: &Checked,
        message_id: &str,
        place: Option<&Place>,
        batch: &mut Batch,
    ) -> Result<(), SnsError> {
        let published_ms = self.wall.now_ms();
        let timestamp = clock::iso8601_ms(published_ms);
        // Of the last text that was signed; most messages have one.
        let mut signed: Option<(String, String)> = None;
        let subscriptions = Arc::clone(&batch.subscriptions);
        for subscription in &*subscriptions {
            let text = message.text_for(&subscription.record.protocol);
            if subscription.filter.as_ref().is_some_and(|filter| !filter.accepts(&message.attributes, text)) {
                continue;
            }
            let is_signed = |(of, _): &(String, String)| of == text;
            if !subscription.is_raw && !signed.as_ref().is_some_and(is_signed) {
                let subject = message.subject.as_deref();
                let to_be_signed = to_be_signed(text, message_id, subject, &timestamp, &topic.arn.to_string());
                signed = Some((text.to_owned(), self.sign(&to_be_signed)?));
            }
            let signature = signed.as_ref().filter(|_| !subscription.is_raw).map(|(_, signature)| signature.clone());
            let notice = Notice {
                topic: topic.name().to_owned(),
                subscription: subscription.record.id.clone(),
                message_id: message_id.to_owned(),
                text: text.to_owned(),
                subject: message.subject.clone(),
                attributes: message.attributes.clone(),
                published_ms,
                group_id: message.group_id.clone(),
                trace: ctx.trace.as_deref().map(str::to_owned),
                place: place.cloned(),
                signature,
            };
            batch.bytes += notice.size();
            let (lane, id): (&Arc<Lane<Notice>>, _) = match place {
                Some(place) => (&self.in_order, id_in_line(place.number, &subscription.record.id)),
                None if is_web(&subscription.record.protocol) => (&self.web_notices, self.new_id()),
                None => (&self.notices, self.new_id()),
            };
            batch.staged.push(lane.stage(&topic.scope, id, notice)?);
            if batch.bytes > STAGED_BYTES_MAX {
                batch.bytes = 0;
                self.accept(topic, std::mem::take(&mut batch.staged)).await?;
            }
        }
        Ok(())
    }

    async fn accept(&self, topic: &Topic, staged: Vec<Staged>) -> Result<(), SnsError> {
        Ok(self.outbox.accept(&topic.scope, staged).await?)
    }

    /// Of a delivery.
    pub(crate) fn new_id(&self) -> RequestId {
        RequestId::from(random::uuid(&*self.random).as_str())
    }
}
