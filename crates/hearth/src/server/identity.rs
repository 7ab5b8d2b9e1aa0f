//! Who the server is once it has started what needs privileges: another user than root, without capabilities. What it
//! still has to do it does through what it holds: sockets, open files, and the spawner, which takes numbers only.
//!
//! ```text
//! started as root ──▶ spawner started, port bound, limits raised ──▶ data given to the server's user ──▶ that user
//! ```

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid, User, setgroups, setresgid, setresuid};

/// The user of this name, if the machine has one.
const USER: &str = "hearth";
/// Else this one, which is assigned to nobody. Source: systemd, "Users, Groups, UIDs and GIDs on systemd systems".
const NOBODY_ELSE: u32 = 0x6fff_ffff;
/// Whom the process becomes that functions' connections go through: not the server, whose processes it could signal.
pub(super) const NETWORK: u32 = NOBODY_ELSE - 1;
/// Code trees and the like lie this deep in the data directory.
const SURE_DEPTH: usize = 2;

/// A user and its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    user: Uid,
    group: Gid,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum IdentityError {
    #[error("there is no user {0:?} on this machine: set `user` to one there is, or to a number")]
    Unknown(String),
    #[error("{path} cannot be given to the server's user: {source}")]
    Give { path: PathBuf, source: io::Error },
    #[error("the server cannot become its user: {0}")]
    Become(nix::errno::Errno),
}

/// What decides who the server becomes.
pub(super) struct Candidates<'a> {
    /// The configuration's.
    pub(super) wanted: Option<&'a str>,
    /// Who called sudo.
    pub(super) sudo: Option<(u32, u32)>,
    /// Whom the data belongs to.
    pub(super) data: (u32, u32),
}

impl Candidates<'_> {
    /// Who called sudo, from the environment that sudo makes.
    pub(super) fn sudo() -> Option<(u32, u32)> {
        let number = |name| std::env::var(name).ok()?.parse().ok();
        Some((number("SUDO_UID")?, number("SUDO_GID")?))
    }

    /// The first there is: the one that is wanted, who called sudo, the owner of the data, the machine's user for it, or
    /// one who is nobody else. Never root, unless wanted.
    pub(super) fn choose(&self) -> Result<Identity, IdentityError> {
        if let Some(wanted) = self.wanted {
            return named(wanted).ok_or_else(|| IdentityError::Unknown(wanted.to_owned()));
        }
        let not_root = |(user, group): (u32, u32)| {
            (user != 0).then_some(Identity { user: Uid::from_raw(user), group: Gid::from_raw(group) })
        };
        let numbered = Identity { user: Uid::from_raw(NOBODY_ELSE), group: Gid::from_raw(NOBODY_ELSE) };
        let chosen = self.sudo.and_then(not_root).or_else(|| not_root(self.data)).or_else(|| named(USER));
        Ok(chosen.unwrap_or(numbered))
    }
}

fn named(name: &str) -> Option<Identity> {
    if let Ok(number) = name.parse() {
        return Some(Identity { user: Uid::from_raw(number), group: Gid::from_raw(number) });
    }
    let user = User::from_name(name).ok()??;
    Some(Identity { user: user.uid, group: user.gid })
}

impl Identity {
    /// Whom the server is to be when it cannot be this one: root, which without capabilities may no more than any owner
    /// of files may.
    pub(super) fn reaching(self, root: &Path) -> Self {
        let mut above = root.ancestors().skip(1);
        if above.all(|above| fs::metadata(above).is_ok_and(|metadata| self.may_pass(&metadata))) {
            return self;
        }
        tracing::warn!(
            "the server stays root, without capabilities: user {} cannot reach {}; keep the data elsewhere (--data \
             /var/lib/hearth) or open the directories above it",
            self.user,
            root.display()
        );
        Self { user: Uid::from_raw(0), group: Gid::from_raw(0) }
    }

    /// Makes everything below `root` this user's.
    pub(super) fn own(self, root: &Path) -> Result<(), IdentityError> {
        self.give(root, 0).map_err(|source| IdentityError::Give { path: root.to_owned(), source })
    }

    fn may_pass(self, directory: &fs::Metadata) -> bool {
        let shift = match (directory.uid(), directory.gid()) {
            (user, _) if user == self.user.as_raw() => 6,
            (_, group) if group == self.group.as_raw() => 3,
            _ => 0,
        };
        directory.mode() >> shift & 1 == 1
    }

    /// From the leaves up: below [`SURE_DEPTH`] a directory that is this user's is so as a whole, and is not gone
    /// through again. Above it others, such as `hearth root-key`, may have added files.
    fn give(self, path: &Path, depth: usize) -> io::Result<()> {
        let metadata = fs::symlink_metadata(path)?;
        let is_owned = metadata.uid() == self.user.as_raw() && metadata.gid() == self.group.as_raw();
        if is_owned && depth >= SURE_DEPTH {
            return Ok(());
        }
        if metadata.is_dir() {
            for entry in fs::read_dir(path)? {
                self.give(&entry?.path(), depth + 1)?;
            }
        }
        if is_owned { Ok(()) } else { lchown(path, Some(self.user.as_raw()), Some(self.group.as_raw())) }
    }

    /// Becomes this user, for good and without capabilities. Call it while the process has one thread.
    pub(super) fn assume(self) -> Result<(), IdentityError> {
        let assume = || {
            setgroups(&[])?;
            setresgid(self.group, self.group, self.group)?;
            // With it, all capabilities go, unless the user is root.
            setresuid(self.user, self.user, self.user)
        };
        assume().map_err(IdentityError::Become)?;
        caps::clear(None, caps::CapSet::Effective)
            .and_then(|()| caps::clear(None, caps::CapSet::Permitted))
            .map_err(|_| IdentityError::Become(nix::errno::Errno::EPERM))?;
        // Nothing it starts gets more than it has.
        rustix::thread::set_no_new_privs(true).map_err(|_| IdentityError::Become(nix::errno::Errno::EPERM))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(wanted: Option<&str>, sudo: Option<(u32, u32)>, data: (u32, u32)) -> (u32, u32) {
        let Identity { user, group } = Candidates { wanted, sudo, data }.choose().expect("somebody");
        (user.as_raw(), group.as_raw())
    }

    #[test]
    fn whoever_is_named_comes_before_who_called_sudo_and_that_before_the_owner_of_the_data() {
        assert_eq!(chosen(Some("4242"), Some((1_000, 1_001)), (7, 8)), (4_242, 4_242));
        assert_eq!(chosen(None, Some((1_000, 1_001)), (7, 8)), (1_000, 1_001));
        assert_eq!(chosen(None, None, (7, 8)), (7, 8));
        assert_eq!(chosen(None, Some((0, 0)), (7, 8)), (7, 8), "sudo called by root says nothing");
    }

    #[test]
    fn without_any_of_them_it_is_not_root() {
        let (user, _) = chosen(None, None, (0, 0));
        assert_ne!(user, 0);
    }

    #[test]
    fn an_unknown_name_is_refused() {
        let refused = Candidates { wanted: Some("no-such-user-here"), sudo: None, data: (0, 0) }.choose();
        assert!(refused.expect_err("unknown").to_string().contains("no-such-user-here"));
    }

    #[test]
    fn data_behind_a_closed_directory_stays_roots() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("tempdir");
        let closed = dir.path().join("closed");
        fs::create_dir_all(closed.join("data")).expect("made");
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("mode");
        let other = Identity { user: Uid::from_raw(NOBODY_ELSE - 1), group: Gid::from_raw(NOBODY_ELSE - 1) };
        let data = closed.join("data");
        assert!(other.reaching(&data).user.is_root());
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o711)).expect("mode");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711)).expect("mode");
        assert_eq!(other.reaching(&data), other);
    }
}
