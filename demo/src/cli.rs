//! The AWS CLI, as a user would call it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian and AWS's own installer put it. Version 1, which pip installs, has no `logs tail`.
const PLACES: [&str; 2] = ["/usr/bin/aws", "/usr/local/bin/aws"];

pub(crate) struct Cli {
    program: PathBuf,
    endpoint: String,
}

impl Cli {
    /// `None`: this machine has no version 2.
    pub(crate) fn find(endpoint: &str) -> Option<Self> {
        let is_v2 = |program: &&Path| {
            let version = Command::new(program).arg("--version").output();
            version.is_ok_and(|output| output.stdout.starts_with(b"aws-cli/2"))
        };
        let program = PLACES.iter().map(Path::new).find(is_v2)?.to_owned();
        Some(Self { program, endpoint: endpoint.to_owned() })
    }

    /// What the command prints; its error when it fails.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(&self.program)
            .args(["--endpoint-url", &self.endpoint, "--no-cli-pager"])
            .args(arguments)
            // Not the user's own account.
            .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")])
            .envs([("AWS_CONFIG_FILE", "/dev/null"), ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")])
            .envs([("AWS_DEFAULT_REGION", "us-east-1"), ("AWS_DEFAULT_OUTPUT", "json")])
            .env_remove("AWS_PROFILE")
            .env_remove("AWS_SESSION_TOKEN")
            .output()
            .map_err(|error| format!("cannot run {}: {error}", self.program.display()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("aws {}: {}", arguments.join(" "), said.trim()))
    }
}
