//! Giving up what root has, and some of what everybody has. What stays: opening sockets, reading what everybody may read.

use std::io;

use caps::CapSet;
use landlock::{ABI, AccessFs, Ruleset, RulesetAttr};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

/// The newest rights over files that are asked for; a kernel that knows fewer holds those it knows.
const LANDLOCK_ABI: ABI = ABI::V5;

/// Becomes `identity`, user and group, if it is root; and never gains anything again, whoever it is.
///
/// For this thread, and those it starts from now on.
///
/// # Errors
/// What the kernel refuses. The process is not fit to serve then.
pub(crate) fn drop_all(identity: u32) -> io::Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    if Uid::effective().is_root() {
        if identity == 0 {
            return Err(io::Error::other("the identity of hearth-network is root's"));
        }
        let (user, group) = (Uid::from_raw(identity), Gid::from_raw(identity));
        // First what needs the privileges.
        let dropped = caps::clear(None, CapSet::Bounding);
        setgroups(&[])?;
        setresgid(group, group, group)?;
        setresuid(user, user, user)?;
        dropped.map_err(io::Error::other)?;
    }
    for set in [CapSet::Ambient, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        caps::clear(None, set).map_err(io::Error::other)?;
    }
    forbid_writing_and_executing()
}

/// Where landlock is not there, the ordinary rules for an ordinary user stay.
fn forbid_writing_and_executing() -> io::Result<()> {
    let forbidden = AccessFs::from_write(LANDLOCK_ABI) | AccessFs::Execute;
    Ruleset::default()
        .handle_access(forbidden)
        .and_then(Ruleset::create)
        .and_then(|rules| rules.restrict_self())
        .map_err(io::Error::other)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;
    use std::thread;

    use super::*;

    #[test]
    fn nothing_can_be_written_or_started() {
        let directory = tempfile::tempdir().expect("directory");
        let file = directory.path().join("file");
        fs::write(&file, "before").expect("written");
        let path = file.clone();
        // Only this thread is confined.
        let confined = thread::spawn(move || {
            let is_set = forbid_writing_and_executing().is_ok();
            (is_set, fs::write(&path, "after"), Command::new("/bin/true").status(), fs::read(&path))
        });
        let (is_set, written, started, read) = confined.join().expect("no panic");
        assert!(is_set);
        assert_eq!(read.expect("reading is allowed"), b"before");
        assert_eq!(written.expect_err("no writing").kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(started.expect_err("no program").kind(), io::ErrorKind::PermissionDenied);
    }
}
