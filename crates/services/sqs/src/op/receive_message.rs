//! ReceiveMessage: hands out messages, which are invisible to others for a while.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Sqs;
use crate::error::SqsError;
use crate::limits::{BATCH_ENTRIES_MAX, WAIT_S_MAX};
use crate::message;
use crate::op::visibility_timeout;
use crate::receive::{Wanted, show};
use crate::shown::{self, Selection, ShownMessage};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    queue_url: Option<String>,
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
    #[serde(default)]
    message_attribute_names: Vec<String>,
    max_number_of_messages: Option<i64>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
    receive_request_attempt_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    messages: Vec<ShownMessage>,
}

pub(crate) async fn run(sqs: Arc<Sqs>, ctx: RequestContext, input: Input) -> Result<Output, SqsError> {
    let queue = sqs.authorize(&ctx, "sqs:ReceiveMessage", input.queue_url.as_deref())?;
    let description = queue.describe();
    let settings = &description.settings;
    let max = input.max_number_of_messages.unwrap_or(1);
    if !(1..=BATCH_ENTRIES_MAX as i64).contains(&max) {
        return Err(SqsError::value(max, "MaxNumberOfMessages", "Must be between 1 and 10, if provided."));
    }
    let wait = input.wait_time_seconds.unwrap_or(settings.wait_s.into());
    if !(0..=WAIT_S_MAX).contains(&wait) {
        return Err(SqsError::value(wait, "WaitTimeSeconds", "Must be >= 0 and <= 20, if provided."));
    }
    if let Some(attempt) = input.receive_request_attempt_id.as_deref() {
        if !settings.is_fifo {
            return Err(SqsError::queue_type(attempt, "ReceiveRequestAttemptId"));
        }
        message::check_id("ReceiveRequestAttemptId", attempt)?;
    }
    let system = [input.attribute_names, input.message_system_attribute_names].concat();
    let selection = Selection::new(system, input.message_attribute_names)?;
    let wanted = Wanted {
        max: max as usize,
        visibility_s: visibility_timeout(input.visibility_timeout)?.unwrap_or(settings.visibility_timeout_s),
        wait_s: wait as u32,
        attempt: input.receive_request_attempt_id,
    };
    let handed = sqs.receive(&queue, &wanted).await?;
    let messages = show(&handed, |taken, stored| shown::message(&queue, taken, stored, &selection, true))?;
    Ok(Output { messages })
}
