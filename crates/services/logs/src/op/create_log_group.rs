//! CreateLogGroup.

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
    kms_key_id: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    log_group_class: Option<String>,
    #[serde(default)]
    deletion_protection_enabled: bool,
}

pub(crate) async fn run(api: Arc<Api>, ctx: RequestContext, input: Input) -> Result<Empty, LogsError> {
    let name = input.log_group_name;
    let existing = api.find(&ctx, &name).await;
    let subject = Subject::group(&ctx, &name, existing.as_deref()).with_tags(&input.tags);
    api.authorize(&ctx, "logs:CreateLogGroup", &subject)?;
    if !input.tags.is_empty() {
        api.authorize(&ctx, "logs:TagResource", &Subject::bare_group(&ctx, &name, None).with_tags(&input.tags))?;
    }
    if input.kms_key_id.is_some() {
        return Err(LogsError::invalid("kmsKeyId is not supported by Hearth yet."));
    }
    if input.log_group_class.is_some_and(|class| class != "STANDARD") {
        return Err(LogsError::invalid("Hearth has log groups of the class STANDARD only."));
    }
    if input.deletion_protection_enabled {
        return Err(LogsError::invalid("deletionProtectionEnabled is not supported by Hearth yet."));
    }
    tags::check(&input.tags)?;
    let now_ms = api.logs.clock.now_ms();
    api.logs.directory.create_group(&ctx.scope(), &name, now_ms, |record| record.tags = input.tags).await?;
    Ok(Empty {})
}
