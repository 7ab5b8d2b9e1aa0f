//! The function of tests/e2e/languages in Rust, on AWS's `lambda_runtime`.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

const EXIT_AS_ASKED: i32 = 7;
const SLEEP: std::time::Duration = std::time::Duration::from_secs(60);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(handle)).await
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let event = event.payload;
    Ok(match event["do"].as_str() {
        Some("echo") => event,
        Some("environment") => json!(std::env::vars().collect::<std::collections::BTreeMap<_, _>>()),
        Some("error") => return Err("as asked".into()),
        Some("exit") => std::process::exit(EXIT_AS_ASKED),
        Some("sleep") => {
            tokio::time::sleep(SLEEP).await;
            Value::Null
        }
        Some("big") => json!("x".repeat(usize::try_from(event["bytes"].as_u64().unwrap_or_default())?)),
        Some("log") => {
            println!("first line");
            println!("second line é");
            Value::Null
        }
        _ => return Err("not asked for anything known".into()),
    })
}
