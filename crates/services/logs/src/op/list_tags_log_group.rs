//! ListTagsLogGroup: the older form of ListTagsForResource.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::arn::Subject;
use crate::{Api, LogsError};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Input {
    log_group_name: String,
}

#[derive(Serialize)]
pub(crate) struct Output {
    tags: BTreeMap<String, String>,
}

pub(crate) async fn run(api: Arc<Api>, ctx: RequestContext, input: Input) -> Result<Output, LogsError> {
    let name = input.log_group_name;
    let record = api.find(&ctx, &name).await;
    api.authorize(&ctx, "logs:ListTagsLogGroup", &Subject::group(&ctx, &name, record.as_deref()))?;
    Ok(Output { tags: record.ok_or(LogsError::NoSuchGroup)?.tags.clone() })
}
