//! TagResource: adds tags to a log group, which is named by its ARN.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::arn::{Subject, group_name};
use crate::{Api, LogsError, tags};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Input {
    resource_arn: String,
    tags: BTreeMap<String, String>,
}

pub(crate) async fn run(api: Arc<Api>, ctx: RequestContext, input: Input) -> Result<Empty, LogsError> {
    let name = group_name(&ctx, &input.resource_arn)?;
    let record = api.find(&ctx, &name).await;
    let subject = Subject::bare_group(&ctx, &name, record.as_deref()).with_tags(&input.tags);
    api.authorize(&ctx, "logs:TagResource", &subject)?;
    tags::check(&input.tags)?;
    let add = |record: &mut crate::directory::GroupRecord| tags::add(&mut record.tags, input.tags);
    api.logs.directory.edit_group(&ctx.scope(), &name, add).await?;
    Ok(Empty {})
}
