//! AddPermission: a statement more in a topic's policy.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::Sns;
use crate::api::By;
use crate::error::SnsError;
use crate::policy;
use crate::topic::{POLICY, policy_text};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    topic_arn: Option<String>,
    label: Option<String>,
    #[serde(rename = "AWSAccountId", default)]
    accounts: Vec<String>,
    #[serde(rename = "ActionName", default)]
    actions: Vec<String>,
}

pub(crate) async fn run(sns: Arc<Sns>, ctx: RequestContext, input: Input) -> Result<Empty, SnsError> {
    let by = By::Topic(input.topic_arn.as_deref());
    let topic = sns.authorize(&ctx, "sns:AddPermission", by, Vec::new())?.topic()?;
    let label = input.label.ok_or_else(|| SnsError::Null("label".to_owned()))?;
    for (member, list) in [("aWSAccountId", &input.accounts), ("actionName", &input.actions)] {
        if list.is_empty() {
            return Err(SnsError::Null(member.to_owned()));
        }
    }
    sns.edit(&topic, |record| {
        let text = policy_text(&topic.arn, record);
        let text = policy::add(&text, &topic.arn, &label, &input.accounts, &input.actions)?;
        record.attributes.insert(POLICY.to_owned(), text);
        Ok(())
    })
    .await?;
    Ok(Empty {})
}
