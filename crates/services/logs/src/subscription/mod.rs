//! Subscription filters: what of a group's new events goes to a function.
//!
//! ```text
//! log writer ─▶ queue (bounded) ─▶ forwarder thread ─┐
//!                                                    ├─ batches: match, split, gzip ─▶ lane ─▶ function (asynchronously)
//! PutLogEvents, before it is answered ───────────────┘
//! ```
//! - **The log never waits for its subscribers.** What does not fit into the queue of the forwarder is counted and told as
//!   an error in Hearth's own log.
//! - **What PutLogEvents answers is staged**: a batch is in the store when the answer goes out. What functions write is
//!   staged some milliseconds after it was written; a crash in between forgets it for the subscribers, not for the log.
//! - **Loops** end as those of other services: a delivery carries the trace header of whatever wrote the events, which
//!   says how often a function has run in this chain.
//!
//! What never lives here: the filter pattern language (`pattern/`).
//!
//! Source of all: CloudWatch Logs user guide, "Real-time processing of log data with subscriptions", and the API reference.

mod batch;
mod deliver;
mod forward;

use hearth_types::{Region, RequestContext, Scope};
use serde::{Deserialize, Serialize};

use crate::directory::GroupRecord;
use crate::pattern::Pattern;

pub use deliver::Deliveries;
pub(crate) use deliver::{Door, Source};
pub(crate) use forward::{ForwardQueue, Forwarder, Lines, queue};

/// Subscription filters of one group. Source: "CloudWatch Logs quotas".
pub(crate) const FILTERS_MAX: usize = 2;
/// Whom functions let in.
pub(crate) const PRINCIPAL: &str = "logs.amazonaws.com";

/// What the store keeps of a subscription filter, within its group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FilterRecord {
    pub(crate) name: String,
    pub(crate) pattern: String,
    /// A function's ARN.
    pub(crate) destination_arn: String,
    pub(crate) created_at_ms: i64,
}

/// A group's filters, ready for use.
#[derive(Debug)]
pub(crate) struct Subscribed {
    pub(crate) scope: Scope,
    /// The group's name.
    pub(crate) group: String,
    pub(crate) filters: Vec<Filter>,
}

#[derive(Debug)]
pub(crate) struct Filter {
    pub(crate) name: String,
    pub(crate) pattern: Pattern,
}

impl Subscribed {
    /// `None` when the group has no filters.
    pub(crate) fn of(scope: &Scope, group: &GroupRecord) -> Option<Self> {
        let filter = |record: &FilterRecord| match Pattern::parse(&record.pattern) {
            Ok(pattern) => Some(Filter { name: record.name.clone(), pattern }),
            // It was one when it was put.
            Err(error) => {
                tracing::error!(group = group.name, filter = record.name, %error, "a subscription filter is not read");
                None
            }
        };
        let filters: Vec<Filter> = group.subscription_filters.iter().filter_map(filter).collect();
        (!filters.is_empty()).then(|| Self { scope: scope.clone(), group: group.name.clone(), filters })
    }
}

/// What functions are told of the caller: `…:log-group:NAME:*`. Source: user guide, "Subscription filters with AWS Lambda".
pub(crate) fn source_arn(scope: &Scope, group: &str) -> String {
    let region = scope.region.as_ref().map(Region::as_str).unwrap_or_default();
    format!("arn:{}:logs:{region}:{}:log-group:{group}:*", scope.partition.as_str(), scope.account)
}

/// Whether the group is where that function writes its own log.
pub(crate) fn is_own_group(group: &str, function: &str) -> bool {
    group.strip_prefix("/aws/lambda/").is_some_and(|name| name == function)
}

/// Of requests: the scope whose groups they are about.
pub(crate) fn is_here(ctx: &RequestContext, account: &str, region: &str) -> bool {
    account == ctx.account.as_str() && region == ctx.region.as_str()
}
