//! The server under measurement: a child process that ends with us.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::{BenchError, cpu, invoke};

/// Until a server that has nothing to do is at rest.
const SETTLE: Duration = Duration::from_secs(1);

pub(super) struct Server {
    child: Child,
    pub(super) endpoint: String,
    pub(super) address: SocketAddr,
}

/// Resident memory, MiB, of the server and of the helper process that makes sandboxes.
pub(super) struct Memory {
    pub(super) server_mib: f64,
    pub(super) helpers_mib: f64,
}

impl Server {
    /// Starts `hearth up --ephemeral` on a free port and waits until it serves.
    pub(super) fn start(program: &Path) -> Result<Self, BenchError> {
        let mut child = Command::new(program)
            .args(["up", "--ephemeral", "--listen", "127.0.0.1:0"])
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
            Some(Ok((address, endpoint))) => Ok(Self { child, endpoint, address }),
            failed => {
                let _ = child.kill();
                let _ = child.wait();
                let unsaid = || BenchError::Other("the server did not start; its reason stands above".to_owned());
                Err(failed.and_then(Result::err).unwrap_or_else(unsaid))
            }
        }
    }

    /// What the server holds before anybody has asked it for anything.
    pub(super) async fn memory_idle(&self) -> Result<Memory, BenchError> {
        tokio::time::sleep(SETTLE).await;
        let mut helpers_mib = 0.0;
        for pid in descendants(self.child.id()) {
            helpers_mib += resident_mib(pid)?;
        }
        Ok(Memory { server_mib: resident_mib(self.child.id())?, helpers_mib })
    }

    /// A process that runs elsewhere would make the figures of one core meaningless.
    pub(super) fn assert_on_cores_of_ours(&self) -> Result<(), BenchError> {
        let ours = cpu::allowed(None)?;
        for pid in descendants(self.child.id()).into_iter().chain([self.child.id()]) {
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
    pub(super) fn stop(mut self) -> Result<(), BenchError> {
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

/// Source: proc_pid_status(5).
fn resident_mib(pid: u32) -> Result<f64, BenchError> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).map_err(BenchError::io(path))?;
    let kib =
        text.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    Ok(kib.unwrap_or_default() / 1_024.0)
}

/// Source: proc_pid_stat(5).
fn descendants(of: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // The program's name, in brackets, may hold anything: what follows the last bracket is state and parent.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        if let Some(parent) = parent {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut open = vec![of];
    while let Some(parent) = open.pop() {
        let own = children.remove(&parent).unwrap_or_default();
        open.extend(&own);
        found.extend(own);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_found_below_this_process() {
        let mut child = Command::new("sleep").arg("10").spawn().expect("sleep");
        let found = descendants(std::process::id());
        let memory = resident_mib(child.id());
        child.kill().expect("killed");
        child.wait().expect("ended");
        assert!(found.contains(&child.id()), "{found:?}");
        assert!(memory.expect("readable") > 0.0);
    }
}
