//! The four calls the demo makes, as plain HTTP requests.

use std::io::{Cursor, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

/// A new function is active within milliseconds; a minute means something is wrong.
const ACTIVE_TRIES: u32 = 600;
const ACTIVE_PAUSE: Duration = Duration::from_millis(100);

pub(crate) struct Api {
    client: Client<HttpConnector, Full<Bytes>>,
    endpoint: String,
}

/// What one invocation answered, and what its REPORT line says.
pub(crate) struct Invocation {
    pub(crate) payload: String,
    pub(crate) init_ms: Option<f64>,
    pub(crate) duration_ms: f64,
    pub(crate) billed_ms: u64,
    pub(crate) memory_mb: u64,
}

impl Api {
    pub(crate) fn new(endpoint: &str) -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http(), endpoint: endpoint.to_owned() }
    }

    pub(crate) async fn create_role(&self, name: &str) -> Result<(), String> {
        let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
        let encoded: String = trust.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let form = format!("Action=CreateRole&Version=2010-05-08&RoleName={name}&AssumeRolePolicyDocument={encoded}");
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let (status, _, body) = self.send(Method::POST, "/", &headers, form.into()).await?;
        if status.is_success() { Ok(()) } else { Err(String::from_utf8_lossy(&body).into_owned()) }
    }

    /// Creates the function and waits until it is active.
    pub(crate) async fn create_function(
        &self,
        name: &str,
        runtime: &str,
        handler: &str,
        files: &[(PathBuf, &'static str, u32)],
    ) -> Result<(), String> {
        let input = json!({
            "FunctionName": name,
            "Runtime": runtime,
            "Handler": handler,
            "Role": "arn:aws:iam::000000000000:role/demo",
            "Code": { "ZipFile": BASE64_STANDARD.encode(package(files)?) },
        });
        let body = input.to_string().into();
        let (status, _, answer) =
            self.send(Method::POST, "/2015-03-31/functions", &[("content-type", "application/json")], body).await?;
        if status != StatusCode::CREATED {
            return Err(error_text(&answer));
        }
        for _ in 0..ACTIVE_TRIES {
            let path = format!("/2015-03-31/functions/{name}/configuration");
            let (_, _, answer) = self.send(Method::GET, &path, &[], Bytes::new()).await?;
            let state: Value = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
            match state["State"].as_str() {
                Some("Active") => return Ok(()),
                Some("Failed") => return Err(state["StateReason"].as_str().unwrap_or("failed").to_owned()),
                _ => tokio::time::sleep(ACTIVE_PAUSE).await,
            }
        }
        Err("the function did not become active".into())
    }

    pub(crate) async fn invoke(&self, name: &str, payload: &str) -> Result<Invocation, String> {
        let path = format!("/2015-03-31/functions/{name}/invocations");
        let headers = [("x-amz-log-type", "Tail")];
        let (status, headers, body) =
            self.send(Method::POST, &path, &headers, Bytes::copy_from_slice(payload.as_bytes())).await?;
        if status != StatusCode::OK {
            return Err(format!("{name}: {}", error_text(&body)));
        }
        let log = headers.get("x-amz-log-result").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let log = String::from_utf8_lossy(&BASE64_STANDARD.decode(log).unwrap_or_default()).into_owned();
        let payload = String::from_utf8_lossy(&body).into_owned();
        if headers.contains_key("x-amz-function-error") {
            return Err(format!("{name} failed: {payload}\n{log}"));
        }
        let field = |name: &str| {
            let value = log.rsplit_once(&format!("\t{name}: "))?.1;
            value.split([' ', '\t']).next().map(str::to_owned)
        };
        let number = |name: &str| field(name).and_then(|value| value.parse::<f64>().ok());
        Ok(Invocation {
            payload,
            init_ms: number("Init Duration"),
            duration_ms: number("Duration").ok_or_else(|| format!("{name}: no REPORT line in the log: {log}"))?,
            billed_ms: number("Billed Duration").unwrap_or_default() as u64,
            memory_mb: number("Max Memory Used").unwrap_or_default() as u64,
        })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &'static str)],
        body: Bytes,
    ) -> Result<(StatusCode, HeaderMap, Bytes), String> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.endpoint));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
        let response = self.client.request(request).await.map_err(|error| error.to_string())?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok((parts.status, parts.headers, body))
    }
}

fn package(files: &[(PathBuf, &'static str, u32)]) -> Result<Vec<u8>, String> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, name, mode) in files {
        let bytes = std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let options = zip::write::SimpleFileOptions::default().unix_permissions(*mode);
        zip.start_file(*name, options).map_err(|error| error.to_string())?;
        zip.write_all(&bytes).map_err(|error| error.to_string())?;
    }
    Ok(zip.finish().map_err(|error| error.to_string())?.into_inner())
}

fn error_text(body: &[u8]) -> String {
    serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|body| body.get("message").or_else(|| body.get("Message"))?.as_str().map(str::to_owned))
        .unwrap_or_else(|| String::from_utf8_lossy(body).into_owned())
}
