//! PutSubscriptionFilter: from now on, new events that match go to a function.

use std::sync::Arc;

use hearth_types::{Arn, FunctionRef, RequestContext};
use serde::Deserialize;

use super::Empty;
use crate::arn::Subject;
use crate::directory::GroupRecord;
use crate::pattern::Pattern;
use crate::subscription::{FILTERS_MAX, FilterRecord, Source, is_here, is_own_group};
use crate::{Api, LogsError};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Input {
    log_group_name: String,
    filter_name: String,
    filter_pattern: String,
    destination_arn: String,
    role_arn: Option<String>,
    distribution: Option<String>,
    #[serde(default)]
    apply_on_transformed_logs: bool,
    field_selection_criteria: Option<String>,
    #[serde(default)]
    emit_system_fields: Vec<String>,
}

pub(crate) async fn run(api: Arc<Api>, ctx: RequestContext, input: Input) -> Result<Empty, LogsError> {
    let name = &input.log_group_name;
    let record = api.find(&ctx, name).await;
    api.authorize(&ctx, "logs:PutSubscriptionFilter", &Subject::group(&ctx, name, record.as_deref()))?;
    check(&input)?;
    Pattern::parse(&input.filter_pattern)?;
    let function = destination(&ctx, &input)?;
    let record = record.ok_or(LogsError::NoSuchGroup)?;
    has_room(&record, &input.filter_name)?;
    if is_own_group(name, &function.name) {
        return Err(LogsError::invalid(
            "The log group provided is reserved for the function logs of the destination function.",
        ));
    }
    let source = Source { scope: &ctx.scope(), group: name, id: &ctx.request_id, trace: None };
    if !api.door.is_open(&source, &function).await {
        return Err(LogsError::invalid(
            "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your \
             function.",
        ));
    }
    let filter = FilterRecord {
        name: input.filter_name,
        pattern: input.filter_pattern,
        destination_arn: input.destination_arn,
        created_at_ms: api.logs.clock.now_ms(),
    };
    api.logs.directory.edit_group(&ctx.scope(), name, |record| put(record, filter)).await?;
    Ok(Empty {})
}

/// What Hearth does not have.
fn check(input: &Input) -> Result<(), LogsError> {
    if input.apply_on_transformed_logs {
        return Err(LogsError::invalid(
            "applyOnTransformedLogs is for log groups with a transformer; this one has none.",
        ));
    }
    if input.field_selection_criteria.is_some() {
        return Err(LogsError::invalid("Hearth has no centralised log groups: leave fieldSelectionCriteria away."));
    }
    if !input.emit_system_fields.is_empty() {
        return Err(LogsError::invalid("Hearth has no centralised log groups: leave emitSystemFields away."));
    }
    // Events always go by stream to a function, and some clients say so.
    if input.distribution.as_deref().is_some_and(|distribution| distribution != "ByLogStream") {
        return Err(LogsError::invalid("Only a Kinesis data stream has a distribution other than ByLogStream."));
    }
    Ok(())
}

/// The function that the filter names, which is one of this account and region.
fn destination(ctx: &RequestContext, input: &Input) -> Result<FunctionRef, LogsError> {
    let text = &input.destination_arn;
    let arn: Arn = text.parse().map_err(|_| LogsError::invalid(format!("destinationArn is no ARN: {text}")))?;
    if arn.service != "lambda" {
        let vendor = &arn.service;
        return Err(LogsError::invalid(format!(
            "PutSubscriptionFilter operation cannot work with destinationArn for vendor {vendor}"
        )));
    }
    if input.role_arn.is_some() {
        return Err(LogsError::invalid("destinationArn for vendor lambda cannot be used with roleArn"));
    }
    let function = FunctionRef::parse(text).ok().filter(|_| arn.resource.starts_with("function:"));
    let function = function.ok_or_else(|| LogsError::invalid(format!("destinationArn is no function's: {text}")))?;
    if !is_here(ctx, &arn.account, &arn.region) {
        return Err(LogsError::invalid("The function must belong to the account and region of the log group."));
    }
    Ok(function)
}

fn has_room(record: &GroupRecord, name: &str) -> Result<(), LogsError> {
    let others = record.subscription_filters.iter().filter(|filter| filter.name != name).count();
    if others >= FILTERS_MAX { Err(LogsError::LimitExceeded) } else { Ok(()) }
}

/// A filter of that name is another one from now on.
fn put(record: &mut GroupRecord, filter: FilterRecord) -> Result<(), LogsError> {
    has_room(record, &filter.name)?;
    record.subscription_filters.retain(|other| other.name != filter.name);
    record.subscription_filters.push(filter);
    record.subscription_filters.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(())
}
