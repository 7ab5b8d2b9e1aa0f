//! SendMessageBatch: up to ten messages in one commit, with an answer for each.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Sqs;
use crate::batch;
use crate::error::SqsError;
use crate::limits::BATCH_BYTES_MAX;
use crate::message::{AttributesInput, Outgoing, uuid_text};
use crate::send::sender_id;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    queue_url: Option<String>,
    entries: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    id: Option<String>,
    message_body: Option<String>,
    delay_seconds: Option<i64>,
    #[serde(default)]
    message_attributes: AttributesInput,
    #[serde(default)]
    message_system_attributes: AttributesInput,
    message_deduplication_id: Option<String>,
    message_group_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SentEntry {
    id: String,
    message_id: String,
    #[serde(rename = "MD5OfMessageBody")]
    md5_of_message_body: String,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    md5_of_message_attributes: Option<String>,
    #[serde(rename = "MD5OfMessageSystemAttributes", skip_serializing_if = "Option::is_none")]
    md5_of_message_system_attributes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<String>,
}

pub(crate) async fn run(
    sqs: Arc<Sqs>,
    ctx: RequestContext,
    input: Input,
) -> Result<batch::Output<SentEntry>, SqsError> {
    let queue = sqs.authorize(&ctx, "sqs:SendMessage", input.queue_url.as_deref())?;
    let entries = batch::check("SendMessageBatchRequestEntry", input.entries, |entry: &mut Entry| entry.id.take())?;
    let entries: Vec<(String, Outgoing)> = entries.into_iter().map(|(id, entry)| (id, outgoing(entry))).collect();
    let sent = entries.iter().map(|(_, outgoing)| outgoing.bytes()).sum();
    if sent > BATCH_BYTES_MAX {
        return Err(SqsError::BatchTooLong { max: BATCH_BYTES_MAX, sent });
    }
    let description = queue.describe();
    let (mut ids, mut messages) = (Vec::with_capacity(entries.len()), Vec::with_capacity(entries.len()));
    let mut output = batch::Output::default();
    for (id, outgoing) in &entries {
        match outgoing.check(&description.settings) {
            Ok(message) => {
                ids.push(id.clone());
                messages.push(message.traced(ctx.trace.as_deref()));
            }
            Err(error) => output.push(id.clone(), Err(error)),
        }
    }
    if messages.is_empty() {
        return Ok(output);
    }
    let sent = sqs.send(&queue, &sender_id(&ctx), &messages).await?;
    for ((id, message), sent) in ids.into_iter().zip(&messages).zip(sent) {
        let entry = SentEntry {
            id: id.clone(),
            message_id: uuid_text(&sent.message_id),
            md5_of_message_body: hex::encode(message.body_md5),
            md5_of_message_attributes: message.attributes_md5.map(hex::encode),
            md5_of_message_system_attributes: message.system_md5.map(hex::encode),
            sequence_number: sent.sequence_number,
        };
        output.push(id, Ok(entry));
    }
    Ok(output)
}

fn outgoing(entry: Entry) -> Outgoing {
    Outgoing {
        body: entry.message_body,
        delay_s: entry.delay_seconds,
        attributes: entry.message_attributes,
        system_attributes: entry.message_system_attributes,
        dedup_id: entry.message_deduplication_id,
        group_id: entry.message_group_id,
    }
}
