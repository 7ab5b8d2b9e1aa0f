//! Walls that can be taken away, one by one, to see that a test notices: only in a build with the feature `mutations`,
//! which nothing but `make mutate-sandbox` asks for. In every other build all of them stand, and what is here compiles to
//! nothing. Knows no wall; those who build one ask here whether to leave it out.

use std::ffi::OsString;

use rustix::mount::MountAttrFlags;

macro_rules! controls {
    ($($(#[$doc:meta])* $control:ident = $name:literal,)*) => {
        /// What stands between a function and the machine.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Control {
            $($(#[$doc])* $control,)*
        }

        #[cfg(feature = "mutations")]
        impl Control {
            pub const ALL: &[Self] = &[$(Self::$control),*];

            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$control => $name,)*
                }
            }
        }
    };
}

controls! {
    PidNamespace = "pid-namespace",
    NetworkNamespace = "network-namespace",
    IpcNamespace = "ipc-namespace",
    UtsNamespace = "uts-namespace",
    CgroupNamespace = "cgroup-namespace",
    /// A copy of the prepared root, not the root itself.
    MountNamespace = "mount-namespace",
    UserNamespace = "user-namespace",
    /// None below the sandbox's own.
    UserNamespaceLimit = "user-namespace-limit",
    /// Another number outside for each slot.
    UserPerSlot = "user-per-slot",
    ReadOnlyMounts = "read-only-mounts",
    NosuidMounts = "nosuid-mounts",
    NodevMounts = "nodev-mounts",
    HiddenProcesses = "hidden-processes",
    MaskedProc = "masked-proc",
    /// What `/proc` says of memory and processors.
    Faces = "faces",
    ClosedDescriptors = "closed-descriptors",
    /// The spawner's environment, which hearth-init's memory is a copy of.
    EmptyEnvironment = "empty-environment",
    InitCapabilities = "init-capabilities",
    InitNotDumpable = "init-not-dumpable",
    FunctionCapabilities = "function-capabilities",
    FunctionUser = "function-user",
    NoNewPrivs = "no-new-privs",
    Landlock = "landlock",
    Seccomp = "seccomp",
    /// A call that is in no list does not exist.
    UnlistedCalls = "unlisted-calls",
    ResourceLimits = "resource-limits",
    ProcessLimit = "process-limit",
    MemoryLimit = "memory-limit",
    StorageLimit = "storage-limit",
    /// What is written to `/tmp` a second.
    StorageRate = "storage-rate",
    /// What can be asked of the spawner: sizes that Lambda has.
    RequestLimits = "request-limits",
    /// What can be asked of the spawner: trees right in its directory, and not what links lead to.
    TreeResolution = "tree-resolution",
    /// What can be asked of the spawner: an id is used once.
    OneSlotPerId = "one-slot-per-id",
    /// What can be asked of the spawner: a slot is furnished once.
    OneFunctionPerSlot = "one-function-per-slot",
    /// What can be asked of the spawner: nothing is mounted where others see it.
    OwnMountsOnly = "own-mounts-only",
    /// What can be asked of the spawner: nothing that a function may have written is shown to others.
    ClassArchiveOfNobody = "class-archive-of-nobody",
}

/// Names of what is left out, by spaces: [`Control`]s, and `call:NAME` for a refused system call.
#[cfg(feature = "mutations")]
pub const VARIABLE: &str = "HEARTH_SANDBOX_WITHOUT";

#[cfg(feature = "mutations")]
fn is_named(name: &str) -> bool {
    std::env::var(VARIABLE).is_ok_and(|names| names.split(' ').any(|named| named == name))
}

/// Whether a wall is to be left out.
#[cfg(feature = "mutations")]
pub(crate) fn is_off(control: Control) -> bool {
    is_named(control.name())
}

#[cfg(not(feature = "mutations"))]
pub(crate) const fn is_off(_: Control) -> bool {
    false
}

/// Whether a system call that is refused is to be let through.
#[cfg(feature = "mutations")]
pub(crate) fn is_call_off(name: &str) -> bool {
    is_named(&format!("call:{name}"))
}

#[cfg(not(feature = "mutations"))]
pub(crate) const fn is_call_off(_: &str) -> bool {
    false
}

/// What of these namespaces is to be made.
pub(crate) fn namespaces(all: i32) -> i32 {
    let controls = [
        (Control::PidNamespace, libc::CLONE_NEWPID),
        (Control::NetworkNamespace, libc::CLONE_NEWNET),
        (Control::IpcNamespace, libc::CLONE_NEWIPC),
        (Control::UtsNamespace, libc::CLONE_NEWUTS),
        (Control::CgroupNamespace, libc::CLONE_NEWCGROUP),
        (Control::MountNamespace, libc::CLONE_NEWNS),
    ];
    controls.iter().filter(|(control, _)| is_off(*control)).fold(all, |flags, (_, flag)| flags & !flag)
}

/// What of these a mount is to have.
pub(crate) fn attributes(all: MountAttrFlags) -> MountAttrFlags {
    let controls = [
        (Control::ReadOnlyMounts, MountAttrFlags::MOUNT_ATTR_RDONLY),
        (Control::NosuidMounts, MountAttrFlags::MOUNT_ATTR_NOSUID),
        (Control::NodevMounts, MountAttrFlags::MOUNT_ATTR_NODEV),
    ];
    controls.iter().filter(|(control, _)| is_off(*control)).fold(all, |flags, (_, flag)| flags.difference(*flag))
}

/// What of this process's environment the spawner gets.
#[cfg(feature = "mutations")]
pub(crate) fn environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| name == VARIABLE || is_off(Control::EmptyEnvironment)).collect()
}

#[cfg(not(feature = "mutations"))]
pub(crate) const fn environment() -> Vec<(OsString, OsString)> {
    Vec::new()
}

/// Instead of closing what a function must not have.
#[cfg(feature = "mutations")]
pub(crate) fn leave_open() -> std::io::Result<()> {
    crate::sys::inherit_all()
}

#[cfg(not(feature = "mutations"))]
pub(crate) const fn leave_open() -> std::io::Result<()> {
    Ok(())
}
