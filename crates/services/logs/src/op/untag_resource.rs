//! UntagResource: removes tags of a log group, which is named by its ARN. Keys it does not have do not matter.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::arn::{Subject, group_name};
use crate::{Api, LogsError};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Input {
    resource_arn: String,
    tag_keys: Vec<String>,
}

pub(crate) async fn run(api: Arc<Api>, ctx: RequestContext, input: Input) -> Result<Empty, LogsError> {
    let name = group_name(&ctx, &input.resource_arn)?;
    let record = api.find(&ctx, &name).await;
    let subject = Subject::bare_group(&ctx, &name, record.as_deref()).with_tag_keys(input.tag_keys.clone());
    api.authorize(&ctx, "logs:UntagResource", &subject)?;
    let remove = |record: &mut crate::directory::GroupRecord| {
        record.tags.retain(|key, _| !input.tag_keys.contains(key));
        Ok(())
    };
    api.logs.directory.edit_group(&ctx.scope(), &name, remove).await?;
    Ok(Empty {})
}
