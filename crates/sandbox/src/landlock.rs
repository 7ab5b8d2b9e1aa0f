//! A second fence around files, besides read-only mounts and ownership: whatever may be mounted or owned wrongly one day,
//! a process behind it reads and writes only where its table says. Kernels without landlock (before Linux 5.13) have the
//! first fence only. Source: kernel documentation, userspace-api/landlock.

use std::io;

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr,
};

/// The newest rights known here; older kernels enforce those they know.
const ABI_KNOWN: ABI = ABI::V5;

/// A function: reads what is in its root and writes `/tmp`.
pub(crate) fn function_rules() -> [(&'static str, BitFlags<AccessFs>); 4] {
    [
        // Rules on a mount point do not hold for what covers it later, as code does in a slot that was prepared: the one
        // for reading is on the root.
        ("/", AccessFs::from_read(ABI_KNOWN)),
        ("/tmp", AccessFs::from_all(ABI_KNOWN)),
        // The devices that there are, and one's own settings in `/proc`.
        ("/dev", AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev),
        ("/proc", AccessFs::WriteFile | AccessFs::Truncate),
    ]
}

/// Puts the calling thread behind [`function_rules`].
pub(crate) fn restrict_function() -> io::Result<()> {
    restrict(&function_rules())
}

/// The rights that rules can speak of on this kernel, of those known here; none where it has no landlock.
pub(crate) fn known_rights() -> BitFlags<AccessFs> {
    let abi = match crate::sys::landlock_version() {
        1 => ABI::V1,
        2 => ABI::V2,
        3 => ABI::V3,
        4 => ABI::V4,
        version if version > 4 => ABI_KNOWN,
        _ => return BitFlags::empty(),
    };
    AccessFs::from_all(abi)
}

/// An unpacker: makes files, directories and links below its working directory, and reads nothing.
pub(crate) fn restrict_unpacker() -> io::Result<()> {
    restrict(&[(".", AccessFs::WriteFile | AccessFs::MakeReg | AccessFs::MakeDir | AccessFs::MakeSym)])
}

/// An unpacker of layers: takes away what earlier ones made, too, and gives it second names.
pub(crate) fn restrict_layer_unpacker() -> io::Result<()> {
    let make = AccessFs::WriteFile | AccessFs::MakeReg | AccessFs::MakeDir | AccessFs::MakeSym | AccessFs::Refer;
    restrict(&[(".", make | AccessFs::ReadDir | AccessFs::RemoveFile | AccessFs::RemoveDir)])
}

/// Puts the calling thread and everything it starts behind the fence, for good. Sets `no_new_privs`.
fn restrict(rules: &[(&str, BitFlags<AccessFs>)]) -> io::Result<()> {
    let all = AccessFs::from_all(ABI_KNOWN);
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort).handle_access(all);
    let mut ruleset = ruleset.and_then(Ruleset::create).map_err(io::Error::other)?;
    for (path, access) in rules {
        let rule = PathBeneath::new(PathFd::new(path).map_err(io::Error::other)?, *access);
        ruleset = ruleset.add_rule(rule).map_err(io::Error::other)?;
    }
    ruleset.restrict_self().map_err(io::Error::other)?;
    Ok(())
}
