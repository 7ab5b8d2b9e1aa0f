//! ListTagsForResource: the tags of a log group, which is named by its ARN.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::arn::{Subject, group_name};
use crate::{Api, LogsError};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Input {
    resource_arn: String,
}

#[derive(Serialize)]
pub(crate) struct Output {
    tags: BTreeMap<String, String>,
}

pub(crate) async fn run(api: Arc<Api>, ctx: RequestContext, input: Input) -> Result<Output, LogsError> {
    let name = group_name(&ctx, &input.resource_arn)?;
    let record = api.find(&ctx, &name).await;
    api.authorize(&ctx, "logs:ListTagsForResource", &Subject::bare_group(&ctx, &name, record.as_deref()))?;
    Ok(Output { tags: record.ok_or(LogsError::NoSuchGroup)?.tags.clone() })
}
