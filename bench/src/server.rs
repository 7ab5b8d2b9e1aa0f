//! The server under measurement: a child process that ends with us.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::{BenchError, cpu, invoke, memory};

/// Until a server that has nothing to do is at rest.
const SETTLE: Duration = Duration::from_secs(1);

/// Polls of the processes below a server, and how many of them without a change mean that it is at rest.
const REST_POLL: Duration = Duration::from_millis(50);
const REST_POLLS: u32 = 8;
/// A pool that keeps changing is measured as it is.
const REST_MAX: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    child: Child,
    /// Ends after the server does.
    _configuration: Option<Configuration>,
    pub(crate) endpoint: String,
    pub(crate) address: SocketAddr,
}

/// Resident memory, MiB, of the server and of the helper process that makes sandboxes.
pub(crate) struct Memory {
    pub(crate) server_mib: f64,
    pub(crate) helpers_mib: f64,
}

/// A configuration file, deleted with the value.
struct Configuration(PathBuf);

impl Configuration {
    fn write(text: &str) -> Result<Self, BenchError> {
        let path = std::env::temp_dir().join(format!("hearth-bench-{}.toml", std::process::id()));
        std::fs::write(&path, text).map_err(BenchError::io("temporary file"))?;
        Ok(Self(path))
    }
}

impl Drop for Configuration {
    fn drop(&mut self) {
        // A file left in the temporary directory is no reason to fail.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Server {
    /// Starts `hearth up --ephemeral` on a free port and waits until it serves.
    pub(crate) fn start(program: &Path) -> Result<Self, BenchError> {
        Self::start_with(program, "")
    }

    /// The same over a data directory, which stays, with a configuration (TOML).
    pub(crate) fn start_in(program: &Path, data: &Path, configuration: &str) -> Result<Self, BenchError> {
        let mut command = Command::new(program);
        command.args(["up", "--listen", "127.0.0.1:0", "--data"]).arg(data);
        Self::configured(program, command, configuration)
    }

    /// A fresh one with a configuration.
    pub(crate) fn start_with(program: &Path, configuration: &str) -> Result<Self, BenchError> {
        let mut command = Command::new(program);
        command.args(["up", "--ephemeral", "--listen", "127.0.0.1:0"]);
        Self::configured(program, command, configuration)
    }

    fn configured(program: &Path, mut command: Command, configuration: &str) -> Result<Self, BenchError> {
        let configuration = if configuration.is_empty() { None } else { Some(Configuration::write(configuration)?) };
        if let Some(Configuration(path)) = &configuration {
            command.arg("--config").arg(path);
        }
        Self::spawn(program, command, configuration)
    }

    fn spawn(program: &Path, mut command: Command, configuration: Option<Configuration>) -> Result<Self, BenchError> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(BenchError::io(format!("cannot start {}", program.display())))?;
        let lines = child.stdout.take().map(|stdout| BufReader::new(stdout).lines().map_while(Result::ok));
        let mut endpoint = None;
        for line in lines.into_iter().flatten() {
            if let Some(address) = line.strip_prefix("Listening on ") {
                endpoint = Some(address.to_owned());
            }
            if line == "Ready." {
                break;
            }
        }
        match endpoint.map(|endpoint| Ok((invoke::resolve(&endpoint)?.1, endpoint))) {
            Some(Ok((address, endpoint))) => Ok(Self { child, _configuration: configuration, endpoint, address }),
            failed => {
                let _ = child.kill();
                let _ = child.wait();
                let unsaid = || BenchError::Other("the server did not start; its reason stands above".to_owned());
                Err(failed.and_then(Result::err).unwrap_or_else(unsaid))
            }
        }
    }

    /// What the server holds before anybody has asked it for anything.
    pub(crate) async fn memory_idle(&self) -> Result<Memory, BenchError> {
        tokio::time::sleep(SETTLE).await;
        let mut helpers_mib = 0.0;
        for pid in memory::descendants(self.child.id()) {
            helpers_mib += memory::resident_mib(pid)?;
        }
        Ok(Memory { server_mib: memory::resident_mib(self.child.id())?, helpers_mib })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until processes neither come nor go: environments have ended, the pool is full. Gives how many there are.
    pub(crate) async fn rest(&self) -> usize {
        let started = std::time::Instant::now();
        let (mut before, mut unchanged) = (0, 0);
        while unchanged < REST_POLLS && started.elapsed() < REST_MAX {
            tokio::time::sleep(REST_POLL).await;
            let now = memory::descendants(self.child.id()).len();
            unchanged = if now == before { unchanged + 1 } else { 0 };
            before = now;
        }
        before
    }

    /// A process that runs elsewhere would make the figures of one core meaningless.
    pub(crate) fn assert_on_cores_of_ours(&self) -> Result<(), BenchError> {
        let ours = cpu::allowed(None)?;
        for pid in memory::descendants(self.child.id()).into_iter().chain([self.child.id()]) {
            let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
            // A process may have ended since it was listed.
            if let Ok(theirs) = cpu::allowed(process)
                && theirs != ours
            {
                return Err(BenchError::Other(format!("process {pid} may run on cores {theirs:?}, not {ours:?}")));
            }
        }
        Ok(())
    }

    /// Ends the server as an operator would and says how it went.
    pub(crate) fn stop(mut self) -> Result<(), BenchError> {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM).map_err(|error| BenchError::io("stopping the server")(error.into()))?;
        }
        let status = self.child.wait().map_err(BenchError::io("stopping the server"))?;
        if status.success() { Ok(()) } else { Err(BenchError::Other(format!("the server ended with {status}"))) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Only after a failure is it still running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
