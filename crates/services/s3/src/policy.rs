//! Bucket policies: what is one, and which are public.
//! Source: S3 user guide, "Policies and permissions in Amazon S3", "The meaning of \"public\"".

use hearth_authz::{Policy, PolicyKind};
use http::StatusCode;
use serde_json::Value;

use crate::error::S3Error;

fn malformed(message: impl Into<std::borrow::Cow<'static, str>>) -> S3Error {
    S3Error::new("MalformedPolicy", StatusCode::BAD_REQUEST, message)
}

/// # Errors
/// [`S3Error`]: it is no policy.
pub(crate) fn parse(text: &str) -> Result<Policy, S3Error> {
    let document: Value = serde_json::from_str(text)
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| malformed("Policies must be valid JSON and the first byte must be '{'"))?;
    if document.get("Statement").is_none() {
        return Err(malformed("Missing required field Statement"));
    }
    Policy::parse(text, PolicyKind::Resource).map_err(|error| malformed(error.to_string()))
}

/// # Errors
/// [`S3Error`]: it is no policy of this bucket.
pub(crate) fn check(text: &str, bucket_arn: &str) -> Result<(), S3Error> {
    if text.len() > crate::limits::POLICY_BYTES_MAX {
        return Err(malformed("Policy exceeds the maximum allowed document size."));
    }
    parse(text)?;
    for statement in statements(text) {
        for action in texts(&statement["Action"]).chain(texts(&statement["NotAction"])) {
            if action != "*" && !action.to_ascii_lowercase().starts_with("s3:") {
                return Err(malformed("Policy has invalid action"));
            }
        }
        for resource in texts(&statement["Resource"]).chain(texts(&statement["NotResource"])) {
            let rest = resource.strip_prefix(bucket_arn);
            let is_ours = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || rest == "*");
            if !is_ours && resource != "*" {
                return Err(malformed("Policy has invalid resource"));
            }
        }
    }
    Ok(())
}

/// Whether it lets everybody in: no condition says who.
pub(crate) fn is_public(text: &str) -> bool {
    statements(text).iter().any(|statement| {
        let principal = &statement["Principal"];
        let is_everybody = principal == "*" || texts(&principal["AWS"]).any(|name| name == "*");
        statement["Effect"] == "Allow" && is_everybody && !names_somebody(&statement["Condition"])
    })
}

/// Keys of conditions that tie a statement to known callers or places.
const FIXED_KEYS: [&str; 11] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
];

fn names_somebody(condition: &Value) -> bool {
    let operators = condition.as_object().into_iter().flatten();
    let pairs = operators.filter(|(operator, _)| !operator.contains("Not")).flat_map(|(_, keys)| keys.as_object());
    pairs.flatten().any(|(key, values)| {
        FIXED_KEYS.contains(&key.to_ascii_lowercase().as_str())
            && texts(values).all(|value| !matches!(value, "*" | "0.0.0.0/0" | "::/0"))
    })
}

fn statements(text: &str) -> Vec<Value> {
    match serde_json::from_str::<Value>(text).ok().and_then(|mut document| Some(document.get_mut("Statement")?.take()))
    {
        Some(Value::Array(statements)) => statements,
        Some(statement) => vec![statement],
        None => Vec::new(),
    }
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let list = value.as_array().into_iter().flatten();
    list.chain(std::iter::once(value)).filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(statement: &str) -> String {
        format!(r#"{{"Version":"2012-10-17","Statement":[{{{statement}}}]}}"#)
    }

    #[test]
    fn a_policy_is_public_when_nothing_says_who() {
        let open = r#""Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*""#;
        assert!(is_public(&policy(open)));
        assert!(is_public(&policy(&open.replace("\"*\",", "{\"AWS\":\"*\"},"))));
        for closed in [
            open.replace("Allow", "Deny"),
            open.replace("\"*\",", "{\"AWS\":\"arn:aws:iam::123456789012:root\"},"),
            format!(r#"{open},"Condition":{{"StringEquals":{{"aws:SourceAccount":"123456789012"}}}}"#),
        ] {
            assert!(!is_public(&policy(&closed)), "{closed}");
        }
    }

    #[test]
    fn what_is_no_policy_of_the_bucket_is_refused() {
        let good = r#""Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*""#;
        assert!(check(&policy(good), "arn:aws:s3:::b").is_ok());
        for (text, message) in [
            ("[]".to_owned(), "Policies must be valid JSON and the first byte must be '{'"),
            ("{}".to_owned(), "Missing required field Statement"),
            (policy(&good.replace(":::b/", ":::bc/")), "Policy has invalid resource"),
            (policy(&good.replace("s3:Get", "sqs:Get")), "Policy has invalid action"),
        ] {
            assert_eq!(check(&text, "arn:aws:s3:::b").expect_err("refused").told().message, message);
        }
    }
}
