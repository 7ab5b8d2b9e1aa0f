//! The customer's environment variables.

use std::collections::BTreeMap;
use std::fmt;

use hearth_types::limits::ENVIRONMENT_JSON_BYTES_MAX;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use crate::error::LambdaError;

/// Names the platform sets itself. Source: Lambda developer guide, "Defined runtime environment variables", reserved.
const RESERVED: [&str; 20] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_METADATA_API",
    "AWS_LAMBDA_METADATA_TOKEN",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
];

/// Variables in the order the request gave them: the refusal of too many shows them so. `Debug` shows names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Variables(pub(crate) Vec<(String, String)>);

impl Variables {
    /// # Errors
    /// A reserved name, or more than 4 KB measured as compact JSON.
    pub(crate) fn check(self) -> Result<BTreeMap<String, String>, LambdaError> {
        let reserved: Vec<&str> =
            self.0.iter().map(|(name, _)| name.as_str()).filter(|name| RESERVED.contains(name)).collect();
        if !reserved.is_empty() {
            return Err(LambdaError::invalid(format!(
                "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: {}",
                reserved.join(", ")
            )));
        }
        let json = self.compact_json();
        if json.len() > ENVIRONMENT_JSON_BYTES_MAX {
            return Err(LambdaError::invalid(format!(
                "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {json}"
            )));
        }
        Ok(self.0.into_iter().collect())
    }

    fn compact_json(&self) -> String {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let members: Vec<String> =
            self.0.iter().map(|(name, value)| format!("{}:{}", text(name), text(value))).collect();
        format!("{{{}}}", members.join(","))
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl<'de> Deserialize<'de> for Variables {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Variables;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of text")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Variables, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Variables(pairs))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        Variables(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn four_kilobytes_are_measured_as_compact_json_in_the_given_order() {
        // {"SMALL_VAR":"ok","LARGE_VAR":"…"}: 33 bytes around the value.
        let fits = "x".repeat(4096 - 33);
        let taken = variables(&[("SMALL_VAR", "ok"), ("LARGE_VAR", &fits)]).check().expect("exactly 4 KB");
        assert_eq!(taken["LARGE_VAR"], fits);

        let large = "x".repeat(4096 - 32);
        let error = variables(&[("SMALL_VAR", "ok"), ("LARGE_VAR", &large)]).check().expect_err("one byte more");
        assert_eq!(
            error.to_string(),
            format!(
                "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {{\"SMALL_VAR\":\"ok\",\"LARGE_VAR\":\"{large}\"}}"
            )
        );
    }

    #[test]
    fn reserved_names_are_refused_together() {
        let error =
            variables(&[("A", "1"), ("AWS_REGION", "x"), ("LAMBDA_TASK_ROOT", "y")]).check().expect_err("reserved");
        assert_eq!(
            error.to_string(),
            "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: AWS_REGION, LAMBDA_TASK_ROOT"
        );
    }

    #[test]
    fn values_stay_out_of_debug_output() {
        assert_eq!(format!("{:?}", variables(&[("TOKEN", "hunter2")])), "[\"TOKEN\"]");
    }
}
