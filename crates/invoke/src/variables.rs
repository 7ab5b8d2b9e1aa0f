//! The environment variables that describe a function to itself: its name, its log, its credentials. Pure.
//!
//! Those of the process and its surroundings (`AWS_LAMBDA_RUNTIME_API`, `AWS_ENDPOINT_URL`, `PATH`, `TZ`, X-Ray and their
//! like) are the sandbox backend's, see `hearth_sandbox::variables`; the customer's override them there. Names and values
//! as recorded from the real service.

use std::collections::BTreeMap;

use hearth_ports::{Credentials, FunctionVersion, LogFormat};
use hearth_runtime_api::event::InitializationType;
use hearth_types::Region;

/// What differs between two environments of one version.
pub(crate) struct Surroundings<'a> {
    pub(crate) initialization_type: InitializationType,
    pub(crate) credentials: &'a Credentials,
    pub(crate) log_stream: &'a str,
    /// Opens the metadata endpoint.
    pub(crate) metadata_token: &'a str,
}

/// The id of a Region's first availability zone. Source: Amazon EC2 user guide, "AZ IDs": `us-east-1` is `use1`,
/// `ap-southeast-2` is `apse2`, `us-gov-west-1` is `usgw1`.
pub(crate) fn availability_zone_id(region: &Region) -> String {
    let short = |part: &str| match part {
        "north" => "n".to_owned(),
        "south" => "s".to_owned(),
        "east" => "e".to_owned(),
        "west" => "w".to_owned(),
        "central" => "c".to_owned(),
        "northeast" => "ne".to_owned(),
        "northwest" => "nw".to_owned(),
        "southeast" => "se".to_owned(),
        "southwest" => "sw".to_owned(),
        "gov" => "g".to_owned(),
        other => other.to_owned(),
    };
    let region: String = region.as_str().split('-').map(short).collect();
    format!("{region}-az1")
}

/// The reserved ones, which override the customer's. Sorted by name.
pub(crate) fn reserved(version: &FunctionVersion, around: &Surroundings<'_>) -> Vec<(String, String)> {
    let region = version.region.as_str();
    let mut all = BTreeMap::from([
        ("AWS_ACCESS_KEY_ID", around.credentials.access_key_id.clone()),
        ("AWS_DEFAULT_REGION", region.to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", version.memory.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", version.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", version.version.to_string()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", around.initialization_type.as_str().to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", version.log_group.clone()),
        ("AWS_LAMBDA_LOG_STREAM_NAME", around.log_stream.to_owned()),
        ("AWS_LAMBDA_METADATA_TOKEN", around.metadata_token.to_owned()),
        ("AWS_REGION", region.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", around.credentials.secret_access_key.clone()),
        ("AWS_SESSION_TOKEN", around.credentials.session_token.clone()),
        ("_HANDLER", version.handler.clone()),
    ]);
    // Neither a custom runtime nor an image has an execution environment name.
    if version.image.is_none() && !version.runtime.0.starts_with("provided") {
        all.insert("AWS_EXECUTION_ENV", format!("AWS_Lambda_{}", version.runtime.0));
    }
    if version.log_format == LogFormat::Json {
        all.insert("AWS_LAMBDA_LOG_FORMAT", "JSON".to_owned());
        all.insert("AWS_LAMBDA_LOG_LEVEL", version.application_log_level.as_str().to_owned());
    }
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use hearth_ports::{LogLevel, RuntimeId};

    use super::*;
    use crate::testing::function;

    fn seen(version: &FunctionVersion) -> BTreeMap<String, String> {
        let credentials = Credentials {
            access_key_id: "ASIAEXAMPLE".to_owned(),
            secret_access_key: "secret".to_owned(),
            session_token: "token".to_owned(),
            expires_at_ms: 0,
        };
        let initialization_type = InitializationType::OnDemand;
        let around = Surroundings {
            initialization_type,
            credentials: &credentials,
            log_stream: "s",
            metadata_token: "metadata",
        };
        version.environment.clone().into_iter().chain(reserved(version, &around)).collect()
    }

    #[test]
    fn an_availability_zone_is_named_after_its_region_as_aws_names_it() {
        let names = [
            ("us-east-1", "use1-az1"),
            ("ap-southeast-2", "apse2-az1"),
            ("eu-central-1", "euc1-az1"),
            ("ap-northeast-1", "apne1-az1"),
            ("us-gov-west-1", "usgw1-az1"),
            ("cn-north-1", "cnn1-az1"),
        ];
        for (region, id) in names {
            assert_eq!(availability_zone_id(&Region::from(region)), id);
        }
    }

    #[test]
    fn a_function_sees_the_recorded_variables() {
        let mut version = function("f");
        version.runtime = RuntimeId("python3.11".into());
        let seen = seen(&version);
        let table = [
            ("AWS_ACCESS_KEY_ID", "ASIAEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_SESSION_TOKEN", "token"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_LAMBDA_FUNCTION_NAME", "f"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/f"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "s"),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
            ("AWS_EXECUTION_ENV", "AWS_Lambda_python3.11"),
            ("_HANDLER", "app.handler"),
        ];
        for (name, value) in table {
            assert_eq!(seen.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert!(!seen.contains_key("AWS_LAMBDA_LOG_FORMAT"));
    }

    #[test]
    fn a_custom_runtime_has_no_execution_environment_name() {
        let mut version = function("f");
        version.runtime = RuntimeId("provided.al2023".into());
        assert!(!seen(&version).contains_key("AWS_EXECUTION_ENV"));
    }

    #[test]
    fn the_customers_variables_are_passed_on_but_override_nothing_reserved() {
        let mut version = function("f");
        version.environment =
            [("AWS_ENDPOINT_URL", "http://mine"), ("TZ", "Europe/Berlin"), ("AWS_REGION", "moon-1"), ("A", "b")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into();
        let seen = seen(&version);
        assert_eq!(seen["AWS_ENDPOINT_URL"], "http://mine");
        assert_eq!(seen["TZ"], "Europe/Berlin");
        assert_eq!(seen["AWS_REGION"], "us-east-1");
        assert_eq!(seen["A"], "b");
    }

    #[test]
    fn the_json_log_format_and_its_level_are_told_to_the_runtime() {
        let mut version = function("f");
        for level in LogLevel::ALL {
            version.application_log_level = level;
            version.log_format = LogFormat::Json;
            assert_eq!(seen(&version)["AWS_LAMBDA_LOG_FORMAT"], "JSON");
            assert_eq!(seen(&version)["AWS_LAMBDA_LOG_LEVEL"], level.as_str());
            version.log_format = LogFormat::Text;
            assert!(!seen(&version).keys().any(|name| name.starts_with("AWS_LAMBDA_LOG_") && !name.ends_with("_NAME")));
        }
    }
}
