//! AWS's Lambda Web Adapter, as published, in a layer: an extension that takes the events and asks an ordinary web server
//! for the answers. The server never asks the Runtime API for anything.

mod support;

use std::path::Path;
use std::sync::Arc;

use hearth_sandbox::Backend;
use serde_json::json;
use support::{Collected, Machine, spec, value};

/// Where `make setup` installs it.
const ADAPTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.tools/bin/lambda-adapter");

const SERVER: &str = r#"#!/usr/bin/env python3
import http.server, json
class Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"path": self.path, "agent": self.headers["User-Agent"]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", 8080), Web).serve_forever()
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_server_behind_the_lambda_web_adapter_answers_events() {
    if !Path::new(ADAPTER).exists() {
        eprintln!("SKIPPED: the Lambda Web Adapter is not installed: see what tools/setup-tests.sh said");
        return;
    }
    let Some(machine) = Machine::start().await else { return };
    let mut spec = spec("provided.al2023", machine.package(&[("bootstrap", SERVER)]));
    let platform = [("NAME", "f"), ("VERSION", "$LATEST"), ("MEMORY_SIZE", "512")];
    spec.variables = platform.map(|(name, value)| (format!("AWS_LAMBDA_FUNCTION_{name}"), value.to_owned())).to_vec();
    let layer = machine.package(&[]);
    machine.add(layer, "extensions/lambda-adapter", Path::new(ADAPTER));
    spec.layers = vec![layer];
    let output = Arc::new(Collected::default());
    let environment = machine.backend.create(spec, output.clone()).await.expect("created");
    environment.ready().await.unwrap_or_else(|error| panic!("{error:?} {}", output.text()));
    assert!(environment.has_extensions());
    for number in 0..3 {
        let event = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": format!("/orders/{number}"), "rawQueryString": "q=tea",
            "headers": {"user-agent": "tests"}, "isBase64Encoded": false,
            "requestContext": {
                "accountId": "123456789012", "apiId": "a", "domainName": "a.example.com", "domainPrefix": "a",
                "http": {"method": "GET", "path": format!("/orders/{number}"), "protocol": "HTTP/1.1",
                         "sourceIp": "192.0.2.1", "userAgent": "tests"},
                "requestId": "r", "routeKey": "$default", "stage": "$default",
                "time": "12/Mar/2020:19:03:58 +0000", "timeEpoch": 1_583_348_638_390_i64,
            },
        });
        let answer = value(&environment, &event).await;
        assert_eq!(answer["statusCode"], 200, "{answer} {}", output.text());
        let body: serde_json::Value = serde_json::from_str(answer["body"].as_str().expect("text")).expect("JSON");
        assert_eq!(body, json!({"path": format!("/orders/{number}?q=tea"), "agent": "tests"}));
        environment.settled().await.expect("settled");
    }
    machine.backend.shutdown().await;
}
