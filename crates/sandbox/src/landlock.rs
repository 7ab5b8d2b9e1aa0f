//! A second fence around files, besides read-only mounts and ownership: whatever may be mounted or owned wrongly one day,
//! a process behind it reads and writes only where its table says. Kernels without landlock (before Linux 5.13) have the
//! first fence only. Source: kernel documentation, userspace-api/landlock.

use std::io;

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr,
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

/// What a function writes, which may be another file system by the time the fence is closed.
const STORAGE: &str = "/tmp";

/// The fence of [`function_rules`], still open, with the rules for all that stays as it is.
pub(crate) struct FunctionFence(RulesetCreated);

impl FunctionFence {
    pub(crate) fn prepare() -> io::Result<Self> {
        let rules = function_rules();
        add(ruleset()?, rules.iter().filter(|(path, _)| *path != STORAGE)).map(Self)
    }

    /// Puts the calling thread behind it, and everything it starts.
    pub(crate) fn close(self) -> io::Result<()> {
        let rules = function_rules();
        restrict(add(self.0, rules.iter().filter(|(path, _)| *path == STORAGE))?)
    }
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
    let make = AccessFs::WriteFile | AccessFs::MakeReg | AccessFs::MakeDir | AccessFs::MakeSym;
    restrict(add(ruleset()?, &[(".", make)])?)
}

/// An unpacker of layers: takes away what earlier ones made, too, and gives it second names.
pub(crate) fn restrict_layer_unpacker() -> io::Result<()> {
    let make = AccessFs::WriteFile | AccessFs::MakeReg | AccessFs::MakeDir | AccessFs::MakeSym | AccessFs::Refer;
    restrict(add(ruleset()?, &[(".", make | AccessFs::ReadDir | AccessFs::RemoveFile | AccessFs::RemoveDir)])?)
}

/// A fence without a gate.
fn ruleset() -> io::Result<RulesetCreated> {
    let all = AccessFs::from_all(ABI_KNOWN);
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort).handle_access(all);
    ruleset.and_then(Ruleset::create).map_err(io::Error::other)
}

fn add<'a>(
    ruleset: RulesetCreated,
    rules: impl IntoIterator<Item = &'a (&'static str, BitFlags<AccessFs>)>,
) -> io::Result<RulesetCreated> {
    rules.into_iter().try_fold(ruleset, |ruleset, (path, access)| {
        let rule = PathBeneath::new(PathFd::new(path).map_err(io::Error::other)?, *access);
        ruleset.add_rule(rule).map_err(io::Error::other)
    })
}

/// Puts the calling thread and everything it starts behind the fence, for good. Sets `no_new_privs`.
fn restrict(ruleset: RulesetCreated) -> io::Result<()> {
    ruleset.restrict_self().map(drop).map_err(io::Error::other)
}
