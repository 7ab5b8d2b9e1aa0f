//! From hearth-init to the runtime process: another user, no privileges at all, limits, the system call filter, exec.

use std::convert::Infallible;
use std::ffi::{CString, NulError};
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::sys::signal::SigSet;
use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Mode;
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{
    DumpableBehavior, Pid, Resource, Rlimit, chdir, getrlimit, set_dumpable_behavior, setrlimit, setsid, umask,
};
use rustix::thread::{
    CapabilitySet, Gid, Uid, capabilities, remove_capability_from_bounding_set, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

use hearth_network::seqpacket;
use hearth_types::limits::SANDBOX_DESCRIPTORS_MAX;

use super::Shared;
use crate::landlock::FunctionFence;
use crate::mutation::{self, Control};
use crate::protocol::{Launch, LaunchFailure, ORDER_BYTES_MAX, RECORDS_DESCRIPTOR};
use crate::seccomp;
use crate::spawner::FUNCTION_ID;
use crate::sys;

pub(crate) const WORKING_DIRECTORY: &str = "/var/task";
/// The kernel prefers the function to hearth-init when memory runs out.
pub(crate) const OOM_SCORE: &str = "1000";
/// What a shell answers when the program it should run is missing, or cannot be run. Recorded for a missing wrapper.
const STATUS_NOT_FOUND: i32 = 127;
const STATUS_NOT_EXECUTABLE: i32 = 126;

/// Bytes of a [`LaunchFailure`]: the name of a program, at most.
const FAILURE_BYTES_MAX: usize = 8 * 1_024;

/// Limit, soft and hard; `None` is unlimited. Recorded from Lambda, but for core dumps, which would only fill `/tmp`.
const LIMITS: &[(Resource, Option<u64>, Option<u64>)] = &[
    (Resource::Nofile, Some(SANDBOX_DESCRIPTORS_MAX), Some(SANDBOX_DESCRIPTORS_MAX)),
    (Resource::Nproc, Some(742), Some(742)),
    (Resource::Memlock, Some(64 * 1_024), Some(64 * 1_024)),
    (Resource::Stack, Some(8 * 1_024 * 1_024), None),
    (Resource::Core, Some(0), Some(0)),
];

/// Where a process that waits gets its [`Launch`], see `ORDERS` of hearth-init; not the same, which is in use when that
/// forks.
static LAUNCH: Mutex<[u8; ORDER_BYTES_MAX]> = Mutex::new([0; ORDER_BYTES_MAX]);

/// A process that is confined already and waits to be told what to run: most of what a start takes is done before
/// anybody wants one. It runs none of the function's code and cannot be looked into by it.
pub(super) struct Waiting {
    pub(super) pid: Pid,
    /// Takes a [`Launch`]; what comes back is a [`LaunchFailure`], or the end that exec makes.
    pub(super) socket: OwnedFd,
}

/// Forks a process that waits.
pub(super) fn prepare(shared: Shared<'_>, filter: &seccomp::Filter) -> io::Result<Waiting> {
    let (socket, inside) = seqpacket::pair()?;
    let child = sys::fork_into(0, None, || wait(&inside, shared, filter))?;
    Ok(Waiting { pid: child.pid, socket })
}

/// Starts a process; returns once the kernel runs its program, or refuses to.
pub(super) fn start(launch: &Launch, shared: Shared<'_>, filter: &seccomp::Filter) -> Result<Pid, LaunchFailure> {
    let waiting = prepare(shared, filter).map_err(|error| unconfined(&error))?;
    // Fails only when the process has ended; it may have said why.
    let _ = seqpacket::send(waiting.socket.as_fd(), launch, &[]);
    let mut buffer = [0; FAILURE_BYTES_MAX];
    match seqpacket::receive::<LaunchFailure>(waiting.socket.as_fd(), &mut buffer) {
        Ok(Some(received)) => Err(received.message),
        // Closed by exec, or by the end of the process.
        Ok(None) => Ok(waiting.pid),
        Err(error) => Err(unconfined(&error)),
    }
}

fn failure(program: &str, error: io::Error) -> LaunchFailure {
    LaunchFailure::Exec { program: program.to_owned(), errno: error.raw_os_error().unwrap_or_default() }
}

/// What exec takes.
struct Command {
    wrapped: bool,
    arguments: Vec<CString>,
    environment: Vec<CString>,
}

impl Command {
    fn new(launch: &Launch, program: &String) -> Result<Self, NulError> {
        let text = |text: &String| CString::new(text.as_str());
        let arguments = launch.wrapper.iter().chain([program]).chain(&launch.arguments);
        Ok(Self {
            wrapped: launch.wrapper.is_some(),
            arguments: arguments.map(text).collect::<Result<_, _>>()?,
            environment: launch.environment.iter().map(text).collect::<Result<_, _>>()?,
        })
    }
}

fn wait(socket: &OwnedFd, shared: Shared<'_>, filter: &seccomp::Filter) -> Infallible {
    let failure = match confine(shared.output, filter).and_then(|()| fence()) {
        Ok(fence) => {
            match seqpacket::receive::<Launch>(socket.as_fd(), &mut *LAUNCH.lock()) {
                Ok(Some(received)) => run(&received.message, shared, fence),
                // hearth-init has ended.
                Ok(None) => sys::exit_now(0),
                Err(error) => unconfined(&error),
            }
        }
        Err(error) => unconfined(&error),
    };
    // Who waits for it reads the end of this process otherwise.
    let _ = seqpacket::send(socket.as_fd(), &failure, &[]);
    sys::exit_now(STATUS_NOT_EXECUTABLE)
}

fn unconfined(error: &io::Error) -> LaunchFailure {
    LaunchFailure::Confinement { errno: error.raw_os_error().unwrap_or_default() }
}

/// Runs the program, or says why not.
fn run(launch: &Launch, shared: Shared<'_>, fence: Option<FunctionFence>) -> LaunchFailure {
    if launch.when_furnished
        && let Err(error) = retry_on_intr(|| poll(&mut [PollFd::new(&shared.furnished, PollFlags::IN)], None))
    {
        return unconfined(&error.into());
    }
    let Some(program) = launch.programs.iter().find(|program| Path::new(program).is_file()) else {
        return LaunchFailure::NoProgram;
    };
    let Ok(command) = Command::new(launch, program) else { return failure(program, Errno::INVAL.into()) };
    let records = launch.writes_records().then_some(shared.records);
    if let Err(error) = chdir(launch.working_directory.as_str()) {
        return LaunchFailure::WorkingDirectory { errno: error.raw_os_error() };
    }
    // Not before: code and `/tmp` may have been mounted since the process began to wait.
    if let Err(error) = enter(records).and_then(|()| fence.map_or(Ok(()), FunctionFence::close)) {
        return unconfined(&error);
    }
    let Err(error) = nix::unistd::execve(&command.arguments[0], &command.arguments, &command.environment);
    if command.wrapped {
        let status = if error == nix::errno::Errno::ENOENT { STATUS_NOT_FOUND } else { STATUS_NOT_EXECUTABLE };
        let _ = writeln!(io::stderr(), "{}: {}", command.arguments[0].to_string_lossy(), error.desc());
        sys::exit_now(status)
    }
    LaunchFailure::Exec { program: program.to_owned(), errno: error as i32 }
}

fn enter(records: Option<BorrowedFd<'_>>) -> io::Result<()> {
    records.map_or(Ok(()), |records| sys::inherit_as(records, RECORDS_DESCRIPTOR))
}

fn fence() -> io::Result<Option<FunctionFence>> {
    if mutation::is_off(Control::Landlock) { Ok(None) } else { FunctionFence::prepare().map(Some) }
}

/// Everything that needs a privilege, which then is given up. Since its user changes, nobody but root may look into the
/// process until it runs another program: what it has in its memory is hearth-init's.
fn confine(output: BorrowedFd<'_>, filter: &seccomp::Filter) -> io::Result<()> {
    setsid()?;
    nix::unistd::dup2_stdout(output)?;
    nix::unistd::dup2_stderr(output)?;
    // Only of a process that may be dumped does `/proc/self` belong to its user.
    set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    fs::write("/proc/self/oom_score_adj", OOM_SCORE)?;
    umask(Mode::from_raw_mode(0o022));
    lower_limits()?;
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
    sys::reset_signals();
    SigSet::empty().thread_set_mask()?;
    if mutation::is_off(Control::Seccomp) {
        return Ok(());
    }
    seccomp::install(filter).map_err(io::Error::other)
}

/// Sets the limits of a function's process.
pub(crate) fn lower_limits() -> io::Result<()> {
    for (resource, soft, hard) in LIMITS.iter().filter(|_| !mutation::is_off(Control::ResourceLimits)) {
        // Only lowering is always allowed.
        let most = getrlimit(*resource).maximum;
        let lower = |limit: Option<u64>| limit.map_or(most, |limit| Some(most.map_or(limit, |most| most.min(limit))));
        setrlimit(*resource, Rlimit { current: lower(*soft), maximum: lower(*hard) })?;
    }
    Ok(())
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
