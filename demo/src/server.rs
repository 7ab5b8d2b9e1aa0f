//! The server under demonstration: a child process that ends with us.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

pub(crate) struct Server {
    child: Child,
    pub(crate) endpoint: String,
}

impl Server {
    /// Starts `hearth up --ephemeral` on a free port, with a minute of the platform's time in each second, and waits until
    /// it serves.
    pub(crate) fn start(program: &Path) -> Result<Self, String> {
        let mut child = Command::new(program)
            .args(["up", "--ephemeral", "--time-scale", "60", "--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let out = child.stdout.take().ok_or("no output of the server")?;
        let mut endpoint = None;
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if let Some(address) = line.strip_prefix("Listening on ") {
                endpoint = Some(address.to_owned());
            }
            if line == "Ready." {
                break;
            }
        }
        match endpoint {
            Some(endpoint) => Ok(Self { child, endpoint }),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                Err("the server did not start; its reason stands above".into())
            }
        }
    }

    /// Ends the server as an operator would and reports how it went.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let status = self.child.wait().map_err(|error| error.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}")) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Only after a failed demo is it still running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
