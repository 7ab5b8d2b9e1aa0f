//! TagLogGroup: adds tags; the older form of TagResource.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::arn::Subject;
use crate::{Api, LogsError, tags};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Input {
    log_group_name: String,
    tags: BTreeMap<String, String>,
}

pub(crate) async fn run(api: Arc<Api>, ctx: RequestContext, input: Input) -> Result<Empty, LogsError> {
    let name = input.log_group_name;
    let record = api.find(&ctx, &name).await;
    let subject = Subject::group(&ctx, &name, record.as_deref()).with_tags(&input.tags);
    api.authorize(&ctx, "logs:TagLogGroup", &subject)?;
    tags::check(&input.tags)?;
    let add = |record: &mut crate::directory::GroupRecord| tags::add(&mut record.tags, input.tags);
    api.logs.directory.edit_group(&ctx.scope(), &name, add).await?;
    Ok(Empty {})
}
