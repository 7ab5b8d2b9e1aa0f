//! A bus's policy: statements that PutPermission adds and RemovePermission takes out, or a whole document. Source:
//! EventBridge API reference, PutPermission; user guide, "Permissions for event buses".

use hearth_authz::PolicyEdit;
use hearth_types::{AccountId, Arn};
use serde_json::{Value, json};

use crate::error::EventsError;
use crate::limits::POLICY_CHARS_MAX;

/// What one statement is about.
pub(crate) struct Statement<'a> {
    pub(crate) id: &'a str,
    /// An account, or `*` for all.
    pub(crate) principal: &'a str,
    pub(crate) action: &'a str,
    /// Operator, key and value.
    pub(crate) condition: Option<(&'a str, &'a str, &'a str)>,
}

/// The policy with the statement; one of the same id is replaced.
///
/// # Errors
/// [`EventsError::Validation`] for what cannot be granted, [`EventsError::PolicyLength`].
pub(crate) fn with(policy: Option<&str>, bus: &Arn, statement: &Statement<'_>) -> Result<String, EventsError> {
    let Statement { id, principal, action, condition } = *statement;
    let principal = match principal {
        "*" => json!("*"),
        account if account.parse::<AccountId>().is_ok() => {
            json!({ "AWS": format!("arn:{}:iam::{account}:root", bus.partition) })
        }
        _ => return Err(EventsError::validation("Provided principal is not valid.")),
    };
    let mut added = json!({
        "Sid": id, "Effect": "Allow", "Principal": principal, "Action": action, "Resource": bus.to_string(),
    });
    if let Some((operator, key, value)) = condition {
        // Source: EventBridge API reference, Condition: no other key, no other operator.
        if operator != "StringEquals" || key != "aws:PrincipalOrgID" {
            return Err(EventsError::validation(
                "Parameter Condition is not valid. Reason: only StringEquals of aws:PrincipalOrgID is supported.",
            ));
        }
        added["Condition"] = json!({ operator: { key: value } });
    }
    let document = match policy {
        Some(text) => read(text)?,
        None => json!({ "Version": "2012-10-17", "Statement": [] }),
    };
    let mut edited = PolicyEdit::new(document);
    edited.remove(id);
    let mut statements = edited.all().to_vec();
    statements.push(added);
    let mut document: Value = read(&edited.into_text())?;
    document["Statement"] = statements.into();
    checked(document.to_string())
}

/// The policy without the statement of that id; `None` when it was the last.
///
/// # Errors
/// [`EventsError::NotFound`].
pub(crate) fn without(policy: Option<&str>, id: &str) -> Result<Option<String>, EventsError> {
    let missing = || EventsError::NotFound("Statement with the provided id does not exist.".to_owned());
    let mut edited = PolicyEdit::new(read(policy.ok_or_else(missing)?)?);
    if !edited.remove(id) {
        return Err(missing());
    }
    if edited.all().is_empty() { Ok(None) } else { Ok(Some(edited.into_text())) }
}

/// A whole document, as it is given. What is in it is checked where it is compiled.
///
/// # Errors
/// [`EventsError::PolicyLength`].
pub(crate) fn checked(text: String) -> Result<String, EventsError> {
    if text.chars().count() > POLICY_CHARS_MAX { Err(EventsError::PolicyLength(POLICY_CHARS_MAX)) } else { Ok(text) }
}

fn read(policy: &str) -> Result<Value, EventsError> {
    serde_json::from_str(policy).map_err(|error| EventsError::Internal(error.to_string()))
}
