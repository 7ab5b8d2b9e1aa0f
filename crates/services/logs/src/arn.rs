//! The ARNs of log groups and streams, and what a request is about as it is authorised.

use hearth_ports::Condition;
use hearth_types::{Arn, RequestContext};

use crate::directory::GroupRecord;
use crate::error::LogsError;

/// What policies are asked about. Source: "Actions, resources, and condition keys for Amazon CloudWatch Logs".
pub(crate) struct Subject {
    pub(crate) arn: Arn,
    pub(crate) conditions: Vec<Condition>,
}

impl Subject {
    /// A group, as all but the tagging operations name it: policies say `…:log-group:NAME:*`, as the `arn` that
    /// DescribeLogGroups shows. No name stands for all groups.
    pub(crate) fn group(ctx: &RequestContext, name: &str, record: Option<&GroupRecord>) -> Self {
        Self::stream(ctx, name, "", record)
    }

    /// One stream of a group.
    pub(crate) fn stream(ctx: &RequestContext, group: &str, stream: &str, record: Option<&GroupRecord>) -> Self {
        Self::of(arn(ctx, format!("log-group:{group}:log-stream:{stream}")), record)
    }

    /// A group, as the tagging operations name it.
    pub(crate) fn bare_group(ctx: &RequestContext, name: &str, record: Option<&GroupRecord>) -> Self {
        Self::of(group_arn(ctx, name), record)
    }

    fn of(arn: Arn, record: Option<&GroupRecord>) -> Self {
        let tags = record.map(|record| &record.tags).into_iter().flatten();
        let conditions = tags.map(|(key, value)| Condition::one(format!("aws:ResourceTag/{key}"), value));
        Self { arn, conditions: conditions.collect() }
    }

    /// The tags that a request sets.
    pub(crate) fn with_tags<'t>(mut self, tags: impl IntoIterator<Item = (&'t String, &'t String)>) -> Self {
        let mut keys = Vec::new();
        for (key, value) in tags {
            self.conditions.push(Condition::one(format!("aws:RequestTag/{key}"), value));
            keys.push(key.clone());
        }
        self.with_tag_keys(keys)
    }

    /// The tag keys that a request names.
    pub(crate) fn with_tag_keys(mut self, keys: Vec<String>) -> Self {
        if !keys.is_empty() {
            self.conditions.push(Condition::many("aws:TagKeys", keys));
        }
        self
    }
}

fn arn(ctx: &RequestContext, resource: String) -> Arn {
    Arn {
        partition: ctx.partition.as_str().to_owned(),
        service: "logs".to_owned(),
        region: ctx.region.as_str().to_owned(),
        account: ctx.account.as_str().to_owned(),
        resource,
    }
}

/// `arn:aws:logs:REGION:ACCOUNT:log-group:NAME`
pub(crate) fn group_arn(ctx: &RequestContext, name: &str) -> Arn {
    arn(ctx, format!("log-group:{name}"))
}

/// The group's name in its ARN.
///
/// # Errors
/// [`LogsError::InvalidParameter`] for what is no ARN of a log group; [`LogsError::NoSuchGroup`] for one that lies in
/// another account or region, whose groups nobody here can see.
pub(crate) fn group_name(ctx: &RequestContext, text: &str) -> Result<String, LogsError> {
    let parsed: Option<Arn> = text.parse().ok();
    let parsed = parsed.filter(|arn| arn.service == "logs");
    let name = parsed.as_ref().and_then(|arn| arn.resource.strip_prefix("log-group:"));
    let (Some(parsed), Some(name)) = (&parsed, name) else {
        return Err(LogsError::invalid(format!("The specified resource ARN is invalid: {text}")));
    };
    if parsed.account != ctx.account.as_str() || parsed.region != ctx.region.as_str() {
        return Err(LogsError::NoSuchGroup);
    }
    Ok(name.to_owned())
}

/// The group that a request names by one of two parameters, which cannot both be there.
///
/// # Errors
/// [`LogsError::NameAndArn`], and as [`group_name`].
pub(crate) fn named(
    ctx: &RequestContext,
    name: Option<String>,
    identifier: Option<String>,
) -> Result<String, LogsError> {
    match (name, identifier) {
        (Some(_), Some(_)) => Err(LogsError::NameAndArn),
        (Some(name), None) => Ok(name),
        (None, Some(identifier)) if identifier.starts_with("arn:") => group_name(ctx, &identifier),
        (None, Some(identifier)) => Ok(identifier),
        (None, None) => Err(LogsError::invalid("Either logGroupName or logGroupIdentifier must be specified.")),
    }
}
