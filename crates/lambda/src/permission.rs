//! The resource policy of a function, or of one of its versions or aliases: statements that AddPermission makes or a whole
//! document brings, kept as the API shows them. Pure.
//!
//! Source: "Using resource-based policies for Lambda"; how members become statements is recorded.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_authz::{Policy, PolicyKind};
use hearth_ports::{Condition, Guard};
use hearth_types::{AccountId, Arn};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::catalog::Function;
use crate::error::LambdaError;
use crate::name::Target;
use crate::record::FunctionRecord;
use crate::tags;

/// A whole policy, bytes. Source: "Lambda quotas", function resource-based policy.
pub(crate) const POLICY_BYTES_MAX: usize = 20_480;

/// A resource policy as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PolicyRecord {
    pub(crate) revision_id: String,
    pub(crate) statements: Vec<Kept>,
    /// `Version` and `Id` of a document that was given as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

/// A statement of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Kept {
    Made(Statement),
    /// As it was given, whatever a policy may say.
    Given(Value),
}

impl Kept {
    pub(crate) fn has_sid(&self, sid: &str) -> bool {
        match self {
            Self::Made(statement) => statement.sid == sid,
            Self::Given(statement) => statement["Sid"] == sid,
        }
    }
}

/// One permission. Its members stand in the order the API shows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Statement {
    pub(crate) sid: String,
    pub(crate) effect: String,
    pub(crate) principal: Value,
    pub(crate) action: String,
    pub(crate) resource: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) condition: Option<Value>,
}

/// What AddPermission asks for, beside the function.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Permission {
    pub(crate) statement_id: String,
    pub(crate) action: String,
    pub(crate) principal: String,
    pub(crate) source_arn: Option<String>,
    pub(crate) source_account: Option<String>,
    pub(crate) event_source_token: Option<String>,
    #[serde(rename = "PrincipalOrgID")]
    pub(crate) principal_org_id: Option<String>,
    pub(crate) function_url_auth_type: Option<String>,
    pub(crate) invoked_via_function_url: Option<bool>,
}

impl Permission {
    /// # Errors
    /// The principal is none.
    pub(crate) fn statement(self, resource: &Arn) -> Result<Statement, LambdaError> {
        let principal = principal(&self.principal).ok_or_else(|| {
            LambdaError::invalid("The provided principal was invalid. Please check the principal and try again.")
        })?;
        Ok(Statement {
            principal,
            condition: self.condition(),
            sid: self.statement_id,
            effect: "Allow".to_owned(),
            action: self.action,
            resource: resource.to_string(),
        })
    }

    fn condition(&self) -> Option<Value> {
        let equals: [(&str, Option<&String>); 4] = [
            ("AWS:SourceAccount", self.source_account.as_ref()),
            ("aws:PrincipalOrgID", self.principal_org_id.as_ref()),
            ("lambda:FunctionUrlAuthType", self.function_url_auth_type.as_ref()),
            ("lambda:EventSourceToken", self.event_source_token.as_ref()),
        ];
        let equals: serde_json::Map<String, Value> =
            equals.into_iter().filter_map(|(key, value)| Some((key.to_owned(), json!(value?)))).collect();
        let mut condition = serde_json::Map::new();
        if !equals.is_empty() {
            condition.insert("StringEquals".to_owned(), Value::Object(equals));
        }
        if let Some(via_url) = self.invoked_via_function_url {
            condition.insert("Bool".to_owned(), json!({ "lambda:InvokedViaFunctionUrl": via_url.to_string() }));
        }
        if let Some(source) = &self.source_arn {
            condition.insert("ArnLike".to_owned(), json!({ "AWS:SourceArn": source }));
        }
        (!condition.is_empty()).then_some(Value::Object(condition))
    }
}

/// `*`, a service, an account, or the ARN of someone in one.
fn principal(text: &str) -> Option<Value> {
    if text == "*" {
        return Some(json!("*"));
    }
    if text.parse::<AccountId>().is_ok() {
        return Some(json!({ "AWS": format!("arn:aws:iam::{text}:root") }));
    }
    if let Ok(arn) = text.parse::<Arn>() {
        let is_someone = matches!(arn.service.as_str(), "iam" | "sts")
            && arn.region.is_empty()
            && arn.account.parse::<AccountId>().is_ok()
            && !arn.resource.contains('*');
        return is_someone.then(|| json!({ "AWS": text }));
    }
    let is_service = text.contains('.')
        && text.split('.').all(|label| !label.is_empty())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
    is_service.then(|| json!({ "Service": text }))
}

impl PolicyRecord {
    /// The policy a whole document is.
    ///
    /// # Errors
    /// It is none. The text is the policy language's, not Lambda's own.
    pub(crate) fn of_document(text: &str, revision_id: String) -> Result<Self, LambdaError> {
        Policy::parse(text, PolicyKind::Resource).map_err(|error| LambdaError::invalid(error.to_string()))?;
        let mut document: Value = serde_json::from_str(text).map_err(LambdaError::internal)?;
        let statements = match document["Statement"].take() {
            Value::Array(statements) => statements,
            single => vec![single],
        };
        let part = |name: &str| document[name].as_str().map(str::to_owned);
        // What AddPermission could have made is kept as if it had.
        let kept = |statement: Value| match serde_json::from_value(statement.clone()) {
            Ok(made) => Kept::Made(made),
            Err(_) => Kept::Given(statement),
        };
        let statements = statements.into_iter().map(kept).collect();
        Ok(Self { revision_id, statements, version: part("Version"), id: part("Id") })
    }

    /// The document as GetPolicy shows it.
    pub(crate) fn document(&self) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Document<'a> {
            version: &'a str,
            id: &'a str,
            statement: &'a [Kept],
        }
        let document = Document {
            version: self.version.as_deref().unwrap_or("2012-10-17"),
            id: self.id.as_deref().unwrap_or("default"),
            statement: &self.statements,
        };
        // Text keys and plain values: this cannot fail.
        serde_json::to_string(&document).unwrap_or_default()
    }

    /// `None` when it cannot be read, which cannot be: it was checked when it was made.
    pub(crate) fn compiled(&self) -> Option<Arc<Policy>> {
        let compiled = Policy::parse(&self.document(), PolicyKind::Resource);
        compiled.inspect_err(|error| tracing::error!(%error, "a stored resource policy is none")).ok().map(Arc::new)
    }
}

/// Under which key the policy for that target stands.
///
/// # Errors
/// `$LATEST` cannot have one.
pub(crate) fn key(target: &Target) -> Result<String, LambdaError> {
    match target.qualifier.as_deref() {
        None => Ok(String::new()),
        Some("$LATEST") => Err(LambdaError::invalid("We currently do not support adding policies for $LATEST.")),
        Some(qualifier) => Ok(qualifier.to_owned()),
    }
}

/// Only what is there can have a policy.
///
/// # Errors
/// The function has no such version or alias.
pub(crate) fn check_qualifier(target: &Target, function: &Function) -> Result<(), LambdaError> {
    if function.has(target.qualifier().as_ref()) { Ok(()) } else { Err(target.not_found()) }
}

/// # Errors
/// The caller saw another revision of the policy than the current one.
pub(crate) fn check_revision(given: Option<&str>, policy: &PolicyRecord) -> Result<(), LambdaError> {
    match given {
        Some(given) if given != policy.revision_id => Err(LambdaError::PolicyRevisionMismatch),
        _ => Ok(()),
    }
}

/// What decides about requests for a function, by qualifier.
#[derive(Clone, Debug)]
pub(crate) struct Guards {
    /// For the function itself, and for versions and aliases without a policy of their own nothing but its tags.
    own: Arc<Guard>,
    tags_only: Arc<Guard>,
    qualified: BTreeMap<String, Arc<Guard>>,
}

impl Guards {
    pub(crate) fn of(record: &FunctionRecord) -> Self {
        let conditions: Vec<Condition> = tags::of_resource(&record.tags);
        let guard = |policy: Option<&PolicyRecord>| {
            Arc::new(Guard { policy: policy.and_then(PolicyRecord::compiled), conditions: conditions.clone() })
        };
        let qualified = record.policies.iter().filter(|(qualifier, _)| !qualifier.is_empty());
        Self {
            own: guard(record.policies.get("")),
            tags_only: guard(None),
            qualified: qualified.map(|(qualifier, policy)| (qualifier.clone(), guard(Some(policy)))).collect(),
        }
    }

    pub(crate) fn of_qualifier(&self, qualifier: Option<&str>) -> &Arc<Guard> {
        match qualifier {
            // `$LATEST` has no policy of its own, and a grant for the function does not cover its qualified name.
            None => &self.own,
            Some(qualifier) => self.qualified.get(qualifier).unwrap_or(&self.tags_only),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arn() -> Arn {
        "arn:aws:lambda:us-east-1:111111111111:function:f".parse().expect("valid")
    }

    fn permission(principal: &str) -> Permission {
        Permission {
            statement_id: "s".to_owned(),
            action: "lambda:InvokeFunction".to_owned(),
            principal: principal.to_owned(),
            ..Permission::default()
        }
    }

    // Recorded from the real service.
    #[test]
    fn principals_are_shown_as_aws_shows_them() {
        let cases = [
            ("s3.amazonaws.com", json!({ "Service": "s3.amazonaws.com" })),
            ("111111111111", json!({ "AWS": "arn:aws:iam::111111111111:root" })),
            ("arn:aws:iam::111111111111:role/r", json!({ "AWS": "arn:aws:iam::111111111111:role/r" })),
            ("*", json!("*")),
        ];
        for (given, shown) in cases {
            assert_eq!(permission(given).statement(&arn()).expect("valid").principal, shown, "{given}");
        }
        for refused in ["", "s3", "s3..com", "arn:aws:s3:::b", "arn:aws:iam::1:role/r", "a b.com", "12345678901"] {
            assert!(permission(refused).statement(&arn()).is_err(), "{refused}");
        }
    }

    #[test]
    fn each_restriction_becomes_its_condition() {
        let statement = Permission {
            source_arn: Some("arn:aws:s3:::b".to_owned()),
            source_account: Some("111111111111".to_owned()),
            principal_org_id: Some("o-1234567890".to_owned()),
            function_url_auth_type: Some("NONE".to_owned()),
            event_source_token: Some("t".to_owned()),
            invoked_via_function_url: Some(true),
            ..permission("*")
        };
        assert_eq!(
            statement.statement(&arn()).expect("valid").condition,
            Some(json!({
                "StringEquals": {
                    "AWS:SourceAccount": "111111111111",
                    "aws:PrincipalOrgID": "o-1234567890",
                    "lambda:FunctionUrlAuthType": "NONE",
                    "lambda:EventSourceToken": "t",
                },
                "ArnLike": { "AWS:SourceArn": "arn:aws:s3:::b" },
                "Bool": { "lambda:InvokedViaFunctionUrl": "true" },
            }))
        );
    }

    #[test]
    fn the_document_is_one_that_compiles() {
        let statements = vec![Kept::Made(permission("s3.amazonaws.com").statement(&arn()).expect("valid"))];
        let record = PolicyRecord { revision_id: "r".to_owned(), statements, ..PolicyRecord::default() };
        assert_eq!(
            record.document(),
            r#"{"Version":"2012-10-17","Id":"default","Statement":[{"Sid":"s","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:us-east-1:111111111111:function:f"}]}"#
        );
        assert!(Policy::parse(&record.document(), PolicyKind::Resource).is_ok());
    }
}
