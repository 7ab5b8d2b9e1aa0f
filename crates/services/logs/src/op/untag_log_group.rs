//! UntagLogGroup: removes tags; the older form of UntagResource.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::arn::Subject;
use crate::{Api, LogsError};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Input {
    log_group_name: String,
    tags: Vec<String>,
}

pub(crate) async fn run(api: Arc<Api>, ctx: RequestContext, input: Input) -> Result<Empty, LogsError> {
    let name = input.log_group_name;
    let record = api.find(&ctx, &name).await;
    let subject = Subject::group(&ctx, &name, record.as_deref()).with_tag_keys(input.tags.clone());
    api.authorize(&ctx, "logs:UntagLogGroup", &subject)?;
    let remove = |record: &mut crate::directory::GroupRecord| {
        record.tags.retain(|key, _| !input.tags.contains(key));
        Ok(())
    };
    api.logs.directory.edit_group(&ctx.scope(), &name, remove).await?;
    Ok(Empty {})
}
