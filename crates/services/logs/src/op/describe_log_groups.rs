//! DescribeLogGroups: the groups of the account in the order of their names.

use std::sync::Arc;

use hearth_types::RequestContext;
use serde::{Deserialize, Serialize};

use crate::arn::{Subject, group_arn, group_name};
use crate::directory::GroupRecord;
use crate::{Api, LogsError, token};

/// Source: CloudWatch Logs API reference, DescribeLogGroups, `limit`.
const LIMIT_DEFAULT: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Input {
    #[serde(default)]
    account_identifiers: Vec<String>,
    log_group_name_prefix: Option<String>,
    log_group_name_pattern: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
    #[serde(default)]
    include_linked_accounts: bool,
    log_group_class: Option<String>,
    log_group_identifiers: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Output {
    log_groups: Vec<LogGroup>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogGroup {
    log_group_name: String,
    creation_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    retention_in_days: Option<u32>,
    metric_filter_count: u32,
    arn: String,
    stored_bytes: u64,
    log_group_class: &'static str,
    log_group_arn: String,
    deletion_protection_enabled: bool,
}

pub(crate) async fn run(api: Arc<Api>, ctx: RequestContext, input: Input) -> Result<Output, LogsError> {
    api.authorize(&ctx, "logs:DescribeLogGroups", &Subject::group(&ctx, "", None))?;
    let (prefix, pattern) = (input.log_group_name_prefix, input.log_group_name_pattern);
    if prefix.is_some() && pattern.is_some() {
        return Err(LogsError::invalid(
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
        ));
    }
    if !input.account_identifiers.is_empty() || input.include_linked_accounts {
        return Err(LogsError::invalid("Hearth has no monitoring accounts: leave linked accounts away."));
    }
    let named: Option<Vec<String>> = match input.log_group_identifiers {
        Some(_) if prefix.is_some() || pattern.is_some() || input.log_group_class.is_some() => {
            return Err(LogsError::invalid("logGroupIdentifiers cannot be combined with other filters."));
        }
        Some(identifiers) => {
            let name = |id: String| if id.starts_with("arn:") { group_name(&ctx, &id) } else { Ok(id) };
            Some(identifiers.into_iter().map(name).collect::<Result<_, _>>()?)
        }
        None => None,
    };
    let has_class = input.log_group_class.as_deref().is_none_or(|class| class == "STANDARD");
    let wanted = |record: &GroupRecord| {
        has_class
            && prefix.as_ref().is_none_or(|prefix| record.name.starts_with(prefix))
            && pattern.as_ref().is_none_or(|pattern| record.name.contains(pattern))
            && named.as_ref().is_none_or(|named| named.contains(&record.name))
    };
    let limit = input.limit.unwrap_or(LIMIT_DEFAULT);
    // Groups that functions have just made.
    api.logs.settle().await;
    let after = token::name(input.next_token.as_deref())?;
    let mut found = api.logs.directory.list(&ctx.scope(), after, limit + 1, wanted);
    let is_cut = found.len() > limit;
    found.truncate(limit);
    let next_token = found.last().filter(|_| is_cut).map(|last| token::of_name(&last.name));
    let index = api.logs.index.read();
    let view = |record: &Arc<GroupRecord>| {
        let arn = group_arn(&ctx, &record.name).to_string();
        LogGroup {
            log_group_name: record.name.clone(),
            creation_time: record.created_at_ms,
            retention_in_days: record.retention_days,
            metric_filter_count: 0,
            arn: format!("{arn}:*"),
            stored_bytes: index.group_bytes(record.id),
            log_group_class: "STANDARD",
            log_group_arn: arn,
            deletion_protection_enabled: false,
        }
    };
    Ok(Output { log_groups: found.iter().map(view).collect(), next_token })
}
