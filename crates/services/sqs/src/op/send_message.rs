//! SendMessage: a message is in the queue, and on disk, when this is answered.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Sqs;
use crate::error::SqsError;
use crate::message::{AttributesInput, Outgoing, uuid_text};
use crate::send::sender_id;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    queue_url: Option<String>,
    message_body: Option<String>,
    delay_seconds: Option<i64>,
    #[serde(default)]
    message_attributes: AttributesInput,
    #[serde(default)]
    message_system_attributes: AttributesInput,
    message_deduplication_id: Option<String>,
    message_group_id: Option<String>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    #[serde(rename = "MD5OfMessageBody")]
    md5_of_message_body: String,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    md5_of_message_attributes: Option<String>,
    #[serde(rename = "MD5OfMessageSystemAttributes", skip_serializing_if = "Option::is_none")]
    md5_of_message_system_attributes: Option<String>,
    message_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<String>,
}

pub(crate) async fn run(sqs: Arc<Sqs>, ctx: RequestContext, input: Input) -> Result<Output, SqsError> {
    let queue = sqs.authorize(&ctx, "sqs:SendMessage", input.queue_url.as_deref())?;
    let outgoing = Outgoing {
        body: input.message_body,
        delay_s: input.delay_seconds,
        attributes: input.message_attributes,
        system_attributes: input.message_system_attributes,
        dedup_id: input.message_deduplication_id,
        group_id: input.message_group_id,
    };
    let description = queue.describe();
    let messages = [outgoing.check(&description.settings)?.traced(ctx.trace.as_deref())];
    let sent = sqs.send(&queue, &sender_id(&ctx), &messages).await?;
    let [checked] = messages;
    let mut output = Output {
        md5_of_message_body: hex::encode(checked.body_md5),
        md5_of_message_attributes: checked.attributes_md5.map(hex::encode),
        md5_of_message_system_attributes: checked.system_md5.map(hex::encode),
        ..Output::default()
    };
    for sent in sent {
        output.message_id = uuid_text(&sent.message_id);
        output.sequence_number = sent.sequence_number;
    }
    Ok(output)
}
