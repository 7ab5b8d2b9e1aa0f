//! Members that Hearth knows but cannot honour yet.
//!
//! A member that no operation has typed lands here. It passes only while it asks for nothing (the table says what
//! that looks like); everything else is refused by name, members unknown to the table too: a newer API model can
//! never make Hearth store and ignore a setting.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::error::LambdaError;

/// Untyped members of a request, by name.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Rest(BTreeMap<String, Value>);

/// What a member may say although it is not supported.
enum Neutral {
    /// Empty text, list or structure, or `false`: what SDKs send to say "none".
    Empty,
    /// The default by its name.
    Text(&'static str),
    /// The text that asks for the default is not known: any value is refused.
    Never,
}

struct Refused {
    /// Path of a member; it speaks for everything below it.
    member: &'static str,
    neutral: Neutral,
    instead: &'static str,
}

const fn refused(member: &'static str, neutral: Neutral, instead: &'static str) -> Refused {
    Refused { member, neutral, instead }
}

const UPLOAD: &str = "packages are copied.";

const REFUSED: [Refused; 15] = [
    refused("Code.S3ObjectStorageMode", Neutral::Text("COPY"), UPLOAD),
    refused("Code.SourceKMSKeyArn", Neutral::Empty, "packages are kept unencrypted."),
    refused("Content.S3ObjectStorageMode", Neutral::Text("COPY"), UPLOAD),
    refused("S3ObjectStorageMode", Neutral::Text("COPY"), UPLOAD),
    refused("SourceKMSKeyArn", Neutral::Empty, "packages are kept unencrypted."),
    refused("VpcConfig", Neutral::Empty, "functions run without a VPC."),
    refused("FileSystemConfigs", Neutral::Empty, "only /tmp is writable."),
    refused("KMSKeyArn", Neutral::Empty, "variables are encrypted with the server's own key."),
    refused("TracingConfig.Mode", Neutral::Text("PassThrough"), "use PassThrough."),
    refused("SnapStart.ApplyOn", Neutral::Text("None"), "use None."),
    refused("CodeSigningConfigArn", Neutral::Empty, "signatures are not checked."),
    refused("CapacityProviderConfig", Neutral::Empty, "functions run on this server."),
    refused("DurableConfig", Neutral::Empty, "executions are not durable."),
    refused("TenancyConfig", Neutral::Empty, "environments are shared by all callers of a function."),
    refused("PublishTo", Neutral::Never, "publish numbered versions."),
];

impl Rest {
    /// # Errors
    /// The first member that asks for something, in alphabetical order.
    pub(crate) fn refuse(&self, prefix: &str) -> Result<(), LambdaError> {
        self.0.iter().try_for_each(|(name, value)| check(&format!("{prefix}{name}"), value))
    }
}

fn check(member: &str, value: &Value) -> Result<(), LambdaError> {
    if value.is_null() {
        return Ok(());
    }
    if let Some(rule) = REFUSED.iter().find(|rule| rule.member == member) {
        let passes = match rule.neutral {
            Neutral::Empty => is_empty(value),
            Neutral::Text(text) => value == text,
            Neutral::Never => false,
        };
        return if passes { Ok(()) } else { Err(unsupported(member, rule.instead)) };
    }
    match value {
        Value::Object(members) => {
            members.iter().try_for_each(|(name, value)| check(&format!("{member}.{name}"), value))
        }
        _ => Err(unsupported(member, "leave it out.")),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(set) => !set,
        Value::Number(_) => false,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(is_empty),
    }
}

fn unsupported(member: &str, instead: &str) -> LambdaError {
    LambdaError::Unsupported { member: member.to_owned(), instead: instead.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refuse(members: Value) -> Result<(), String> {
        let rest: Rest = serde_json::from_value(members).expect("an object");
        rest.refuse("").map_err(|error| error.to_string())
    }

    #[test]
    fn what_asks_for_nothing_passes() {
        for members in [
            json!({}),
            json!({"VpcConfig": {"SubnetIds": [], "SecurityGroupIds": [], "Ipv6AllowedForDualStack": false}}),
            json!({"TracingConfig": {"Mode": "PassThrough"}, "SnapStart": {"ApplyOn": "None"}}),
            json!({"KMSKeyArn": "", "FileSystemConfigs": []}),
            json!({"TracingConfig": {}, "KMSKeyArn": null}),
        ] {
            assert_eq!(refuse(members.clone()), Ok(()), "{members}");
        }
    }

    #[test]
    fn what_asks_for_something_is_refused_by_name() {
        for (members, text) in [
            (
                json!({"KMSKeyArn": "k"}),
                "Hearth does not support KMSKeyArn yet: variables are encrypted with the server's own key.",
            ),
            (
                json!({"TracingConfig": {"Mode": "Active"}}),
                "Hearth does not support TracingConfig.Mode yet: use PassThrough.",
            ),
            (
                json!({"VpcConfig": {"SubnetIds": ["s"]}}),
                "Hearth does not support VpcConfig yet: functions run without a VPC.",
            ),
            (json!({"FromTheFuture": {"Deep": 1}}), "Hearth does not support FromTheFuture.Deep yet: leave it out."),
        ] {
            assert_eq!(refuse(members), Err(text.to_owned()));
        }
    }
}
