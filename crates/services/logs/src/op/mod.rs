//! One file per operation: its input, its output, what it does. Each asks [`crate::Api::authorize`] first.

pub(crate) mod create_log_group;
pub(crate) mod create_log_stream;
pub(crate) mod delete_log_group;
pub(crate) mod delete_log_stream;
pub(crate) mod delete_retention_policy;
pub(crate) mod delete_subscription_filter;
pub(crate) mod describe_log_groups;
pub(crate) mod describe_log_streams;
pub(crate) mod describe_subscription_filters;
pub(crate) mod filter_log_events;
pub(crate) mod get_log_events;
pub(crate) mod list_tags_for_resource;
pub(crate) mod list_tags_log_group;
pub(crate) mod put_log_events;
pub(crate) mod put_retention_policy;
pub(crate) mod put_subscription_filter;
pub(crate) mod start_live_tail;
pub(crate) mod tag_log_group;
pub(crate) mod tag_resource;
pub(crate) mod test_metric_filter;
pub(crate) mod untag_log_group;
pub(crate) mod untag_resource;

/// The output of an operation that has none.
#[derive(serde::Serialize)]
pub(crate) struct Empty {}
