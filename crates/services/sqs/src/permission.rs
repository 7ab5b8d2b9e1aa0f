//! Statements that AddPermission puts into a queue's policy, and RemovePermission takes out again.
//! Source: SQS API reference, AddPermission; texts as recorded.

use hearth_authz::PolicyEdit;
use hearth_types::{Arn, Partition};
use serde_json::{Value, json};

use crate::error::SqsError;
use crate::limits::{POLICY_ACTIONS_MAX, POLICY_STATEMENTS_MAX};

/// What may be granted this way. Source: as above, Actions.
const ACTIONS: [&str; 8] = [
    "*",
    "SendMessage",
    "ReceiveMessage",
    "DeleteMessage",
    "ChangeMessageVisibility",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
];
const PURGE: &str = "PurgeQueue";

/// The policy with one statement more.
///
/// # Errors
/// [`SqsError::Invalid`] for a label that is there already and what cannot be granted; [`SqsError::OverLimit`].
pub(crate) fn add(
    policy: Option<&str>,
    queue: &Arn,
    partition: Partition,
    label: &str,
    accounts: &[String],
    actions: &[String],
) -> Result<String, SqsError> {
    if !PolicyEdit::is_label(label) {
        return Err(SqsError::value(
            label,
            "Label",
            "It can only include alphanumeric characters, hyphens and underscores.",
        ));
    }
    if actions.len() > POLICY_ACTIONS_MAX {
        return Err(SqsError::OverLimit(format!(
            "{} Actions were found, maximum allowed is {POLICY_ACTIONS_MAX}.",
            actions.len()
        )));
    }
    if let Some(action) = actions.iter().find(|action| !ACTIONS.contains(&action.as_str()) && *action != PURGE) {
        return Err(SqsError::value(
            format!("SQS:{action}"),
            "ActionName",
            "Only the queue owner is allowed to invoke this action.",
        ));
    }
    if let Some(account) = accounts.iter().find(|account| account.parse::<hearth_types::AccountId>().is_err()) {
        return Err(SqsError::value(format!("[{account}]"), "PrincipalId", "Unable to verify."));
    }
    let mut edited = read(policy, queue)?;
    if edited.has(label) {
        return Err(SqsError::value(label, "Label", "Already exists."));
    }
    if edited.all().len() >= POLICY_STATEMENTS_MAX {
        return Err(SqsError::OverLimit(format!("{POLICY_STATEMENTS_MAX} statements are the most a policy may have.")));
    }
    let principals = accounts.iter().map(|account| format!("arn:{partition}:iam::{account}:root")).collect();
    let actions = actions.iter().map(|action| format!("SQS:{action}")).collect();
    edited.allow(label, principals, actions, &queue.to_string());
    Ok(edited.into_text())
}

/// The policy without the statement of that label; empty when it was the last.
///
/// # Errors
/// [`SqsError::Invalid`] when there is none.
pub(crate) fn remove(policy: Option<&str>, queue: &Arn, label: &str) -> Result<String, SqsError> {
    let mut edited = read(policy, queue)?;
    if !edited.remove(label) {
        return Err(SqsError::value(label, "Label", "can't find label."));
    }
    Ok(if edited.all().is_empty() { String::new() } else { edited.into_text() })
}

fn read(policy: Option<&str>, queue: &Arn) -> Result<PolicyEdit, SqsError> {
    let document: Value = match policy.filter(|policy| !policy.is_empty()) {
        Some(policy) => serde_json::from_str(policy).map_err(|error| SqsError::Internal(error.to_string()))?,
        None => json!({
            "Version": "2008-10-17",
            "Id": format!("{queue}/SQSDefaultPolicy"),
            "Statement": [],
        }),
    };
    Ok(PolicyEdit::new(document))
}
