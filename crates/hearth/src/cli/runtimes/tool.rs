//! Runs the programs that fetch packages, and shows that something happens meanwhile.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::Failure;
use crate::cli::progress::Bar;

/// Between two looks at what has arrived.
const LOOK_PAUSE: Duration = Duration::from_millis(200);
/// Of what a tool says when it fails, the last ones: it says there what is wrong.
const COMPLAINT_LINES_MAX: usize = 8;
/// How mmdebstrap and debootstrap begin what is no complaint.
const INFORMATION: &str = "I: ";
/// Of what a tool says at all, the last ones.
const LINES_MAX: usize = 1_000;
/// Directories in each other that are looked at for what has arrived.
const DEPTH_MAX: usize = 32;

/// Runs it to its end. What it says on standard error is answered, and what has arrived in `directory` is shown.
///
/// # Errors
/// It is not there, or it fails; what it complains of.
pub(super) fn run(command: &mut Command, directory: &Path) -> Result<Vec<String>, Failure> {
    run_into(command, Stdio::null(), directory)
}

/// As [`run`], with a place for its standard output.
pub(super) fn run_into(command: &mut Command, output: Stdio, directory: &Path) -> Result<Vec<String>, Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    // Its environment and directory are the user's, who has said there what it is to do.
    let child = command.stdin(Stdio::null()).stdout(output).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::new(format!("{program} is needed for this and is not in PATH")),
        _ => Failure::new(format!("{program} cannot be run: {error}")),
    })?;
    let (ended, said) = watch(&mut child, &program, directory);
    let ended = ended.map_err(|error| Failure::new(format!("{program} cannot be waited for: {error}")))?;
    if ended.success() {
        return Ok(said);
    }
    let is_complaint = |line: &&str| !line.trim().is_empty() && !line.starts_with(INFORMATION);
    let complaints: Vec<&str> = said.iter().map(String::as_str).filter(is_complaint).collect();
    let last = &complaints[complaints.len().saturating_sub(COMPLAINT_LINES_MAX)..];
    Err(Failure::new(format!("{program} failed: {}", last.join("\n  "))))
}

/// Whether a program is in PATH.
pub(super) fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

fn watch(
    child: &mut Child,
    program: &str,
    directory: &Path,
) -> (std::io::Result<std::process::ExitStatus>, Vec<String>) {
    let bar = Bar::arriving(program);
    let stderr = child.stderr.take();
    let said = thread::spawn(move || {
        let lines = BufReader::new(stderr?).lines().map_while(Result::ok);
        // Read to its end: a tool whose output nobody takes would wait.
        let mut said = VecDeque::new();
        lines.for_each(|line| {
            if said.len() == LINES_MAX {
                said.pop_front();
            }
            said.push_back(line);
        });
        Some(said.into())
    });
    let ended = loop {
        match child.try_wait() {
            Ok(None) => {
                bar.arrived(bytes_of(directory, DEPTH_MAX));
                thread::sleep(LOOK_PAUSE);
            }
            Ok(Some(status)) => break Ok(status),
            Err(error) => break Err(error),
        }
    };
    bar.clear();
    (ended, said.join().ok().flatten().unwrap_or_default())
}

/// Of all files below; what goes away meanwhile counts nothing.
fn bytes_of(directory: &Path, depth: usize) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() && depth > 0 => bytes_of(&entry.path(), depth - 1),
        Ok(kind) if kind.is_file() => entry.metadata().map_or(0, |file| file.len()),
        _ => 0,
    });
    bytes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, directory: &Path) -> Result<Vec<String>, Failure> {
        run(Command::new("sh").args(["-c", script]), directory)
    }

    #[test]
    fn what_a_tool_says_is_answered_and_of_a_failure_its_last_lines() {
        let dir = tempfile::tempdir().expect("directory");
        assert_eq!(
            shell("echo one >&2; echo two >&2", dir.path()).ok(),
            Some(vec!["one".to_owned(), "two".to_owned()])
        );
        let failed =
            shell("for n in 1 2 3 4 5 6 7 8 9; do echo line $n >&2; echo I: step $n >&2; done; exit 3", dir.path());
        let Err(failure) = failed else { panic!("it failed") };
        assert_eq!(
            failure.to_string(),
            "sh failed: line 2\n  line 3\n  line 4\n  line 5\n  line 6\n  line 7\n  line 8\n  line 9"
        );
    }

    #[test]
    fn a_tool_that_is_not_there_is_named() {
        let dir = tempfile::tempdir().expect("directory");
        let Err(failure) = run(&mut Command::new("no-such-tool"), dir.path()) else { panic!("there is none") };
        assert_eq!(failure.to_string(), "no-such-tool is needed for this and is not in PATH");
        assert!(!is_there("no-such-tool") && is_there("sh"));
    }

    #[test]
    fn what_has_arrived_is_counted_in_all_directories() {
        let dir = tempfile::tempdir().expect("directory");
        fs::create_dir_all(dir.path().join("a/b")).expect("directory");
        fs::write(dir.path().join("a/b/c"), [0; 7]).expect("file");
        fs::write(dir.path().join("d"), [0; 5]).expect("file");
        std::os::unix::fs::symlink("d", dir.path().join("e")).expect("link");
        assert_eq!(bytes_of(dir.path(), DEPTH_MAX), 12);
    }
}
