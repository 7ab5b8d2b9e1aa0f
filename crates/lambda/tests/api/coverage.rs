//! `docs/coverage.md`: every operation of the Lambda API and its state, made from the model and the service.
//!
//! `HEARTH_WRITE_COVERAGE=1 cargo test -p hearth-lambda coverage` writes it anew.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use crate::world::World;

/// How an operation stands when it does not simply work.
enum State {
    /// Works for a part of what it can be asked for.
    Partly(&'static str),
    /// Hearth has none of what it is about, and it says so as AWS does.
    Empty(&'static str),
}
use State::{Empty, Partly};

const SIGNING: &str = "signatures are not checked; Create is refused";
const PROVIDERS: &str = "functions run on this server; Create and Put are refused";
const DURABLE: &str = "executions are not durable; `DurableConfig` is refused";

/// Every operation that does not simply work.
const STATES: &[(&str, State)] = &[
    (
        "CreateFunction",
        Partly(
            "zip packages, sent in the request or from a bucket, and container images; what is refused stands in settings.tsv",
        ),
    ),
    ("UpdateFunctionCode", Partly("zip packages, sent in the request or from a bucket, and container images")),
    ("UpdateFunctionConfiguration", Partly("what is refused stands in settings.tsv")),
    ("PublishLayerVersion", Partly("zip packages, sent in the request or from a bucket")),
    ("GetFunctionCodeSigningConfig", Empty(SIGNING)),
    ("GetCodeSigningConfig", Empty(SIGNING)),
    ("DeleteCodeSigningConfig", Empty(SIGNING)),
    ("ListCodeSigningConfigs", Empty(SIGNING)),
    ("ListFunctionsByCodeSigningConfig", Empty(SIGNING)),
    ("PutFunctionCodeSigningConfig", Empty(SIGNING)),
    ("DeleteFunctionCodeSigningConfig", Empty(SIGNING)),
    ("CreateCodeSigningConfig", Empty(SIGNING)),
    ("UpdateCodeSigningConfig", Empty(SIGNING)),
    ("GetCapacityProvider", Empty(PROVIDERS)),
    ("DeleteCapacityProvider", Empty(PROVIDERS)),
    ("ListCapacityProviders", Empty(PROVIDERS)),
    ("ListFunctionVersionsByCapacityProvider", Empty(PROVIDERS)),
    ("CreateCapacityProvider", Empty(PROVIDERS)),
    ("UpdateCapacityProvider", Empty(PROVIDERS)),
    ("GetFunctionScalingConfig", Empty(PROVIDERS)),
    ("PutFunctionScalingConfig", Empty(PROVIDERS)),
    (
        "PutFunctionEventInvokeConfig",
        Partly(
            "destinations are functions of the same account and region, queues, topics, event buses and, of failures, buckets",
        ),
    ),
    (
        "UpdateFunctionEventInvokeConfig",
        Partly(
            "destinations are functions of the same account and region, queues, topics, event buses and, of failures, buckets",
        ),
    ),
    ("CreateEventSourceMapping", Partly("SQS queues; other sources and provisioned pollers are refused")),
    ("UpdateEventSourceMapping", Partly("provisioned pollers are refused")),
    ("CheckpointDurableExecution", Empty(DURABLE)),
    ("DeleteDurableExecution", Empty(DURABLE)),
    ("GetDurableExecution", Empty(DURABLE)),
    ("GetDurableExecutionHistory", Empty(DURABLE)),
    ("GetDurableExecutionState", Empty(DURABLE)),
    ("ListDurableExecutionsByFunction", Empty(DURABLE)),
    ("PauseDurableExecution", Empty(DURABLE)),
    ("ResumeDurableExecution", Empty(DURABLE)),
    ("SendDurableExecutionCallbackFailure", Empty(DURABLE)),
    ("SendDurableExecutionCallbackHeartbeat", Empty(DURABLE)),
    ("SendDurableExecutionCallbackSuccess", Empty(DURABLE)),
    ("StopDurableExecution", Empty(DURABLE)),
];

const HEAD: &str = "\
# Coverage of the Lambda API

Made by `crates/lambda/tests/api/coverage.rs` from the API model and the operations that are served, and checked by it.
Members of the operations that work stand in [settings.tsv](../settings.tsv), each with the test that shows it.

- **works**: as AWS answers it.
- **partly**: what the note leaves out is refused by name, never stored and ignored.
- **empty**: Hearth has none of what it is about; reads, lists and refusals are AWS's.
";

const NEIGHBOURS: &str = "
## What Lambda users also call

| service | state |
|---|---|
| IAM, STS | served, see the README |
| CloudWatch Logs | served: 22 operations; metric filters and Insights answer `NotImplementedException` |
| SQS | served: all 23 operations, in both protocols; encryption at rest is refused, see [sqs.md](sqs.md) |
| SNS | served: standard and FIFO topics, to queues, functions and HTTP endpoints; other protocols are refused, see [sns.md](sns.md) |
| EventBridge | served: buses, rules, events, archives and replays, to functions, queues, topics and event buses; other targets, API destinations, partner sources and endpoints are refused, see [eventbridge.md](eventbridge.md) |
| EventBridge Scheduler | served: all 12 operations, to functions, queues, topics and event buses; other targets are refused, see [scheduler.md](scheduler.md) |
| CloudWatch | served: metrics, in three protocols; alarms, dashboards, streams and Insights answer `NotImplementedException`, see [metrics.md](metrics.md) |
| S3 | served: 64 operations; the others answer `NotImplemented`, see [s3.md](s3.md) |
| SSM, Secrets Manager, KMS | planned; not served today |
| Kinesis, X-Ray, Application Auto Scaling | planned; not served today |
| EFS | not planned: `FileSystemConfigs` is refused |

A function reaches services elsewhere by their own endpoint, `AWS_ENDPOINT_URL_<SERVICE>` in its environment, where
`[network] allow` opens it.
";

async fn document() -> String {
    let service = hearth_lambda::service(World::new().await.lambda);
    let model = service.model();
    let states: BTreeMap<&str, &State> = STATES.iter().map(|(name, state)| (*name, state)).collect();
    assert_eq!(states.len(), STATES.len(), "an operation stands there twice");
    let mut rows = BTreeMap::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (id, operation) in model.operations() {
        let name = operation.name();
        let (state, note) = match states.get(name) {
            None => ("works", ""),
            Some(Partly(note)) => ("partly", *note),
            Some(Empty(note)) => ("empty", *note),
        };
        assert!(service.implements(id), "{name} is missing");
        *counts.entry(state).or_default() += 1;
        rows.insert(name.to_owned(), format!("| {name} | {state} | {note} |"));
    }
    let unknown: Vec<_> = states.keys().filter(|name| !rows.contains_key(**name)).collect();
    assert!(unknown.is_empty(), "not in the model: {unknown:?}");
    let mut text = HEAD.to_owned();
    let count = |state: &str| counts.get(state).copied().unwrap_or(0);
    let [works, partly, empty] = ["works", "partly", "empty"].map(count);
    write!(text, "\nOf {} operations {works} work, {partly} partly, {empty} are empty.\n\n", rows.len()).expect("text");
    text.push_str("| operation | state | note |\n|---|---|---|\n");
    rows.values().for_each(|row| {
        text.push_str(row);
        text.push('\n');
    });
    text + NEIGHBOURS
}

#[tokio::test]
async fn the_coverage_page_is_of_today() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/coverage.md");
    let expected = document().await;
    if std::env::var_os("HEARTH_WRITE_COVERAGE").is_some() {
        std::fs::write(&path, &expected).expect("written");
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(there, expected, "write it anew: HEARTH_WRITE_COVERAGE=1 cargo test -p hearth-lambda coverage");
}
