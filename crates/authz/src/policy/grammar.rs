//! Is this text a policy document? Grammar only: what it means is compiled next door.
//!
//! Source: IAM user guide, "Grammar of the IAM JSON policy language". Texts are those of the real service, which
//! speaks of trust policies and of identity policies in two different voices.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;
use serde_json::Value;

use super::unique::Unique;

/// Which grammar a document must follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyKind {
    /// `AssumeRolePolicyDocument`: names principals, no resources.
    Trust,
    /// Of a user, group or role, a boundary or a session: names resources, no principals.
    Identity,
    /// Of a resource: names principals and resources.
    Resource,
}

/// Why a document is none. AWS code `MalformedPolicyDocument`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error("This policy contains invalid Json")]
    InvalidJson,
    #[error("Syntax errors in policy.")]
    Syntax,
    #[error("Policy document must be version 2012-10-17 or greater.")]
    Version,
    #[error("Missing required field {0}")]
    Missing(&'static str),
    #[error("Unknown field {0}")]
    Unknown(String),
    #[error("Has prohibited field {0}")]
    Prohibited(&'static str),
    #[error("AssumeRole policy may only specify STS AssumeRole actions.")]
    NotAssumeRole,
    #[error("Invalid principal in policy: \"{kind}\":\"{value}\"")]
    Principal { kind: String, value: String },
    #[error("Policy document should not specify a principal.")]
    PrincipalInIdentity,
    #[error("Policy statement must contain actions.")]
    NoActions,
    #[error("Policy statement must contain resources.")]
    NoResources,
    #[error("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")]
    ActionWithoutVendor,
    #[error("Actions/Condition can contain only one colon.")]
    ActionColons,
    #[error("Vendor {0} is not valid")]
    Vendor(String),
    #[error("Resource {0} must be in ARN format or \"*\".")]
    Resource(String),
    #[error("Statement IDs (SID) in a single policy must be unique.")]
    DuplicateSid,
    #[error(
        "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
    )]
    Sid,
}

/// JSON where AWS accepts either a value or a list of values.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    pub(super) fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Document {
    pub(super) version: Option<String>,
    #[serde(rename = "Id")]
    _id: Option<String>,
    pub(super) statement: Option<OneOrMany<Statement>>,
    #[serde(flatten)]
    unknown: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Statement {
    pub(super) sid: Option<String>,
    pub(super) effect: Option<String>,
    pub(super) principal: Option<Value>,
    pub(super) not_principal: Option<Value>,
    pub(super) action: Option<OneOrMany<String>>,
    pub(super) not_action: Option<OneOrMany<String>>,
    pub(super) resource: Option<OneOrMany<String>>,
    pub(super) not_resource: Option<OneOrMany<String>>,
    pub(super) condition: Option<BTreeMap<String, BTreeMap<String, OneOrMany<Scalar>>>>,
    #[serde(flatten)]
    unknown: BTreeMap<String, Value>,
}

/// What may stand behind a condition key.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Scalar {
    Text(String),
    Bool(bool),
    Number(serde_json::Number),
}

impl Scalar {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Bool(value) => value.to_string(),
            Self::Number(number) => number.to_string(),
        }
    }
}

/// Source: IAM user guide, "Condition operators"; each also with `IfExists`, all but `Null` with a set prefix.
const CONDITION_OPERATORS: &[&str] = &[
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "Bool",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    "ArnEquals",
    "ArnLike",
    "ArnNotEquals",
    "ArnNotLike",
    "Null",
];

const PRINCIPAL_KINDS: &[&str] = &["AWS", "Service", "Federated", "CanonicalUser"];

const ASSUME_ROLE_ACTIONS: &[&str] = &[
    "sts:AssumeRole",
    "sts:AssumeRoleWithSAML",
    "sts:AssumeRoleWithWebIdentity",
    "sts:TagSession",
    "sts:SetSourceIdentity",
    "sts:SetContext",
];

/// Accepts exactly what the grammar of `kind` allows.
///
/// # Errors
/// The first [`PolicyError`] found, top to bottom.
pub(super) fn check(text: &str, kind: PolicyKind) -> Result<Document, PolicyError> {
    let json = || if kind == PolicyKind::Trust { PolicyError::InvalidJson } else { PolicyError::Syntax };
    let document: Document = serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => PolicyError::Syntax,
        _ => json(),
    })?;
    serde_json::from_str::<Unique>(text).map_err(|_| PolicyError::Syntax)?;
    refuse_unknown(&document.unknown, kind)?;
    if document.version.as_deref().is_some_and(|v| !matches!(v, "2012-10-17" | "2008-10-17")) {
        return Err(PolicyError::Version);
    }
    let statements = document.statement.as_ref().map_or(&[][..], OneOrMany::as_slice);
    if statements.is_empty() {
        return Err(missing("Statement", kind));
    }
    let mut sids = HashSet::new();
    for statement in statements {
        check_statement(statement, kind)?;
        if let Some(sid) = statement.sid.as_deref().filter(|sid| !sid.is_empty()) {
            // Services are freer than IAM: Lambda's statement ids may have hyphens and underscores.
            let is_plain = sid.bytes().all(|b| b.is_ascii_alphanumeric());
            if !is_plain && kind != PolicyKind::Resource {
                return Err(PolicyError::Sid);
            }
            if !sids.insert(sid) {
                return Err(PolicyError::DuplicateSid);
            }
        }
    }
    Ok(document)
}

fn check_statement(statement: &Statement, kind: PolicyKind) -> Result<(), PolicyError> {
    refuse_unknown(&statement.unknown, kind)?;
    match statement.effect.as_deref() {
        Some("Allow" | "Deny") => {}
        Some(_) => return Err(PolicyError::Syntax),
        None => return Err(missing("Effect", kind)),
    }
    check_conditions(statement)?;
    let pairs = [
        statement.action.is_some() && statement.not_action.is_some(),
        statement.resource.is_some() && statement.not_resource.is_some(),
        statement.principal.is_some() && statement.not_principal.is_some(),
    ];
    if pairs.contains(&true) {
        return Err(PolicyError::Syntax);
    }
    match kind {
        PolicyKind::Trust => check_trust(statement),
        PolicyKind::Identity => check_identity(statement),
        PolicyKind::Resource => check_resource(statement),
    }
}

fn check_resource(statement: &Statement) -> Result<(), PolicyError> {
    let principal = statement.principal.as_ref().or(statement.not_principal.as_ref());
    check_principal(principal.ok_or(PolicyError::Missing("Principal"))?)?;
    check_actions(statement)?;
    check_resources(statement)
}

fn check_trust(statement: &Statement) -> Result<(), PolicyError> {
    if statement.resource.is_some() {
        return Err(PolicyError::Prohibited("Resource"));
    }
    if statement.not_resource.is_some() {
        return Err(PolicyError::Prohibited("NotResource"));
    }
    let principal = statement.principal.as_ref().or(statement.not_principal.as_ref());
    check_principal(principal.ok_or(PolicyError::Missing("Principal"))?)?;
    let actions = statement.action.as_ref().or(statement.not_action.as_ref());
    let actions = actions.ok_or(PolicyError::Missing("Action"))?.as_slice();
    let known = |action: &String| {
        action == "sts:*" || ASSUME_ROLE_ACTIONS.iter().any(|known| known.eq_ignore_ascii_case(action))
    };
    if actions.is_empty() || !actions.iter().all(known) {
        return Err(PolicyError::NotAssumeRole);
    }
    Ok(())
}

fn check_principal(principal: &Value) -> Result<(), PolicyError> {
    let kinds = match principal {
        Value::String(any) if any == "*" => return Ok(()),
        Value::Object(kinds) if !kinds.is_empty() => kinds,
        _ => return Err(PolicyError::Syntax),
    };
    for (kind, values) in kinds {
        if !PRINCIPAL_KINDS.contains(&kind.as_str()) {
            return Err(PolicyError::Unknown(kind.clone()));
        }
        let values = match values {
            Value::Array(many) => many.as_slice(),
            one => std::slice::from_ref(one),
        };
        for value in values {
            let text = value.as_str().ok_or(PolicyError::Syntax)?;
            if !principal_is_well_formed(kind, text) {
                return Err(PolicyError::Principal { kind: kind.to_uppercase(), value: text.to_owned() });
            }
        }
    }
    Ok(())
}

fn principal_is_well_formed(kind: &str, text: &str) -> bool {
    match kind {
        "AWS" => {
            text == "*"
                || text.parse::<hearth_types::AccountId>().is_ok()
                || text.parse::<hearth_types::Arn>().is_ok()
                || is_unique_id(text)
        }
        "Service" => text.contains('.') && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-')),
        _ => !text.is_empty(),
    }
}

/// What stands in place of an ARN whose role or user was deleted: `AROA…`, `AIDA…`.
fn is_unique_id(text: &str) -> bool {
    text.len() >= 16 && text.starts_with('A') && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

fn check_identity(statement: &Statement) -> Result<(), PolicyError> {
    if statement.principal.is_some() || statement.not_principal.is_some() {
        return Err(PolicyError::PrincipalInIdentity);
    }
    check_actions(statement)?;
    check_resources(statement)
}

fn check_actions(statement: &Statement) -> Result<(), PolicyError> {
    let actions = statement.action.as_ref().or(statement.not_action.as_ref());
    let actions = actions.map_or(&[][..], OneOrMany::as_slice);
    if actions.is_empty() {
        return Err(PolicyError::NoActions);
    }
    actions.iter().try_for_each(|action| check_action(action))
}

fn check_resources(statement: &Statement) -> Result<(), PolicyError> {
    let resources = statement.resource.as_ref().or(statement.not_resource.as_ref());
    let resources = resources.map_or(&[][..], OneOrMany::as_slice);
    if resources.is_empty() {
        return Err(PolicyError::NoResources);
    }
    match resources.iter().find(|resource| *resource != "*" && resource.parse::<hearth_types::Arn>().is_err()) {
        Some(bad) => Err(PolicyError::Resource(bad.clone())),
        None => Ok(()),
    }
}

fn check_action(action: &str) -> Result<(), PolicyError> {
    // `*:*` is another way to write everything.
    if matches!(action, "*" | "*:*") {
        return Ok(());
    }
    let (vendor, name) = action.split_once(':').ok_or(PolicyError::ActionWithoutVendor)?;
    if name.contains(':') {
        return Err(PolicyError::ActionColons);
    }
    if vendor.is_empty() || !vendor.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err(PolicyError::Vendor(vendor.to_owned()));
    }
    if name.is_empty() {
        return Err(PolicyError::ActionWithoutVendor);
    }
    Ok(())
}

fn check_conditions(statement: &Statement) -> Result<(), PolicyError> {
    for operator in statement.condition.iter().flat_map(BTreeMap::keys) {
        let (is_set, rest) = match operator.strip_prefix("ForAnyValue:").or(operator.strip_prefix("ForAllValues:")) {
            Some(rest) => (true, rest),
            None => (false, operator.as_str()),
        };
        let (is_optional, bare) = match rest.strip_suffix("IfExists") {
            Some(bare) => (true, bare),
            None => (false, rest),
        };
        let is_known = CONDITION_OPERATORS.contains(&bare) && !(bare == "Null" && (is_set || is_optional));
        if !is_known {
            return Err(PolicyError::Syntax);
        }
    }
    Ok(())
}

fn refuse_unknown(unknown: &BTreeMap<String, Value>, kind: PolicyKind) -> Result<(), PolicyError> {
    match (unknown.keys().next(), kind) {
        (None, _) => Ok(()),
        (Some(field), PolicyKind::Trust) => Err(PolicyError::Unknown(field.clone())),
        (Some(_), PolicyKind::Identity | PolicyKind::Resource) => Err(PolicyError::Syntax),
    }
}

const fn missing(field: &'static str, kind: PolicyKind) -> PolicyError {
    match kind {
        PolicyKind::Trust => PolicyError::Missing(field),
        PolicyKind::Identity | PolicyKind::Resource => PolicyError::Syntax,
    }
}

#[cfg(test)]
mod tests {
    use super::PolicyKind::{Identity, Resource, Trust};
    use super::*;

    fn check(text: &str, kind: PolicyKind) -> Result<(), PolicyError> {
        super::check(text, kind).map(drop)
    }

    #[test]
    fn the_trust_policy_of_every_lambda_guide_is_one() {
        let text = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
            "Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
        assert_eq!(check(text, Trust), Ok(()));
    }

    #[test]
    fn an_identity_policy_with_conditions_is_one() {
        let text = r#"{"Version":"2012-10-17","Statement":{"Sid":"a1","Effect":"Deny","NotAction":["s3:Get*","iam:*"],
            "Resource":["arn:aws:s3:::bucket/*","*"],"Condition":{"ForAnyValue:StringLikeIfExists":{"aws:PrincipalTag/x":["a","b"]},
            "Bool":{"aws:SecureTransport":true},"NumericLessThan":{"aws:MultiFactorAuthAge":3600}}}}"#;
        assert_eq!(check(text, Identity), Ok(()));
    }

    #[test]
    fn each_flaw_of_a_trust_policy_has_its_text() {
        let statement = |body: &str| format!(r#"{{"Version":"2012-10-17","Statement":[{body}]}}"#);
        let cases = [
            ("not json".to_owned(), "This policy contains invalid Json"),
            ("{\"Statement\":".to_owned(), "This policy contains invalid Json"),
            ("[]".to_owned(), "Syntax errors in policy."),
            (r#"{"Version":"2012-10-17"}"#.to_owned(), "Missing required field Statement"),
            (
                r#"{"Version":"2024-01-01","Statement":[]}"#.to_owned(),
                "Policy document must be version 2012-10-17 or greater.",
            ),
            (statement(r#"{"Principal":"*","Action":"sts:AssumeRole"}"#), "Missing required field Effect"),
            (statement(r#"{"Effect":"Allow","Action":"sts:AssumeRole"}"#), "Missing required field Principal"),
            (statement(r#"{"Effect":"Allow","Principal":"*"}"#), "Missing required field Action"),
            (
                statement(r#"{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}"#),
                "Has prohibited field Resource",
            ),
            (statement(r#"{"Effect":"Allow","Principal":"*","Acton":"sts:AssumeRole"}"#), "Unknown field Acton"),
            (
                statement(r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject"}"#),
                "AssumeRole policy may only specify STS AssumeRole actions.",
            ),
            (
                statement(r#"{"Effect":"Allow","Principal":{"AWS":"nobody"},"Action":"sts:AssumeRole"}"#),
                "Invalid principal in policy: \"AWS\":\"nobody\"",
            ),
            (
                statement(r#"{"Effect":"Allow","Principal":{"Service":"lambda"},"Action":"sts:AssumeRole"}"#),
                "Invalid principal in policy: \"SERVICE\":\"lambda\"",
            ),
        ];
        for (text, expected) in cases {
            let error = check(&text, Trust).expect_err(&text);
            assert_eq!(error.to_string(), expected, "{text}");
        }
    }

    #[test]
    fn each_flaw_of_an_identity_policy_has_its_text() {
        let statement = |body: &str| format!(r#"{{"Version":"2012-10-17","Statement":[{body}]}}"#);
        let cases = [
            ("{".to_owned(), "Syntax errors in policy."),
            (statement(r#"{"Effect":"allow","Action":"*","Resource":"*"}"#), "Syntax errors in policy."),
            (statement(r#"{"Effect":"Allow","Effect":"Deny","Action":"*","Resource":"*"}"#), "Syntax errors in policy."),
            (statement(r#"{"Effect":"Allow","Action":"*","NotAction":"*","Resource":"*"}"#), "Syntax errors in policy."),
            (
                statement(r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"a":true},"Bool":{"b":true}}}"#),
                "Syntax errors in policy.",
            ),
            (
                statement(r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringSame":{"a":"b"}}}"#),
                "Syntax errors in policy.",
            ),
            (
                statement(r#"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#),
                "Policy document should not specify a principal.",
            ),
            (statement(r#"{"Effect":"Allow","Resource":"*"}"#), "Policy statement must contain actions."),
            (statement(r#"{"Effect":"Allow","Action":"s3:*"}"#), "Policy statement must contain resources."),
            (
                statement(r#"{"Effect":"Allow","Action":"GetObject","Resource":"*"}"#),
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
            ),
            (
                statement(r#"{"Effect":"Allow","Action":"s3:Get:Object","Resource":"*"}"#),
                "Actions/Condition can contain only one colon.",
            ),
            (statement(r#"{"Effect":"Allow","Action":"s_3:Get","Resource":"*"}"#), "Vendor s_3 is not valid"),
            (
                statement(r#"{"Effect":"Allow","Action":"s3:*","Resource":"bucket"}"#),
                "Resource bucket must be in ARN format or \"*\".",
            ),
            (
                r#"{"Statement":[{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"}]}"#
                    .to_owned(),
                "Statement IDs (SID) in a single policy must be unique.",
            ),
        ];
        for (text, expected) in cases {
            let error = check(&text, Identity).expect_err(&text);
            assert_eq!(error.to_string(), expected, "{text}");
        }
    }

    #[test]
    fn a_resource_policy_names_who_and_what() {
        let ok = r#"{"Statement":{"Sid":"a-b_c","Effect":"Allow","Principal":"*","Action":"lambda:*","Resource":"*"}}"#;
        assert_eq!(check(ok, Resource), Ok(()));
        for (text, expected) in [
            (r#"{"Statement":{"Effect":"Allow","Action":"a:b","Resource":"*"}}"#, PolicyError::Missing("Principal")),
            (r#"{"Statement":{"Effect":"Allow","Principal":"*","Resource":"*"}}"#, PolicyError::NoActions),
            (r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"a:b"}}"#, PolicyError::NoResources),
        ] {
            assert_eq!(check(text, Resource), Err(expected), "{text}");
        }
    }
}
