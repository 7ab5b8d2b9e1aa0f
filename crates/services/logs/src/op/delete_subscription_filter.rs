//! DeleteSubscriptionFilter: what has not been delivered yet is not delivered any more.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::Deserialize;

use super::Empty;
use crate::arn::Subject;
use crate::directory::GroupRecord;
use crate::{Api, LogsError};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Input {
    log_group_name: String,
    filter_name: String,
}

pub(crate) async fn run(api: Arc<Api>, ctx: RequestContext, input: Input) -> Result<Empty, LogsError> {
    let Input { log_group_name: name, filter_name: filter } = input;
    let record = api.find(&ctx, &name).await;
    api.authorize(&ctx, "logs:DeleteSubscriptionFilter", &Subject::group(&ctx, &name, record.as_deref()))?;
    let edit = |record: &mut GroupRecord| {
        let before = record.subscription_filters.len();
        record.subscription_filters.retain(|other| other.name != filter);
        if record.subscription_filters.len() == before { Err(LogsError::NoSuchFilter) } else { Ok(()) }
    };
    api.logs.directory.edit_group(&ctx.scope(), &name, edit).await?;
    Ok(Empty {})
}
