//! The CloudWatch Logs API: its operations over [`Logs`].

use std::sync::Arc;

use hearth_ports::{Access, Authorizer, Denied, Invoker};
use hearth_types::RequestContext;
use hearth_wire::Service;

use crate::arn::Subject;
use crate::directory::GroupRecord;
use crate::subscription::Door;
use crate::{Logs, op};

/// A request without events: the longest has a hundred stream names of 512 characters, escaped.
const REQUEST_BYTES_MAX: usize = 1 << 20;
/// PutLogEvents: a megabyte of messages grows by escaping, and each of 10,000 events has its own syntax.
const PUT_REQUEST_BYTES_MAX: usize = 8 << 20;

/// The API over a log store.
pub struct Api {
    pub(crate) logs: Arc<Logs>,
    authorizer: Arc<dyn Authorizer>,
    /// To the functions of subscription filters.
    pub(crate) door: Door,
}

impl Api {
    #[must_use]
    pub fn new(logs: Arc<Logs>, authorizer: Arc<dyn Authorizer>, invoker: Arc<dyn Invoker>) -> Arc<Self> {
        Arc::new(Self { logs, authorizer, door: Door(invoker) })
    }

    pub(crate) fn authorize(&self, ctx: &RequestContext, action: &str, subject: &Subject) -> Result<(), Denied> {
        self.authorizer.authorize(ctx, &Access::new(action, &subject.arn).under(&subject.conditions))
    }

    /// The group of that name, if there is one: with all that functions have said up to now, which may have made it.
    pub(crate) async fn find(&self, ctx: &RequestContext, group: &str) -> Option<Arc<GroupRecord>> {
        self.logs.settle().await;
        self.logs.directory.find(&ctx.scope(), group)
    }
}

/// The CloudWatch Logs API.
#[must_use]
pub fn service(api: Arc<Api>) -> Arc<dyn Service> {
    hearth_wire::service(hearth_wire::models::logs(), api)
        .op("CreateLogGroup", REQUEST_BYTES_MAX, op::create_log_group::run)
        .op("CreateLogStream", REQUEST_BYTES_MAX, op::create_log_stream::run)
        .op("DeleteLogGroup", REQUEST_BYTES_MAX, op::delete_log_group::run)
        .op("DeleteLogStream", REQUEST_BYTES_MAX, op::delete_log_stream::run)
        .op("DeleteRetentionPolicy", REQUEST_BYTES_MAX, op::delete_retention_policy::run)
        .op("DeleteSubscriptionFilter", REQUEST_BYTES_MAX, op::delete_subscription_filter::run)
        .op("DescribeLogGroups", REQUEST_BYTES_MAX, op::describe_log_groups::run)
        .op("DescribeLogStreams", REQUEST_BYTES_MAX, op::describe_log_streams::run)
        .op("DescribeSubscriptionFilters", REQUEST_BYTES_MAX, op::describe_subscription_filters::run)
        .op("FilterLogEvents", REQUEST_BYTES_MAX, op::filter_log_events::run)
        .op("GetLogEvents", REQUEST_BYTES_MAX, op::get_log_events::run)
        .op("ListTagsForResource", REQUEST_BYTES_MAX, op::list_tags_for_resource::run)
        .op("ListTagsLogGroup", REQUEST_BYTES_MAX, op::list_tags_log_group::run)
        .op("PutLogEvents", PUT_REQUEST_BYTES_MAX, op::put_log_events::run)
        .op("PutRetentionPolicy", REQUEST_BYTES_MAX, op::put_retention_policy::run)
        .op("PutSubscriptionFilter", REQUEST_BYTES_MAX, op::put_subscription_filter::run)
        .event_stream("StartLiveTail", REQUEST_BYTES_MAX, op::start_live_tail::run)
        .op("TagLogGroup", REQUEST_BYTES_MAX, op::tag_log_group::run)
        .op("TagResource", REQUEST_BYTES_MAX, op::tag_resource::run)
        .op("TestMetricFilter", PUT_REQUEST_BYTES_MAX, op::test_metric_filter::run)
        .op("UntagLogGroup", REQUEST_BYTES_MAX, op::untag_log_group::run)
        .op("UntagResource", REQUEST_BYTES_MAX, op::untag_resource::run)
        // Recorded: the real service has a code of its own for it.
        .validation_code("InvalidParameterException")
        .build()
}
