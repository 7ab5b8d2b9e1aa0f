//! What an extension asks for when it subscribes: reads and checks the request body. Pure.
//!
//! Source: "Lambda Telemetry API reference" and "Lambda Logs API", Lambda developer guide, and the request schema of
//! AWS's Runtime Interface Emulator.

use serde::Deserialize;
use serde_json::Value;

use crate::limits::{
    DESTINATION_PATH_BYTES_MAX, TELEMETRY_BYTES_DEFAULT, TELEMETRY_BYTES_MAX, TELEMETRY_BYTES_MIN,
    TELEMETRY_ITEMS_DEFAULT, TELEMETRY_ITEMS_MAX, TELEMETRY_ITEMS_MIN, TELEMETRY_TIMEOUT_MS_DEFAULT,
    TELEMETRY_TIMEOUT_MS_MAX, TELEMETRY_TIMEOUT_MS_MIN,
};
use crate::telemetry::event::Category;
use crate::telemetry::legacy::LogsSchema;

/// The two APIs one can subscribe through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    Telemetry,
    Logs,
}

impl Api {
    /// Error type of a request that is not valid.
    pub(crate) const fn validation_error(self) -> &'static str {
        match self {
            Self::Telemetry => "ValidationError",
            Self::Logs => "Logs.ValidationError",
        }
    }

    /// Error type and text once init is over.
    pub(crate) const fn closed(self) -> (&'static str, &'static str) {
        match self {
            Self::Telemetry => ("Telemetry.SubscriptionClosed", "Telemetry API subscription is closed"),
            Self::Logs => ("Logs.SubscriptionClosed", "Logs API subscription is closed already"),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Telemetry => "Telemetry API",
            Self::Logs => "Logs API",
        }
    }

    /// Why this API cannot be used by a subscriber of the other one.
    pub(crate) fn other_in_use(self) -> String {
        let other = if self == Self::Telemetry { Self::Logs } else { Self::Telemetry };
        format!("already subscribed through the {}", other.name())
    }
}

/// The form events are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schema {
    /// The versions of the Telemetry API's schema differ for Managed Instances only.
    Telemetry,
    Logs(LogsSchema),
}

/// Where events go, always inside the sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    Http {
        port: u16,
        path: String,
        method: &'static str,
    },
    /// Lines of JSON.
    Tcp {
        port: u16,
    },
}

impl Destination {
    pub(crate) const fn port(&self) -> u16 {
        match self {
            Self::Http { port, .. } | Self::Tcp { port } => *port,
        }
    }
}

/// When a batch is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Buffering {
    pub(crate) items_max: usize,
    pub(crate) bytes_max: usize,
    pub(crate) timeout_ms: u64,
}

/// A valid request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) schema: Schema,
    /// In the order they were asked for, each once.
    pub(crate) types: Vec<Category>,
    pub(crate) destination: Destination,
    pub(crate) buffering: Buffering,
}

impl Request {
    pub(crate) fn wants(&self, category: Category) -> bool {
        self.types.contains(&category)
    }
}

/// What is sent, before it is checked: anything may be missing or of the wrong kind.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Raw {
    schema_version: Value,
    types: Value,
    destination: RawDestination,
    buffering: RawBuffering,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawDestination {
    protocol: Value,
    #[serde(rename = "URI")]
    uri: Value,
    port: Value,
    method: Value,
    encoding: Value,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawBuffering {
    max_items: Value,
    max_bytes: Value,
    timeout_ms: Value,
}

/// Reads a request body.
///
/// # Errors
/// Everything that is wrong with it, in one sentence, as AWS joins it: `URI port is not provided; types should not be
/// empty`.
pub(crate) fn parse(api: Api, body: &[u8], reserved_ports: &[u16]) -> Result<Request, String> {
    let raw: Raw = serde_json::from_slice(body).map_err(|error| format!("the request is not valid JSON: {error}"))?;
    let mut faults = Vec::new();
    let schema = schema(api, &raw.schema_version).unwrap_or_else(|fault| {
        faults.push(fault);
        Schema::Telemetry
    });
    let destination = destination(&raw.destination, reserved_ports).unwrap_or_else(|fault| {
        faults.push(fault);
        Destination::Tcp { port: 0 }
    });
    let types = types(&raw.types).unwrap_or_else(|fault| {
        faults.push(fault);
        Vec::new()
    });
    let mut number = |name: &str, value: &Value, default: u64, min: u64, max: u64| match value {
        Value::Null => default,
        value => match value.as_u64() {
            Some(number) if (min..=max).contains(&number) => number,
            _ => {
                faults.push(format!("{name} should be an integer from {min} to {max}"));
                default
            }
        },
    };
    let RawBuffering { max_items, max_bytes, timeout_ms } = &raw.buffering;
    let items = number("maxItems", max_items, TELEMETRY_ITEMS_DEFAULT, TELEMETRY_ITEMS_MIN, TELEMETRY_ITEMS_MAX);
    let bytes = number("maxBytes", max_bytes, TELEMETRY_BYTES_DEFAULT, TELEMETRY_BYTES_MIN, TELEMETRY_BYTES_MAX);
    let timeout_ms = number(
        "timeoutMs",
        timeout_ms,
        TELEMETRY_TIMEOUT_MS_DEFAULT,
        TELEMETRY_TIMEOUT_MS_MIN,
        TELEMETRY_TIMEOUT_MS_MAX,
    );
    if !faults.is_empty() {
        return Err(faults.join("; "));
    }
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let buffering = Buffering { items_max: size(items), bytes_max: size(bytes), timeout_ms };
    Ok(Request { schema, types, destination, buffering })
}

fn schema(api: Api, version: &Value) -> Result<Schema, String> {
    match (api, version) {
        (Api::Logs, Value::Null) => return Ok(Schema::Logs(LogsSchema::First)),
        (Api::Telemetry, Value::Null) => return Err("schemaVersion is not provided".to_owned()),
        _ => {}
    }
    match (api, version.as_str()) {
        (Api::Telemetry, Some("2022-07-01" | "2022-12-13" | "2025-01-29")) => Ok(Schema::Telemetry),
        (Api::Logs, Some("2020-08-15")) => Ok(Schema::Logs(LogsSchema::First)),
        (Api::Logs, Some("2021-03-18")) => Ok(Schema::Logs(LogsSchema::WithRuntimeDone)),
        _ => Err("schemaVersion is not supported".to_owned()),
    }
}

fn types(value: &Value) -> Result<Vec<Category>, String> {
    let names = match value {
        Value::Array(names) if !names.is_empty() => names,
        Value::Null | Value::Array(_) => return Err("types should not be empty".to_owned()),
        _ => return Err("types should be an array of strings".to_owned()),
    };
    let mut types = Vec::new();
    for name in names {
        let known = [Category::Platform, Category::Function, Category::Extension];
        let category = known.into_iter().find(|category| name.as_str() == Some(category.name()));
        let category = category.ok_or("types should be platform, function or extension")?;
        if !types.contains(&category) {
            types.push(category);
        }
    }
    Ok(types)
}

fn destination(raw: &RawDestination, reserved_ports: &[u16]) -> Result<Destination, String> {
    let method = match &raw.method {
        Value::Null => "POST",
        Value::String(method) if method == "POST" => "POST",
        Value::String(method) if method == "PUT" => "PUT",
        _ => return Err("method should be POST or PUT".to_owned()),
    };
    if !raw.encoding.is_null() && raw.encoding.as_str() != Some("JSON") {
        return Err("encoding should be JSON".to_owned());
    }
    let destination = match raw.protocol.as_str() {
        Some("HTTP") => {
            let uri = raw.uri.as_str().filter(|uri| !uri.is_empty()).ok_or("URI is not provided")?;
            let (port, path) = uri_parts(uri)?;
            Destination::Http { port, path, method }
        }
        Some("TCP") => {
            let port = raw.port.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
            Destination::Tcp { port: port.ok_or("port should be an integer from 1 to 65535")? }
        }
        _ => return Err("protocol should be HTTP or TCP".to_owned()),
    };
    if reserved_ports.contains(&destination.port()) {
        return Err(format!("port {} is reserved", destination.port()));
    }
    Ok(destination)
}

/// `http://sandbox.localdomain:8080/path`: port and path. Only the sandbox itself can be reached.
fn uri_parts(uri: &str) -> Result<(u16, String), String> {
    let rest = uri.strip_prefix("http://").ok_or("URI scheme should be http")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (host, port) = authority.rsplit_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    if !matches!(host, "sandbox.localdomain" | "sandbox") {
        return Err("URI host should be sandbox.localdomain".to_owned());
    }
    let port = port.filter(|port| !port.is_empty()).ok_or("URI port is not provided")?;
    let port = port.parse().ok().filter(|port| *port > 0).ok_or("URI port is not valid")?;
    // It becomes part of a request line.
    if path.len() > DESTINATION_PATH_BYTES_MAX || !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err("URI path is not valid".to_owned());
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    Ok((port, format!("{slash}{path}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESERVED: &[u16] = &[9001];

    fn request(api: Api, json: &str) -> Result<Request, String> {
        parse(api, json.as_bytes(), RESERVED)
    }

    #[test]
    fn the_documented_example_is_understood_and_defaults_are_the_documented_ones() {
        let got = request(
            Api::Telemetry,
            r#"{"schemaVersion":"2022-12-13","types":["platform","function","extension"],
                "buffering":{"maxItems":1000,"maxBytes":262144,"timeoutMs":100},
                "destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:8080"}}"#,
        );
        let want = Request {
            schema: Schema::Telemetry,
            types: vec![Category::Platform, Category::Function, Category::Extension],
            destination: Destination::Http { port: 8080, path: "/".to_owned(), method: "POST" },
            buffering: Buffering { items_max: 1_000, bytes_max: 262_144, timeout_ms: 100 },
        };
        assert_eq!(got, Ok(want));
        let plain = request(Api::Logs, r#"{"types":["function"],"destination":{"protocol":"TCP","port":4243}}"#);
        let want = Request {
            schema: Schema::Logs(LogsSchema::First),
            types: vec![Category::Function],
            destination: Destination::Tcp { port: 4243 },
            buffering: Buffering { items_max: 10_000, bytes_max: 262_144, timeout_ms: 1_000 },
        };
        assert_eq!(plain, Ok(want));
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once_as_documented() {
        let got = request(
            Api::Telemetry,
            r#"{"schemaVersion":"2022-07-01","types":[],"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain"}}"#,
        );
        assert_eq!(got, Err("URI port is not provided; types should not be empty".to_owned()));
    }

    #[test]
    fn each_api_has_its_own_schema_versions() {
        let rest = r#""types":["platform"],"destination":{"protocol":"TCP","port":1}"#;
        let ok = |api, version: &str| request(api, &format!(r#"{{"schemaVersion":"{version}",{rest}}}"#)).is_ok();
        for (version, telemetry, logs) in [
            ("2025-01-29", true, false),
            ("2022-12-13", true, false),
            ("2022-07-01", true, false),
            ("2021-03-18", false, true),
            ("2020-08-15", false, true),
            ("1999-01-01", false, false),
        ] {
            assert_eq!((ok(Api::Telemetry, version), ok(Api::Logs, version)), (telemetry, logs), "{version}");
        }
        assert!(request(Api::Telemetry, &format!("{{{rest}}}")).is_err(), "required");
        assert!(request(Api::Logs, &format!("{{{rest}}}")).is_ok(), "optional");
    }

    #[test]
    fn buffering_outside_the_documented_ranges_is_refused() {
        let cases = [
            (r#"{"maxItems":999}"#, false),
            (r#"{"maxItems":1000}"#, true),
            (r#"{"maxItems":10000}"#, true),
            (r#"{"maxItems":10001}"#, false),
            (r#"{"maxBytes":262143}"#, false),
            (r#"{"maxBytes":262144}"#, true),
            (r#"{"maxBytes":1048576}"#, true),
            (r#"{"maxBytes":1048577}"#, false),
            (r#"{"timeoutMs":24}"#, false),
            (r#"{"timeoutMs":25}"#, true),
            (r#"{"timeoutMs":30000}"#, true),
            (r#"{"timeoutMs":30001}"#, false),
            (r#"{"timeoutMs":-1}"#, false),
            (r#"{"timeoutMs":"100"}"#, false),
        ];
        for (buffering, want) in cases {
            let json = format!(
                r#"{{"schemaVersion":"2022-12-13","types":["platform"],"buffering":{buffering},"destination":{{"protocol":"TCP","port":1}}}}"#
            );
            assert_eq!(request(Api::Telemetry, &json).is_ok(), want, "{buffering}");
        }
    }

    #[test]
    fn destinations_are_ports_of_the_sandbox_only() {
        let uri = |uri: &str| {
            let json = format!(r#"{{"types":["platform"],"destination":{{"protocol":"HTTP","URI":"{uri}"}}}}"#);
            request(Api::Logs, &json).map(|request| request.destination)
        };
        let http = |port, path: &str| Ok(Destination::Http { port, path: path.to_owned(), method: "POST" });
        assert_eq!(uri("http://sandbox.localdomain:8080/lambda_logs"), http(8080, "/lambda_logs"));
        assert_eq!(uri("http://sandbox:80?x=1"), http(80, "/?x=1"));
        for refused in [
            "http://example.com:80",
            "https://sandbox.localdomain:80",
            "http://sandbox.localdomain:80@example.com:80",
            "http://127.0.0.1:80",
            "http://sandbox.localdomain:0",
            "http://sandbox.localdomain:65536",
            "http://sandbox.localdomain:9001",
            "http://sandbox.localdomain:80/a b",
            "http://sandbox.localdomain:80/a#b",
            "http://sandbox.localdomain:80/a\\r\\nHost: x",
            "",
        ] {
            assert!(uri(refused).is_err(), "{refused}");
        }
        for refused in [
            r#"{"protocol":"TCP"}"#,
            r#"{"protocol":"TCP","port":0}"#,
            r#"{"protocol":"TCP","port":65536}"#,
            r#"{"protocol":"TCP","port":9001}"#,
            r#"{"protocol":"UDP","port":1}"#,
            r#"{"protocol":"HTTP","URI":"http://sandbox:1","method":"GET"}"#,
            r#"{"protocol":"HTTP","URI":"http://sandbox:1","encoding":"XML"}"#,
        ] {
            let json = format!(r#"{{"types":["platform"],"destination":{refused}}}"#);
            assert!(request(Api::Logs, &json).is_err(), "{refused}");
        }
    }

    #[test]
    fn bodies_that_make_no_sense_are_refused_without_a_panic() {
        for json in ["", "[]", "null", "{}", r#"{"types":"platform"}"#, r#"{"types":[1]}"#, r#"{"destination":1}"#] {
            for api in [Api::Telemetry, Api::Logs] {
                assert!(request(api, json).is_err(), "{json}");
            }
        }
    }
}
