//! ListTopics: the ARNs of the caller's topics, by name.

use std::sync::Arc;

use hearth_ports::Access;
use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::error::SnsError;
use crate::limits::LIST_PAGE;
use crate::topic::arn;
use crate::{Sns, op};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    topic_arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    topics: Vec<Listed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(crate) async fn run(sns: Arc<Sns>, ctx: RequestContext, input: Input) -> Result<Output, SnsError> {
    let scope = ctx.scope();
    sns.authorizer.authorize(&ctx, &Access::new("sns:ListTopics", &arn(&scope, "*")))?;
    let after = op::page_start(input.next_token.as_deref())?;
    let found = sns.list(&scope, after.as_deref(), LIST_PAGE + 1);
    let (found, next_token) = op::cut(found, |topic| topic.name().to_owned());
    let topics = found.iter().map(|topic| Listed { topic_arn: topic.arn.to_string() }).collect();
    Ok(Output { topics, next_token })
}
