//! The SNS API: its operations over [`Sns`], and who may do what.

use std::sync::Arc;

use hearth_ports::{Access, Condition, Denied, ResourcePolicy};
use hearth_types::{AccountId, Arn, Caller, Partition, Region, RequestContext};
use hearth_wire::{Service, models};

use crate::confirm::is_signed;
use crate::error::SnsError;
use crate::subscription::Subscription;
use crate::topic::{Topic, arn};
use crate::{Sns, op};

/// A request without messages: a filter policy or a topic's policy may be large.
const REQUEST_BYTES_MAX: usize = 2 << 20;
/// One with messages: 256 KiB of them grow by being escaped in a form.
const PUBLISH_REQUEST_BYTES_MAX: usize = 2 << 20;

/// The SNS API over `sns`.
#[must_use]
pub fn service(sns: &Arc<Sns>) -> Arc<dyn Service> {
    hearth_wire::service(models::sns(), sns.clone())
        .op("AddPermission", REQUEST_BYTES_MAX, op::add_permission::run)
        .op("ConfirmSubscription", REQUEST_BYTES_MAX, op::confirm_subscription::run)
        .op("CreateTopic", REQUEST_BYTES_MAX, op::create_topic::run)
        .op("DeleteTopic", REQUEST_BYTES_MAX, op::delete_topic::run)
        .op("GetSubscriptionAttributes", REQUEST_BYTES_MAX, op::get_subscription_attributes::run)
        .op("GetTopicAttributes", REQUEST_BYTES_MAX, op::get_topic_attributes::run)
        .op("ListSubscriptions", REQUEST_BYTES_MAX, op::list_subscriptions::run)
        .op("ListSubscriptionsByTopic", REQUEST_BYTES_MAX, op::list_subscriptions_by_topic::run)
        .op("ListTagsForResource", REQUEST_BYTES_MAX, op::list_tags_for_resource::run)
        .op("ListTopics", REQUEST_BYTES_MAX, op::list_topics::run)
        .op("Publish", PUBLISH_REQUEST_BYTES_MAX, op::publish::run)
        .op("PublishBatch", PUBLISH_REQUEST_BYTES_MAX, op::publish_batch::run)
        .op("RemovePermission", REQUEST_BYTES_MAX, op::remove_permission::run)
        .op("SetSubscriptionAttributes", REQUEST_BYTES_MAX, op::set_subscription_attributes::run)
        .op("SetTopicAttributes", REQUEST_BYTES_MAX, op::set_topic_attributes::run)
        .op("Subscribe", REQUEST_BYTES_MAX, op::subscribe::run)
        .op("TagResource", REQUEST_BYTES_MAX, op::tag_resource::run)
        .op("Unsubscribe", REQUEST_BYTES_MAX, op::unsubscribe::run)
        .op("UntagResource", REQUEST_BYTES_MAX, op::untag_resource::run)
        // Links in messages: whoever has one may follow it.
        .unsigned("ConfirmSubscription")
        .unsigned("Unsubscribe")
        // The real service checks in its own words, too.
        .unvalidated()
        .build()
}

/// An ARN of this service, in the context's region, and the context in its account.
///
/// # Errors
/// [`SnsError::Parameter`], in the recorded words.
fn read_arn(ctx: &RequestContext, member: &str, text: Option<&str>) -> Result<(RequestContext, Arn), SnsError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Err(SnsError::parameter(format!("{member} Reason: no value for required parameter")));
    };
    let parts = text.split(':').count();
    if parts < 6 {
        let reason = format!("{member} Reason: An ARN must have at least 6 elements, not {parts}");
        return Err(SnsError::parameter(reason));
    }
    let invalid = || SnsError::parameter(member);
    let arn: Arn = text.parse().map_err(|_| invalid())?;
    // Links say by the ARN where they are meant.
    let ctx = if is_signed(ctx) { ctx.clone() } else { at(ctx, &arn) };
    let is_here = arn.service == "sns" && arn.region == ctx.region.as_str() && arn.partition == ctx.partition.as_str();
    let account = arn.account.parse::<AccountId>().ok().filter(|_| is_here).ok_or_else(invalid)?;
    Ok((ctx.in_account(account), arn))
}

/// The context in the region of the ARN.
fn at(ctx: &RequestContext, arn: &Arn) -> RequestContext {
    let region = Region::from(arn.region.as_str());
    RequestContext { partition: Partition::of_region(&arn.region), region, ..ctx.clone() }
}

/// The member of a request that says what it is about.
#[derive(Clone, Copy)]
pub(crate) enum By<'a> {
    /// `TopicArn`.
    Topic(Option<&'a str>),
    /// `ResourceArn`: a topic's, too.
    Resource(Option<&'a str>),
    /// `SubscriptionArn`.
    Subscription(Option<&'a str>),
}

/// What a request is about, as far as it is there.
pub(crate) struct Found {
    pub(crate) topic: Option<Arc<Topic>>,
    /// A subscription's id; empty when it is about a topic.
    pub(crate) id: String,
}

impl Found {
    /// # Errors
    /// [`SnsError::NotFound`].
    pub(crate) fn topic(self) -> Result<Arc<Topic>, SnsError> {
        self.topic.ok_or(SnsError::NotFound("Topic"))
    }

    /// # Errors
    /// [`SnsError::ResourceNotFound`].
    pub(crate) fn resource(self) -> Result<Arc<Topic>, SnsError> {
        self.topic.ok_or(SnsError::ResourceNotFound)
    }

    /// # Errors
    /// [`SnsError::NotFound`].
    pub(crate) fn subscription(self) -> Result<(Arc<Topic>, Arc<Subscription>), SnsError> {
        let topic = self.topic.ok_or(SnsError::NotFound("Subscription"))?;
        let subscription = topic.subscription(&self.id).ok_or(SnsError::NotFound("Subscription"))?;
        Ok((topic, subscription))
    }
}

/// Context, topic's name and subscription's id of what a request is about.
fn read(ctx: &RequestContext, by: By<'_>) -> Result<(RequestContext, String, String), SnsError> {
    let (member, text) = match by {
        By::Topic(text) => ("TopicArn", text),
        By::Resource(text) => ("ResourceArn", text),
        By::Subscription(text) => ("SubscriptionArn", text),
    };
    let (ctx, arn) = read_arn(ctx, member, text)?;
    let (name, id) = match by {
        By::Subscription(_) => {
            let parts = arn.resource.split_once(':').filter(|(_, id)| is_uuid(id));
            parts.ok_or_else(|| SnsError::parameter("SubscriptionId"))?
        }
        By::Topic(_) | By::Resource(_) if arn.resource.contains([':', '/']) => {
            return Err(SnsError::parameter(member));
        }
        By::Topic(_) | By::Resource(_) => (arn.resource.as_str(), ""),
    };
    let (name, id) = (name.to_owned(), id.to_owned());
    Ok((ctx, name, id))
}

impl Sns {
    /// What that ARN names, if the caller may do this to it. Who may not learns nothing about it.
    ///
    /// # Errors
    /// [`SnsError::Denied`], or the ARN is none.
    pub(crate) fn authorize(
        &self,
        ctx: &RequestContext,
        action: &str,
        by: By<'_>,
        conditions: Vec<Condition>,
    ) -> Result<Found, SnsError> {
        let (ctx, name, id) = read(ctx, by)?;
        Ok(Found { topic: self.may(&ctx, action, &name, conditions)?, id })
    }

    /// What that ARN names, for a caller who shows by other means that he may.
    ///
    /// # Errors
    /// The ARN is none.
    pub(crate) fn locate(&self, ctx: &RequestContext, by: By<'_>) -> Result<Found, SnsError> {
        let (ctx, name, id) = read(ctx, by)?;
        Ok(Found { topic: self.find(&ctx.scope(), &name), id })
    }

    /// Whether the caller may do this to the topic of that name in the context's account and region; answers the topic,
    /// if there is one.
    ///
    /// # Errors
    /// [`Denied`].
    pub(crate) fn may(
        &self,
        ctx: &RequestContext,
        action: &str,
        name: &str,
        mut conditions: Vec<Condition>,
    ) -> Result<Option<Arc<Topic>>, Denied> {
        let topic = self.find(&ctx.scope(), name);
        let description = topic.as_ref().map(|topic| topic.describe());
        if let Some(description) = &description {
            let tags = description.record.tags.iter();
            conditions.extend(tags.map(|(key, value)| Condition::one(format!("aws:ResourceTag/{key}"), value)));
        }
        if let Caller::Service { source_account: Some(account), .. } = &ctx.caller {
            // Policies of topics still ask for it; see `policy::default`.
            conditions.push(Condition::one("aws:SourceOwner", account.as_str()));
        }
        let policy = description.as_ref().map_or(ResourcePolicy::None, |found| ResourcePolicy::Of(&found.policy));
        let arn = topic.as_ref().map_or_else(|| arn(&ctx.scope(), name), |topic| topic.arn.clone());
        self.authorizer.authorize(ctx, &Access::new(action, &arn).under(&conditions).with_policy(policy))?;
        Ok(topic)
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// The tags that a request sets, as policies see them.
pub(crate) fn request_tags<'t>(tags: impl IntoIterator<Item = (&'t String, &'t String)>) -> Vec<Condition> {
    let mut conditions = Vec::new();
    let mut keys = Vec::new();
    for (key, value) in tags {
        conditions.push(Condition::one(format!("aws:RequestTag/{key}"), value));
        keys.push(key.clone());
    }
    conditions.extend(tag_keys(keys));
    conditions
}

pub(crate) fn tag_keys(keys: Vec<String>) -> Option<Condition> {
    (!keys.is_empty()).then(|| Condition::many("aws:TagKeys", keys))
}
