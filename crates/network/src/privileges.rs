//! Giving up what root has. What stays is an ordinary user's: opening sockets, reading what everybody may read.

use std::io;

use caps::CapSet;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

/// Becomes `identity`, user and group, if it is root; and never gains anything again, whoever it is.
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
    Ok(())
}
