//! PutRetentionPolicy: events older than so many days go.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::arn::Subject;
use crate::{Api, LogsError};

/// Source: CloudWatch Logs API reference, PutRetentionPolicy, `retentionInDays`.
const DAYS: &[u32] =
    &[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Input {
    log_group_name: String,
    retention_in_days: i64,
}

pub(crate) async fn run(api: Arc<Api>, ctx: RequestContext, input: Input) -> Result<Empty, LogsError> {
    let name = input.log_group_name;
    let record = api.find(&ctx, &name).await;
    api.authorize(&ctx, "logs:PutRetentionPolicy", &Subject::group(&ctx, &name, record.as_deref()))?;
    let days = DAYS.iter().copied().find(|days| i64::from(*days) == input.retention_in_days).ok_or_else(|| {
        // Not an array's `map`: LLVM 22 takes minutes to see through the sum of so many lengths.
        let days = DAYS.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let value = input.retention_in_days;
        LogsError::invalid(format!(
            "1 validation error detected: Value '{value}' at 'retentionInDays' failed to satisfy constraint: Member must \
             satisfy enum value set: [{days}]"
        ))
    })?;
    let edit = |record: &mut crate::directory::GroupRecord| {
        record.retention_days = Some(days);
        Ok(())
    };
    api.logs.directory.edit_group(&ctx.scope(), &name, edit).await?;
    api.logs.tidy();
    Ok(Empty {})
}
