//! A function that answers its event, on AWS's own Rust client. With an argument it ends instead of asking for the first
//! one: what a start costs wherever it runs.

use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if std::env::args_os().len() > 1 {
        return Ok(());
    }
    lambda_runtime::run(service_fn(
        |event: LambdaEvent<serde_json::Value>| async move { Ok::<_, Error>(event.payload) },
    ))
    .await
}
