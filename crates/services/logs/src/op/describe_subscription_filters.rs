//! DescribeSubscriptionFilters: the filters of a group in the order of their names.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::arn::Subject;
use crate::subscription::FilterRecord;
use crate::{Api, LogsError, token};

/// Source: CloudWatch Logs API reference, DescribeSubscriptionFilters, `limit`.
const LIMIT_DEFAULT: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Input {
    log_group_name: String,
    filter_name_prefix: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Output {
    subscription_filters: Vec<SubscriptionFilter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SubscriptionFilter {
    filter_name: String,
    log_group_name: String,
    filter_pattern: String,
    destination_arn: String,
    distribution: &'static str,
    apply_on_transformed_logs: bool,
    creation_time: i64,
}

pub(crate) async fn run(api: Arc<Api>, ctx: RequestContext, input: Input) -> Result<Output, LogsError> {
    let name = input.log_group_name;
    let record = api.find(&ctx, &name).await;
    api.authorize(&ctx, "logs:DescribeSubscriptionFilters", &Subject::group(&ctx, &name, record.as_deref()))?;
    let after = token::name(input.next_token.as_deref())?;
    let record = record.ok_or(LogsError::NoSuchGroup)?;
    let wanted = |filter: &&FilterRecord| {
        input.filter_name_prefix.as_ref().is_none_or(|prefix| filter.name.starts_with(prefix))
            && after.is_none_or(|after| filter.name.as_str() > after)
    };
    let mut found: Vec<&FilterRecord> = record.subscription_filters.iter().filter(wanted).collect();
    let limit = input.limit.unwrap_or(LIMIT_DEFAULT);
    let is_cut = found.len() > limit;
    found.truncate(limit);
    let next_token = found.last().filter(|_| is_cut).map(|last| token::of_name(&last.name));
    let view = |filter: &FilterRecord| SubscriptionFilter {
        filter_name: filter.name.clone(),
        log_group_name: name.clone(),
        filter_pattern: filter.pattern.clone(),
        destination_arn: filter.destination_arn.clone(),
        distribution: "ByLogStream",
        apply_on_transformed_logs: false,
        creation_time: filter.created_at_ms,
    };
    Ok(Output { subscription_filters: found.into_iter().map(view).collect(), next_token })
}
