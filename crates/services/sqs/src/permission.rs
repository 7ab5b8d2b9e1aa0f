//! Statements that AddPermission puts into a queue's policy, and RemovePermission takes out again.
//! Source: SQS API reference, AddPermission; texts as recorded.

use hearth_types::{Arn, Partition};
use serde_json::{Value, json};

use crate::error::SqsError;
use crate::limits::{POLICY_ACTIONS_MAX, POLICY_STATEMENTS_MAX};

/// Of a label, characters.
const LABEL_MAX: usize = 80;

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
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !(1..=LABEL_MAX).contains(&label.len()) || !label.bytes().all(is_plain) {
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
    let mut document = read(policy, queue)?;
    let mut statements = take_statements(&mut document);
    if statements.iter().any(|statement| statement["Sid"] == label) {
        return Err(SqsError::value(label, "Label", "Already exists."));
    }
    if statements.len() >= POLICY_STATEMENTS_MAX {
        return Err(SqsError::OverLimit(format!("{POLICY_STATEMENTS_MAX} statements are the most a policy may have.")));
    }
    let principals: Vec<String> =
        accounts.iter().map(|account| format!("arn:{partition}:iam::{account}:root")).collect();
    let actions: Vec<String> = actions.iter().map(|action| format!("SQS:{action}")).collect();
    statements.push(json!({
        "Sid": label,
        "Effect": "Allow",
        "Principal": { "AWS": one_or_many(principals) },
        "Action": one_or_many(actions),
        "Resource": queue.to_string(),
    }));
    document["Statement"] = statements.into();
    Ok(document.to_string())
}

/// The policy without the statement of that label; empty when it was the last.
///
/// # Errors
/// [`SqsError::Invalid`] when there is none.
pub(crate) fn remove(policy: Option<&str>, queue: &Arn, label: &str) -> Result<String, SqsError> {
    let mut document = read(policy, queue)?;
    let mut statements = take_statements(&mut document);
    let before = statements.len();
    statements.retain(|statement| statement["Sid"] != label);
    if statements.len() == before {
        return Err(SqsError::value(label, "Label", "can't find label."));
    }
    if statements.is_empty() {
        return Ok(String::new());
    }
    document["Statement"] = statements.into();
    Ok(document.to_string())
}

fn read(policy: Option<&str>, queue: &Arn) -> Result<Value, SqsError> {
    match policy.filter(|policy| !policy.is_empty()) {
        Some(policy) => serde_json::from_str(policy).map_err(|error| SqsError::Internal(error.to_string())),
        None => Ok(json!({
            "Version": "2008-10-17",
            "Id": format!("{queue}/SQSDefaultPolicy"),
            "Statement": [],
        })),
    }
}

/// Takes the statements out of a document, which may have one that is not in a list.
fn take_statements(document: &mut Value) -> Vec<Value> {
    match document["Statement"].take() {
        Value::Array(statements) => statements,
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

fn one_or_many(mut values: Vec<String>) -> Value {
    if values.len() == 1 { values.remove(0).into() } else { values.into() }
}
