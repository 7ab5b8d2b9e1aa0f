//! AddPermission: lets other accounts do something with the queue, by a statement in its policy.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Sqs;
use crate::attributes::POLICY;
use crate::error::SqsError;
use crate::permission;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    queue_url: Option<String>,
    label: Option<String>,
    #[serde(rename = "AWSAccountIds")]
    accounts: Option<Vec<String>>,
    actions: Option<Vec<String>>,
}

pub(crate) async fn run(sqs: Arc<Sqs>, ctx: RequestContext, input: Input) -> Result<Empty, SqsError> {
    let queue = sqs.authorize(&ctx, "sqs:AddPermission", input.queue_url.as_deref())?;
    let label = input.label.ok_or(SqsError::Missing("Label"))?;
    let accounts = input.accounts.filter(|list| !list.is_empty()).ok_or(SqsError::Missing("AWSAccountId"))?;
    let actions = input.actions.filter(|list| !list.is_empty()).ok_or(SqsError::Missing("ActionName"))?;
    sqs.edit(&queue, |record| {
        let policy = record.attributes.get(POLICY).map(String::as_str);
        let policy = permission::add(policy, &queue.arn, ctx.partition, &label, &accounts, &actions)?;
        record.attributes.insert(POLICY.to_owned(), policy);
        Ok(())
    })
    .await?;
    Ok(Empty {})
}
