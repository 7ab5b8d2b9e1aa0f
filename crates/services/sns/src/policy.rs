//! A topic's policy: the one it has from the start, and statements that AddPermission adds and RemovePermission takes out.
//! Source: SNS API reference, AddPermission; SNS developer guide, "Example cases for Amazon SNS access control".

use hearth_authz::{Policy, PolicyEdit, PolicyKind};
use hearth_types::{AccountId, Arn};
use serde_json::{Value, json};

use crate::error::SnsError;

/// What policies of topics are about.
const ACTIONS: [&str; 8] = [
    "GetTopicAttributes",
    "SetTopicAttributes",
    "AddPermission",
    "RemovePermission",
    "DeleteTopic",
    "Subscribe",
    "ListSubscriptionsByTopic",
    "Publish",
];

/// The policy of a topic that was given none: services that act for its account may use it.
pub(crate) fn default(topic: &Arn) -> String {
    json!({
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": { "AWS": "*" },
            "Action": ACTIONS.map(|action| format!("SNS:{action}")),
            "Resource": topic.to_string(),
            "Condition": { "StringEquals": { "AWS:SourceOwner": topic.account } },
        }],
    })
    .to_string()
}

/// # Errors
/// [`SnsError::Parameter`] for what is no policy of a topic.
pub(crate) fn parse(text: &str) -> Result<Policy, SnsError> {
    let invalid = |error: &dyn std::fmt::Display| SnsError::parameter(format!("Policy Error: {error}"));
    let policy = Policy::parse(text, PolicyKind::Resource).map_err(|error| invalid(&error))?;
    let document = serde_json::from_str(text).map_err(|error| invalid(&error))?;
    let is_ours = |action: &Value| {
        let action = action.as_str().unwrap_or_default();
        action == "*" || action.get(..4).is_some_and(|service| service.eq_ignore_ascii_case("sns:"))
    };
    for statement in PolicyEdit::new(document).all() {
        let is_in_scope = match &statement["Action"] {
            Value::Array(actions) => actions.iter().all(is_ours),
            Value::Null => true,
            action => is_ours(action),
        };
        if !is_in_scope {
            return Err(out_of_scope());
        }
    }
    Ok(policy)
}

/// Recorded.
fn out_of_scope() -> SnsError {
    SnsError::parameter("Policy statement action out of service scope!")
}

/// The policy with one statement more.
///
/// # Errors
/// [`SnsError::Parameter`] for a label that is there already and what cannot be granted.
pub(crate) fn add(
    policy: &str,
    topic: &Arn,
    label: &str,
    accounts: &[String],
    actions: &[String],
) -> Result<String, SnsError> {
    if !PolicyEdit::is_label(label) {
        return Err(SnsError::parameter("Label"));
    }
    if actions.iter().any(|action| !ACTIONS.contains(&action.as_str())) {
        return Err(out_of_scope());
    }
    if accounts.iter().any(|account| account.parse::<AccountId>().is_err()) {
        return Err(SnsError::parameter("AWSAccountId"));
    }
    let mut edited = read(policy)?;
    if edited.has(label) {
        // Recorded.
        return Err(SnsError::parameter("Statement already exists"));
    }
    let principals = accounts.iter().map(|account| format!("arn:{}:iam::{account}:root", topic.partition)).collect();
    let actions = actions.iter().map(|action| format!("SNS:{action}")).collect();
    edited.allow(label, principals, actions, &topic.to_string());
    Ok(edited.into_text())
}

/// The policy without the statement of that label.
///
/// # Errors
/// [`SnsError::Internal`]: the policy cannot be read.
pub(crate) fn remove(policy: &str, label: &str) -> Result<String, SnsError> {
    let mut edited = read(policy)?;
    edited.remove(label);
    Ok(edited.into_text())
}

fn read(policy: &str) -> Result<PolicyEdit, SnsError> {
    let document = serde_json::from_str(policy).map_err(|error| SnsError::Internal(error.to_string()))?;
    Ok(PolicyEdit::new(document))
}
