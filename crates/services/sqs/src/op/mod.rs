//! One file per operation: what it reads, whom it asks, what it does. What several of them need stands here.

pub(crate) mod add_permission;
pub(crate) mod cancel_message_move_task;
pub(crate) mod change_message_visibility;
pub(crate) mod change_message_visibility_batch;
pub(crate) mod create_queue;
pub(crate) mod delete_message;
pub(crate) mod delete_message_batch;
pub(crate) mod delete_queue;
pub(crate) mod get_queue_attributes;
pub(crate) mod get_queue_url;
pub(crate) mod list_dead_letter_source_queues;
pub(crate) mod list_message_move_tasks;
pub(crate) mod list_queue_tags;
pub(crate) mod list_queues;
pub(crate) mod purge_queue;
pub(crate) mod receive_message;
pub(crate) mod remove_permission;
pub(crate) mod send_message;
pub(crate) mod send_message_batch;
pub(crate) mod set_queue_attributes;
pub(crate) mod start_message_move_task;
pub(crate) mod tag_queue;
pub(crate) mod untag_queue;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_types::{Arn, RequestContext};
use serde::Serialize;

use crate::error::SqsError;
use crate::limits::{LIST_PAGE_MAX, VISIBILITY_S_MAX};
use crate::queue::Queue;

/// The answer of an operation that answers nothing.
#[derive(Serialize)]
pub(crate) struct Empty {}

/// # Errors
/// [`SqsError::Invalid`].
pub(crate) fn visibility_timeout(seconds: Option<i64>) -> Result<Option<u32>, SqsError> {
    match seconds {
        Some(seconds) if !(0..=VISIBILITY_S_MAX).contains(&seconds) => {
            Err(SqsError::value(seconds, "VisibilityTimeout", "Must be >= 0 and <= 43200, if provided."))
        }
        seconds => Ok(seconds.and_then(|seconds| u32::try_from(seconds).ok())),
    }
}

/// The queue of an ARN, as a URL.
///
/// # Errors
/// [`SqsError::Invalid`] for what is no ARN of a queue; [`SqsError::NotFound`] for another region's, whose queues nobody
/// here can see.
pub(crate) fn source_url(ctx: &RequestContext, arn: &str) -> Result<String, SqsError> {
    let parsed = arn.parse::<Arn>().ok().filter(|arn| arn.service == "sqs");
    let parsed = parsed.ok_or_else(|| SqsError::invalid("You must use this format to specify the SourceArn: arn:<partition>:<service>:<region>:<account-id>:<resource-id>"))?;
    if parsed.region != ctx.region.as_str() {
        return Err(SqsError::NotFound("The resource that you specified for the SourceArn parameter doesn't exist."));
    }
    Ok(format!("/{}/{}", parsed.account, parsed.resource))
}

/// A page of a list of queues. Without MaxResults there are no pages. Source: SQS API reference, ListQueues.
pub(crate) struct Page {
    after: Option<String>,
    pub(crate) limit: usize,
    is_paged: bool,
}

impl Page {
    /// # Errors
    /// [`SqsError::Invalid`].
    pub(crate) fn read(token: Option<&str>, max_results: Option<i64>) -> Result<Self, SqsError> {
        let limit = max_results.unwrap_or(LIST_PAGE_MAX);
        if !(1..=LIST_PAGE_MAX).contains(&limit) {
            return Err(SqsError::value(limit, "MaxResults", "Must be >= 1 and <= 1000, if provided."));
        }
        let after = token.filter(|token| !token.is_empty()).map(|token| {
            let name = URL_SAFE_NO_PAD.decode(token).ok().and_then(|name| String::from_utf8(name).ok());
            name.ok_or_else(|| SqsError::invalid("Invalid or expired next token."))
        });
        Ok(Self { after: after.transpose()?, limit: limit as usize, is_paged: max_results.is_some() })
    }

    pub(crate) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// Of one queue more than the limit: the page, and the token of the next.
    pub(crate) fn cut(&self, mut queues: Vec<Arc<Queue>>) -> (Vec<Arc<Queue>>, Option<String>) {
        let has_more = queues.len() > self.limit;
        queues.truncate(self.limit);
        let last = queues.last().filter(|_| has_more && self.is_paged);
        let token = last.map(|queue| URL_SAFE_NO_PAD.encode(&queue.arn.resource));
        (queues, token)
    }
}
