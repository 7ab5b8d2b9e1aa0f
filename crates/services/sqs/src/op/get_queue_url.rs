//! GetQueueUrl: the URL of a queue by its name, also of another account's.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::Sqs;
use crate::error::SqsError;
use crate::url;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    queue_name: Option<String>,
    #[serde(rename = "QueueOwnerAWSAccountId")]
    owner: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    queue_url: String,
}

pub(crate) async fn run(sqs: Arc<Sqs>, ctx: RequestContext, input: Input) -> Result<Output, SqsError> {
    let name = input.queue_name.filter(|name| !name.is_empty()).ok_or(SqsError::Missing("QueueName"))?;
    let owner = match input.owner {
        Some(owner) => owner
            .parse()
            .map_err(|_| SqsError::value(&owner, "QueueOwnerAWSAccountId", "An account id has 12 digits."))?,
        None => ctx.account,
    };
    let ctx = ctx.in_account(owner);
    let path = format!("/{owner}/{name}");
    sqs.authorize(&ctx, "sqs:GetQueueUrl", Some(path.as_str()))?;
    Ok(Output { queue_url: url::make(&ctx, &name) })
}
