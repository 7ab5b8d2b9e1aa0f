//! From hearth-init to the runtime process: another user, no privileges at all, limits, the system call filter, exec.

use std::convert::Infallible;
use std::ffi::{CString, NulError};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use nix::sys::signal::SigSet;
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    DumpableBehavior, Pid, Resource, Rlimit, chdir, getrlimit, set_dumpable_behavior, setrlimit, setsid, umask,
};
use rustix::thread::{
    CapabilitySet, Gid, Uid, capabilities, remove_capability_from_bounding_set, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

use hearth_types::limits::SANDBOX_DESCRIPTORS_MAX;

use super::Written;
use crate::mutation::{self, Control};
use crate::protocol::{Launch, LaunchFailure, RECORDS_DESCRIPTOR};
use crate::spawner::FUNCTION_ID;
use crate::sys;
use crate::{landlock, seccomp};

const WORKING_DIRECTORY: &str = "/var/task";
/// The kernel prefers the function to hearth-init when memory runs out.
const OOM_SCORE: &str = "1000";
/// What a shell answers when the program it should run is missing, or cannot be run. Recorded for a missing wrapper.
const STATUS_NOT_FOUND: i32 = 127;
const STATUS_NOT_EXECUTABLE: i32 = 126;

/// Limit, soft and hard; `None` is unlimited. Recorded from Lambda, but for core dumps, which would only fill `/tmp`.
const LIMITS: &[(Resource, Option<u64>, Option<u64>)] = &[
    (Resource::Nofile, Some(SANDBOX_DESCRIPTORS_MAX), Some(SANDBOX_DESCRIPTORS_MAX)),
    (Resource::Nproc, Some(742), Some(742)),
    (Resource::Memlock, Some(64 * 1_024), Some(64 * 1_024)),
    (Resource::Stack, Some(8 * 1_024 * 1_024), None),
    (Resource::Core, Some(0), Some(0)),
];

/// Starts the runtime process; returns once the kernel runs its program, or refuses to.
pub(super) fn start(launch: &Launch, written: Written<'_>, filter: &seccomp::Filter) -> Result<Pid, LaunchFailure> {
    let program =
        launch.programs.iter().find(|program| Path::new(program).is_file()).ok_or(LaunchFailure::NoProgram)?;
    let command = Command::new(launch, program).map_err(|_: NulError| failure(program, Errno::INVAL.into()))?;
    let (failures, failed) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| failure(program, error.into()))?;
    let child = sys::fork_into(0, || become_runtime(&command, program, written, filter, &failed))
        .map_err(|error| failure(program, error))?;
    drop(failed);
    let mut bytes = Vec::new();
    // Closed by exec, or by the end of the child.
    File::from(failures).read_to_end(&mut bytes).map_err(|error| failure(program, error))?;
    match postcard::from_bytes(&bytes) {
        Ok(failure) => Err(failure),
        Err(_) => Ok(child.pid),
    }
}

fn failure(program: &str, error: io::Error) -> LaunchFailure {
    LaunchFailure::Exec { program: program.to_owned(), errno: error.raw_os_error().unwrap_or_default() }
}

/// What exec takes.
struct Command {
    wrapped: bool,
    writes_records: bool,
    arguments: Vec<CString>,
    environment: Vec<CString>,
}

impl Command {
    fn new(launch: &Launch, program: &String) -> Result<Self, NulError> {
        let text = |text: &String| CString::new(text.as_str());
        let arguments = launch.wrapper.iter().chain([program]).chain(&launch.arguments);
        Ok(Self {
            wrapped: launch.wrapper.is_some(),
            writes_records: launch.writes_records(),
            arguments: arguments.map(text).collect::<Result<_, _>>()?,
            environment: launch.environment.iter().map(text).collect::<Result<_, _>>()?,
        })
    }
}

fn become_runtime(
    command: &Command,
    program: &str,
    written: Written<'_>,
    filter: &seccomp::Filter,
    failed: &OwnedFd,
) -> Infallible {
    let records = command.writes_records.then_some(written.records);
    let failure = match confine(written.output, records, filter) {
        Err(error) => LaunchFailure::Confinement { errno: error.raw_os_error().unwrap_or_default() },
        Ok(()) => {
            let Err(error) = nix::unistd::execve(&command.arguments[0], &command.arguments, &command.environment);
            if command.wrapped {
                let status = if error == nix::errno::Errno::ENOENT { STATUS_NOT_FOUND } else { STATUS_NOT_EXECUTABLE };
                let _ = writeln!(io::stderr(), "{}: {}", command.arguments[0].to_string_lossy(), error.desc());
                sys::exit_now(status)
            }
            LaunchFailure::Exec { program: program.to_owned(), errno: error as i32 }
        }
    };
    if let Ok(bytes) = postcard::to_allocvec(&failure) {
        let _ = rustix::io::write(failed, &bytes);
    }
    sys::exit_now(STATUS_NOT_EXECUTABLE)
}

/// Everything between fork and exec. The order matters: what needs a privilege comes before it is given up.
fn confine(output: BorrowedFd<'_>, records: Option<BorrowedFd<'_>>, filter: &seccomp::Filter) -> io::Result<()> {
    setsid()?;
    nix::unistd::dup2_stdout(output)?;
    nix::unistd::dup2_stderr(output)?;
    if let Some(records) = records {
        sys::inherit_as(records, RECORDS_DESCRIPTOR)?;
    }
    // Only of a process that may be dumped does `/proc/self` belong to its user.
    set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    fs::write("/proc/self/oom_score_adj", OOM_SCORE)?;
    chdir(WORKING_DIRECTORY)?;
    umask(Mode::from_raw_mode(0o022));
    for (resource, soft, hard) in LIMITS.iter().filter(|_| !mutation::is_off(Control::ResourceLimits)) {
        // Only lowering is always allowed.
        let most = getrlimit(*resource).maximum;
        let lower = |limit: Option<u64>| limit.map_or(most, |limit| Some(most.map_or(limit, |most| most.min(limit))));
        setrlimit(*resource, Rlimit { current: lower(*soft), maximum: lower(*hard) })?;
    }
    if !mutation::is_off(Control::NoNewPrivs) {
        set_no_new_privs(true)?;
    }
    for capability in capabilities(None)?.permitted.iter().filter(|_| !mutation::is_off(Control::FunctionCapabilities))
    {
        remove_capability_from_bounding_set(capability)?;
    }
    if !mutation::is_off(Control::FunctionUser) {
        become_function()?;
    }
    if !mutation::is_off(Control::Landlock) {
        landlock::restrict_function()?;
    }
    sys::reset_signals();
    SigSet::empty().thread_set_mask()?;
    if mutation::is_off(Control::Seccomp) {
        return Ok(());
    }
    seccomp::install(filter).map_err(io::Error::other)
}

fn become_function() -> io::Result<()> {
    let (user, group) = (Uid::from_raw(FUNCTION_ID), Gid::from_raw(FUNCTION_ID));
    set_thread_groups(&[])?;
    set_thread_res_gid(group, group, group)?;
    set_thread_res_uid(user, user, user)?;
    if capabilities(None)?.permitted != CapabilitySet::empty() {
        return Err(Errno::PERM.into());
    }
    Ok(())
}
