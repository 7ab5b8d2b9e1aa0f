//! The SQS API: its operations over [`Sqs`], in both protocols, and who may do what.

use std::sync::Arc;

use hearth_ports::{Access, Condition, ResourcePolicy};
use hearth_types::RequestContext;
use hearth_wire::{Model, Service, models};

use crate::error::SqsError;
use crate::queue::{Queue, arn};
use crate::{Sqs, op, url};

/// A request without messages.
const REQUEST_BYTES_MAX: usize = 1 << 20;
/// One with messages: a megabyte of them grows by escaping, most in a form.
const SEND_REQUEST_BYTES_MAX: usize = 6 << 20;

/// The API in the protocol of today's SDKs and in the older one, by which clients before 2023 speak.
#[must_use]
pub fn services(sqs: &Arc<Sqs>) -> Vec<Arc<dyn Service>> {
    vec![service(models::sqs(), sqs.clone()), service(models::sqs_query(), sqs.clone())]
}

fn service(model: Arc<Model>, sqs: Arc<Sqs>) -> Arc<dyn Service> {
    hearth_wire::service(model, sqs)
        .op("AddPermission", REQUEST_BYTES_MAX, op::add_permission::run)
        .op("CancelMessageMoveTask", REQUEST_BYTES_MAX, op::cancel_message_move_task::run)
        .op("ChangeMessageVisibility", REQUEST_BYTES_MAX, op::change_message_visibility::run)
        .op("ChangeMessageVisibilityBatch", REQUEST_BYTES_MAX, op::change_message_visibility_batch::run)
        .op("CreateQueue", REQUEST_BYTES_MAX, op::create_queue::run)
        .op("DeleteMessage", REQUEST_BYTES_MAX, op::delete_message::run)
        .op("DeleteMessageBatch", REQUEST_BYTES_MAX, op::delete_message_batch::run)
        .op("DeleteQueue", REQUEST_BYTES_MAX, op::delete_queue::run)
        .op("GetQueueAttributes", REQUEST_BYTES_MAX, op::get_queue_attributes::run)
        .op("GetQueueUrl", REQUEST_BYTES_MAX, op::get_queue_url::run)
        .op("ListDeadLetterSourceQueues", REQUEST_BYTES_MAX, op::list_dead_letter_source_queues::run)
        .op("ListMessageMoveTasks", REQUEST_BYTES_MAX, op::list_message_move_tasks::run)
        .op("ListQueueTags", REQUEST_BYTES_MAX, op::list_queue_tags::run)
        .op("ListQueues", REQUEST_BYTES_MAX, op::list_queues::run)
        .op("PurgeQueue", REQUEST_BYTES_MAX, op::purge_queue::run)
        // A client that hangs up while it waits must not be given messages.
        .poll("ReceiveMessage", REQUEST_BYTES_MAX, op::receive_message::run)
        .op("RemovePermission", REQUEST_BYTES_MAX, op::remove_permission::run)
        .op("SendMessage", SEND_REQUEST_BYTES_MAX, op::send_message::run)
        .op("SendMessageBatch", SEND_REQUEST_BYTES_MAX, op::send_message_batch::run)
        .op("SetQueueAttributes", REQUEST_BYTES_MAX, op::set_queue_attributes::run)
        .op("StartMessageMoveTask", REQUEST_BYTES_MAX, op::start_message_move_task::run)
        .op("TagQueue", REQUEST_BYTES_MAX, op::tag_queue::run)
        .op("UntagQueue", REQUEST_BYTES_MAX, op::untag_queue::run)
        // The real service checks in its own words, too.
        .unvalidated()
        .build()
}

impl Sqs {
    /// The queue that is asked about, if the caller may do this to it. Who may not learns nothing about it.
    ///
    /// # Errors
    /// [`SqsError::Denied`], [`SqsError::NoSuchQueue`], or the URL is none.
    pub(crate) fn authorize<'a>(
        &self,
        ctx: &RequestContext,
        action: &str,
        asked: impl Into<Asked<'a>>,
    ) -> Result<Arc<Queue>, SqsError> {
        let Asked { url, conditions } = asked.into();
        let url = url.filter(|url| !url.is_empty()).ok_or(SqsError::Missing("QueueUrl"))?;
        let (ctx, name) = url::read(ctx, url)?;
        self.may(&ctx, action, name, conditions)?.ok_or(SqsError::NoSuchQueue)
    }

    /// Whether the caller may do this to the queue of that name in the context's account and region; answers the queue,
    /// if there is one.
    ///
    /// # Errors
    /// [`SqsError::Denied`].
    pub(crate) fn may(
        &self,
        ctx: &RequestContext,
        action: &str,
        name: &str,
        mut conditions: Vec<Condition>,
    ) -> Result<Option<Arc<Queue>>, SqsError> {
        let queue = self.find(&ctx.scope(), name);
        let description = queue.as_ref().map(|queue| queue.describe());
        if let Some(description) = &description {
            let tags = description.record.tags.iter();
            conditions.extend(tags.map(|(key, value)| Condition::one(format!("aws:ResourceTag/{key}"), value)));
        }
        let policy = description.as_ref().and_then(|description| description.settings.policy.as_deref());
        let policy = policy.map_or(ResourcePolicy::None, ResourcePolicy::Of);
        let made;
        let arn = match &queue {
            Some(queue) => &queue.arn,
            None => {
                made = arn(&ctx.scope(), name);
                &made
            }
        };
        self.authorizer.authorize(ctx, &Access::new(action, arn).under(&conditions).with_policy(policy))?;
        Ok(queue)
    }
}

/// What a request is about: a queue's URL, and what policies may look at beside.
pub(crate) struct Asked<'a> {
    url: Option<&'a str>,
    conditions: Vec<Condition>,
}

impl<'a> From<Option<&'a str>> for Asked<'a> {
    fn from(url: Option<&'a str>) -> Self {
        Self { url, conditions: Vec::new() }
    }
}

impl<'a> From<(Option<&'a str>, Vec<Condition>)> for Asked<'a> {
    fn from((url, conditions): (Option<&'a str>, Vec<Condition>)) -> Self {
        Self { url, conditions }
    }
}

/// The tags that a request sets, as policies see them.
pub(crate) fn request_tags<'t>(tags: impl IntoIterator<Item = (&'t String, &'t String)>) -> Vec<Condition> {
    let mut conditions = Vec::new();
    let mut keys = Vec::new();
    for (key, value) in tags {
        conditions.push(Condition::one(format!("aws:RequestTag/{key}"), value));
        keys.push(key.clone());
    }
    if !keys.is_empty() {
        conditions.push(Condition::many("aws:TagKeys", keys));
    }
    conditions
}
