//! A real runtime process outside any sandbox, against a Runtime API in this process.
#![allow(dead_code, reason = "each test file uses a part of this")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use hearth_runtime_api::{FunctionError, Invocation, RuntimeAnswer, RuntimeApi, Settings};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{PATIENCE, Server, invocation, serve, serve_as};

pub(crate) const REQUEST_ID: &str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd";
const TRACE: &str = "Root=1-5e1b4151-5ac6c58f5b5dbd6b5e6f6b5c";
const MAX_RESPONSE_BYTES: usize = 6_291_556;

/// What [`RuntimeProcess::context`] is to be in languages whose context is an object of AWS's own interface.
pub(crate) fn whole_context() -> Value {
    serde_json::json!([
        "echo", "$LATEST", 128, "/aws/lambda/echo", "stream", "arn:aws:lambda:us-east-1:123456789012:function:f",
        REQUEST_ID, "t", { "k": "é" }, { "e": "1" }, null, true, TRACE,
    ])
}

/// The checkout this test was built from.
pub(crate) fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("checkout")
}

/// A program on the PATH that answers `--version` with `prefix`.
pub(crate) fn program(candidates: &[&str], prefix: &str) -> Option<PathBuf> {
    candidates.iter().map(PathBuf::from).find(|candidate| {
        let output = std::process::Command::new(candidate).arg("--version").output();
        output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).starts_with(prefix))
    })
}

pub(crate) struct RuntimeProcess {
    pub(crate) server: Server,
    child: Child,
    output: PathBuf,
    /// Kept for its files.
    folder: TempDir,
}

impl RuntimeProcess {
    /// Starts `command` with the function's `files` as its code. The environment is exactly what a sandbox gives.
    pub(crate) async fn start(command: &[PathBuf], files: &[(&str, &str)], variables: &[(&str, &str)]) -> Self {
        Self::start_at(serve(MAX_RESPONSE_BYTES).await, command, files, variables)
    }

    /// Starts it ahead of need: it waits to be assigned.
    pub(crate) async fn start_prepared(
        command: &[PathBuf],
        files: &[(&str, &str)],
        variables: &[(&str, &str)],
    ) -> Self {
        let settings = Settings { prepared: true, ..Settings::new(MAX_RESPONSE_BYTES) };
        let variables = [&[("_HEARTH_PREPARED", "1")], variables].concat();
        Self::start_at(serve_as(RuntimeApi::with(settings)).await, command, files, &variables)
    }

    fn start_at(server: Server, command: &[PathBuf], files: &[(&str, &str)], variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let task = folder.path().join("task");
        std::fs::create_dir(&task).expect("task");
        for (name, text) in files {
            let path = task.join(name);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
            std::fs::write(path, text).expect("file");
        }
        let output = folder.path().join("output");
        let log = File::create(&output).expect("output");
        let child = Command::new(&command[0])
            .args(&command[1..])
            .env_clear()
            .envs([("PATH", "/usr/bin:/bin"), ("LANG", "C.UTF-8"), ("AWS_LAMBDA_FUNCTION_NAME", "echo")])
            .envs([("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"), ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")])
            .envs([("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/echo"), ("AWS_LAMBDA_LOG_STREAM_NAME", "stream")])
            .env("LAMBDA_TASK_ROOT", &task)
            .env("AWS_LAMBDA_RUNTIME_API", server.address.to_string())
            .envs(variables.iter().copied())
            .current_dir(&task)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("stdout"))
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("spawn");
        Self { server, child, output, folder }
    }

    /// Starts it with a descriptor for log records. Their file is in the folder, too.
    pub(crate) async fn start_with_records(
        command: &[PathBuf],
        files: &[(&str, &str)],
        variables: &[(&str, &str)],
    ) -> (Self, Records) {
        let records = tempfile::NamedTempFile::new().expect("records");
        let path = records.path().to_str().expect("text").to_owned();
        // A shell's own redirections reach the single digits only; the number is told, whatever it is.
        let script = "exec \"$@\" 9>>\"$RECORDS\"";
        let shell = ["/bin/sh", "-c", script, "sh"].map(PathBuf::from);
        let variables = [&[("_LAMBDA_TELEMETRY_LOG_FD", "9"), ("RECORDS", &path)], variables].concat();
        (Self::start(&[&shell[..], command].concat(), files, &variables).await, Records(records))
    }

    pub(crate) fn task_root(&self) -> PathBuf {
        self.folder.path().join("task")
    }

    /// Everything the process has written so far, its folder's name replaced by `/var/task`.
    pub(crate) fn output(&self) -> String {
        let text = std::fs::read(&self.output).expect("output");
        self.portable(&String::from_utf8_lossy(&text))
    }

    pub(crate) fn portable(&self, text: &str) -> String {
        text.replace(self.task_root().to_str().expect("path"), "/var/task")
    }

    pub(crate) async fn ready(&self) -> Result<(), FunctionError> {
        let ready = tokio::time::timeout(PATIENCE, self.server.api.ready()).await;
        ready.unwrap_or_else(|_| panic!("not ready: {}", self.output()))
    }

    pub(crate) async fn invoke(&self, event: &str) -> RuntimeAnswer {
        self.invoke_with(invocation(REQUEST_ID, Bytes::copy_from_slice(event.as_bytes()))).await
    }

    pub(crate) async fn invoke_with(&self, invocation: Invocation) -> RuntimeAnswer {
        let answer = tokio::time::timeout(PATIENCE, self.server.api.invoke(invocation)).await;
        answer.unwrap_or_else(|_| panic!("no answer: {}", self.output()))
    }

    /// What a function answers that lists its context, when the invocation has all that a client can give.
    pub(crate) async fn context(&self) -> Value {
        let answer = self
            .invoke_with(Invocation {
                trace: Some(TRACE.into()),
                client_context: Some(r#"{"client":{"app_title":"t"},"custom":{"k":"é"},"env":{"e":"1"}}"#.to_owned()),
                ..invocation(REQUEST_ID, "{}")
            })
            .await;
        let RuntimeAnswer::Response { body } = answer else { panic!("{answer:?}: {}", self.output()) };
        self.json(&body)
    }

    /// The text of a successful answer.
    pub(crate) async fn respond(&self, event: &str) -> String {
        match self.invoke(event).await {
            RuntimeAnswer::Response { body } => self.portable(&String::from_utf8_lossy(&body)),
            other => panic!("{other:?}: {}", self.output()),
        }
    }

    /// The JSON of a failed answer.
    pub(crate) async fn fail(&self, event: &str) -> Value {
        match self.invoke(event).await {
            RuntimeAnswer::Error(error) => self.json(&error.body),
            other => panic!("{other:?}: {}", self.output()),
        }
    }

    pub(crate) fn json(&self, body: &[u8]) -> Value {
        serde_json::from_str(&self.portable(&String::from_utf8_lossy(body))).expect("JSON")
    }

    pub(crate) async fn exit(&mut self) -> ExitStatus {
        let exit = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        exit.unwrap_or_else(|_| panic!("still running: {}", self.output())).expect("wait")
    }

    /// Waits a moment for output that is written after the answer.
    pub(crate) async fn output_with(&self, text: &str) -> String {
        for _ in 0..100 {
            if self.output().contains(text) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.output()
    }
}

/// What a runtime process has written to the descriptor for log records.
pub(crate) struct Records(tempfile::NamedTempFile);

impl Records {
    /// Type, text and time (microseconds since the Unix epoch) of each.
    pub(crate) fn all(&self) -> Vec<(u32, String, u64)> {
        let bytes = std::fs::read(self.0.path()).expect("records");
        let mut rest = bytes.as_slice();
        let mut take = |count: usize| {
            let (taken, left) = rest.split_at_checked(count)?;
            rest = left;
            Some(taken)
        };
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        std::iter::from_fn(|| {
            let kind = u32::try_from(number(take(4)?)).expect("four bytes");
            let length = usize::try_from(number(take(4)?)).expect("fits");
            let micros = number(take(8)?);
            Some((kind, String::from_utf8(take(length)?.to_vec()).expect("text"), micros))
        })
        .collect()
    }
}
