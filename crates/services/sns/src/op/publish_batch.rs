//! PublishBatch: up to ten messages, with an answer for each.

use std::collections::HashSet;
use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Sns;
use crate::api::By;
use crate::error::SnsError;
use crate::limits::{BATCH_ENTRIES_MAX, BATCH_ID_MAX, MESSAGE_BYTES_MAX};
use crate::message::{Order, Outgoing};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(default)]
    id: String,
    #[serde(flatten)]
    message: Outgoing,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    topic_arn: Option<String>,
    #[serde(rename = "PublishBatchRequestEntries", default)]
    entries: Vec<Entry>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Published {
    id: String,
    message_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Failed {
    id: String,
    code: &'static str,
    message: String,
    sender_fault: bool,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    successful: Vec<Published>,
    failed: Vec<Failed>,
}

pub(crate) async fn run(sns: Arc<Sns>, ctx: RequestContext, input: Input) -> Result<Output, SnsError> {
    let by = By::Topic(input.topic_arn.as_deref());
    let topic = sns.authorize(&ctx, "sns:Publish", by, Vec::new())?.topic()?;
    check(&input.entries)?;
    let order = topic.describe().order;
    // What a FIFO topic misses in one message fails the whole request.
    if let Order::Fifo { .. } = order {
        input.entries.iter().try_for_each(|entry| entry.message.check_order(order))?;
    }
    let (mut ids, mut messages, mut output) = (Vec::new(), Vec::new(), Output::default());
    for (number, Entry { id, message }) in (1..).zip(input.entries) {
        match message.check(order, &format!("publishBatchRequestEntries.{number}.member.")) {
            Ok(message) => {
                ids.push(id);
                messages.push(message);
            }
            // What is no message at all fails the whole request.
            Err(error @ SnsError::Null(_)) => return Err(error),
            Err(error) => {
                let (code, message) = (error.aws_code(), error.told());
                output.failed.push(Failed { id, code, message, sender_fault: true });
            }
        }
    }
    let published = sns.publish(&ctx, &topic, &messages).await?;
    let pairs = ids.into_iter().zip(published);
    let successful = pairs.map(|(id, published)| Published {
        id,
        sequence_number: published.sequence_number(),
        message_id: published.message_id,
    });
    output.successful = successful.collect();
    Ok(output)
}

/// The batch as a whole; texts as recorded.
fn check(entries: &[Entry]) -> Result<(), SnsError> {
    if entries.is_empty() {
        return Err(SnsError::EmptyBatch);
    }
    if entries.len() > BATCH_ENTRIES_MAX {
        return Err(SnsError::TooManyEntries);
    }
    let mut known = HashSet::new();
    for Entry { id, .. } in entries {
        if id.len() > BATCH_ID_MAX {
            let reason = format!("The Id of a batch entry in the batch request is too long: {id}");
            return Err(SnsError::BatchEntryId(reason));
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if id.is_empty() || !id.bytes().all(is_plain) {
            let reason = "The Id of a batch entry in the batch request contains an impermissible character";
            return Err(SnsError::BatchEntryId(format!("{reason}: {id}")));
        }
        if !known.insert(id) {
            return Err(SnsError::RepeatedId);
        }
    }
    let bytes: usize = entries.iter().map(|entry| entry.message.bytes()).sum();
    if bytes > MESSAGE_BYTES_MAX { Err(SnsError::BatchTooLong) } else { Ok(()) }
}
