//! Which hierarchies this machine has and where in them our own cgroup is. Only reads; the parsing is pure.
//! Source: cgroups(7), proc_pid_mountinfo(5).

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Access, access};

use super::files::{CgroupError, processes, read};

/// How the cgroup hierarchies are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    V1,
    /// v1 controllers and a v2 tree without them.
    Hybrid,
    V2,
}

impl std::fmt::Display for Layout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::V1 => "v1",
            Self::Hybrid => "hybrid (v1 controllers, v2 tree)",
            Self::V2 => "v2",
        })
    }
}

/// What Hearth needs from cgroups. In v2 the freezer is part of every group and no controller of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Controller {
    Memory,
    Cpu,
    Pids,
    Freezer,
}

impl Controller {
    /// Those that enforce a limit.
    pub const LIMITS: [Self; 3] = [Self::Memory, Self::Cpu, Self::Pids];
    pub(super) const ALL: [Self; 4] = [Self::Memory, Self::Cpu, Self::Pids, Self::Freezer];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Pids => "pids",
            Self::Freezer => "freezer",
        }
    }

    /// What to do when it is missing.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Memory => {
                "run as root or in a delegated cgroup (`systemd-run --user --scope -p Delegate=yes hearth …`), and boot \
                 without cgroup_disable=memory"
            }
            Self::Cpu => {
                "run as root, or let systemd delegate it: `Delegate=cpu memory pids` for user@.service, and a kernel \
                 with CONFIG_CFS_BANDWIDTH"
            }
            Self::Pids => "run as root or in a delegated cgroup, on a kernel with CONFIG_CGROUP_PIDS",
            Self::Freezer => "use Linux 5.2 or later, or mount the v1 freezer",
        }
    }
}

/// Our own place in the hierarchies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Survey {
    pub(super) layout: Layout,
    /// v1: our own cgroup's directory per controller.
    pub(super) v1: BTreeMap<Controller, PathBuf>,
    pub(super) v2: Option<Unified>,
    /// v1's controller of block devices.
    pub(super) blkio: Option<Blkio>,
    /// Where every hierarchy of `v1` and `v2` is mounted.
    pub(super) mounts: Vec<PathBuf>,
}

/// The v2 tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unified {
    pub(super) mount: PathBuf,
    /// Our own cgroup's directory.
    pub(super) own: PathBuf,
}

/// The v1 tree of block devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blkio {
    pub(super) mount: PathBuf,
    /// Our own cgroup's directory.
    pub(super) own: PathBuf,
}

/// Where in the v2 tree the parent of all groups can go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) dir: PathBuf,
    /// What it can hand to its children.
    pub(super) controllers: Vec<Controller>,
    /// Its processes have to move into a leaf first.
    pub(super) vacate: bool,
}

impl Survey {
    /// `proc` is where the proc file system is mounted.
    pub(super) fn read(proc: &Path) -> Result<Self, CgroupError> {
        Ok(Self::parse(&read(&proc.join("self/cgroup"))?, &read(&proc.join("self/mountinfo"))?))
    }

    fn parse(cgroup: &str, mountinfo: &str) -> Self {
        let memberships: Vec<Membership<'_>> = cgroup.lines().filter_map(Membership::parse).collect();
        let mounts: Vec<Mount> = mountinfo.lines().filter_map(Mount::parse).collect();
        let mut survey = Self { layout: Layout::V2, v1: BTreeMap::new(), v2: None, blkio: None, mounts: Vec::new() };
        for membership in &memberships {
            let Some(mount) = mounts.iter().find(|mount| mount.holds(membership)) else { continue };
            let own = mount.directory(membership.path);
            if membership.controllers.is_empty() {
                survey.v2 = Some(Unified { mount: mount.at.clone(), own });
                survey.mounts.push(mount.at.clone());
                continue;
            }
            if membership.controllers.contains(&"blkio") {
                survey.blkio = Some(Blkio { mount: mount.at.clone(), own: own.clone() });
            }
            for controller in Controller::ALL {
                if membership.controllers.contains(&controller.name()) {
                    survey.v1.insert(controller, own.clone());
                    survey.mounts.push(mount.at.clone());
                }
            }
        }
        survey.mounts.dedup();
        survey.layout = match (&survey.v2, survey.v1.is_empty()) {
            (Some(_), true) => Layout::V2,
            (Some(_), false) => Layout::Hybrid,
            (None, _) => Layout::V1,
        };
        survey
    }

    /// The limits that no v1 tree enforces.
    pub(super) fn wanted_from_v2(&self) -> Vec<Controller> {
        Controller::LIMITS.into_iter().filter(|controller| !self.v1.contains_key(controller)).collect()
    }
}

impl Unified {
    /// The nearest group, from our own upwards, that can hand out most of `wanted`.
    ///
    /// A v2 group with processes cannot give controllers to its children ("no internal processes"), and we are a process
    /// of our own group. So ours will do only when it is the root, or when we may move its processes into a group of its
    /// own below, the `leaf` (where an earlier start may have moved us): it holds no other process than this one, or it is all we see (a container). Otherwise an ancestor
    /// without processes, such as a systemd slice, takes the groups.
    pub(super) fn host(&self, wanted: &[Controller], leaf: Option<&str>) -> Result<Option<Host>, CgroupError> {
        if wanted.is_empty() {
            return Ok(Some(Host { dir: self.own.clone(), controllers: Vec::new(), vacate: false }));
        }
        let start = match self.own.parent() {
            Some(parent) if leaf.is_some_and(|leaf| self.own.ends_with(leaf)) => parent,
            _ => &self.own,
        };
        let mut best: Option<Host> = None;
        for dir in start.ancestors().take_while(|dir| dir.starts_with(&self.mount)) {
            let offered = read(&dir.join("cgroup.controllers"))?;
            let controllers: Vec<Controller> = wanted
                .iter()
                .copied()
                .filter(|wanted| offered.split_whitespace().any(|name| name == wanted.name()))
                .collect();
            // The root alone has no type.
            let root = !dir.join("cgroup.type").exists();
            let inhabitants = if root { Vec::new() } else { processes(dir)? };
            let alone = inhabitants.iter().all(|pid| u32::try_from(*pid) == Ok(std::process::id()));
            let movable = dir == self.own && (alone || dir == self.mount);
            let writable = access(dir, Access::WRITE_OK).is_ok();
            let better = best.as_ref().is_none_or(|best| controllers.len() > best.controllers.len());
            if writable && better && (inhabitants.is_empty() || movable) {
                best = Some(Host { dir: dir.to_owned(), controllers, vacate: !inhabitants.is_empty() });
            }
        }
        Ok(best)
    }
}

/// A line of `/proc/self/cgroup`: `id:controllers:path`, without controllers for v2.
struct Membership<'a> {
    controllers: Vec<&'a str>,
    path: &'a str,
}

impl<'a> Membership<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut parts = line.splitn(3, ':').skip(1);
        let controllers = parts.next()?.split(',').filter(|name| !name.is_empty()).collect();
        Some(Self { controllers, path: parts.next()? })
    }
}

/// A line of `/proc/self/mountinfo` of a cgroup file system.
struct Mount {
    v2: bool,
    /// Which part of the hierarchy is mounted.
    root: PathBuf,
    at: PathBuf,
    /// v1: the controllers are among the super block's options.
    options: Vec<String>,
}

impl Mount {
    fn parse(line: &str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let mut right = right.split(' ');
        let v2 = match right.next()? {
            "cgroup2" => true,
            "cgroup" => false,
            _ => return None,
        };
        let options = right.nth(1)?.split(',').map(str::to_owned).collect();
        Some(Self { v2, root: unescape(left.next()?), at: unescape(left.next()?), options })
    }

    fn holds(&self, membership: &Membership<'_>) -> bool {
        match membership.controllers.as_slice() {
            [] => self.v2,
            [first, ..] => !self.v2 && self.options.iter().any(|option| option == first),
        }
    }

    /// Where `path` of the hierarchy is in the file system. A group outside of the mounted part (a container that sees
    /// the host's paths) counts as its root.
    fn directory(&self, path: &str) -> PathBuf {
        let path = Path::new(path);
        let below = path.strip_prefix(&self.root).unwrap_or(Path::new(""));
        if below.components().all(|part| matches!(part, Component::Normal(_))) && below != Path::new("") {
            self.at.join(below)
        } else {
            self.at.clone()
        }
    }
}

/// mountinfo writes space, tab, newline and backslash as three octal digits.
fn unescape(text: &str) -> PathBuf {
    let pairs = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    PathBuf::from(pairs.iter().fold(text.to_owned(), |text, (code, plain)| text.replace(code, plain)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID_CGROUP: &str = "9:name=systemd:/\n8:pids:/\n4:memory:/jobs/7\n2:cpu,cpuacct:/\n6:freezer:/\n0::/\n";
    const HYBRID_MOUNTS: &str = "\
        23 1 8:1 / / rw,relatime - ext4 /dev/vda rw\n\
        32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:5 - cgroup cgroup rw,memory\n\
        37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer\n\
        39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n\
        40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

    #[test]
    fn in_a_hybrid_layout_each_controller_has_its_own_tree() {
        let survey = Survey::parse(HYBRID_CGROUP, HYBRID_MOUNTS);
        assert_eq!(survey.layout, Layout::Hybrid);
        assert_eq!(survey.v1[&Controller::Memory], Path::new("/sys/fs/cgroup/memory/jobs/7"));
        assert_eq!(survey.v1[&Controller::Cpu], Path::new("/sys/fs/cgroup/cpu,cpuacct"));
        assert_eq!(survey.v2.as_ref().map(|v2| v2.own.as_path()), Some(Path::new("/sys/fs/cgroup/unified")));
        assert!(survey.wanted_from_v2().is_empty());
    }

    #[test]
    fn without_a_v2_tree_the_layout_is_v1() {
        let without = |text: &str, word: &str| {
            text.lines().filter(|line| !line.contains(word)).fold(String::new(), |all, line| all + line + "\n")
        };
        let survey = Survey::parse(&without(HYBRID_CGROUP, "0::"), &without(HYBRID_MOUNTS, "cgroup2"));
        assert_eq!(survey.layout, Layout::V1);
        assert_eq!(survey.v2, None);
    }

    #[test]
    fn in_pure_v2_all_limits_come_from_the_one_tree() {
        let survey = Survey::parse(
            "0::/user.slice/user-1000.slice/session-3.scope\n",
            "31 23 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
        );
        assert_eq!(survey.layout, Layout::V2);
        assert_eq!(survey.wanted_from_v2(), Controller::LIMITS);
        let own = survey.v2.expect("v2").own;
        assert_eq!(own, Path::new("/sys/fs/cgroup/user.slice/user-1000.slice/session-3.scope"));
    }

    #[test]
    fn a_container_that_sees_only_its_part_of_the_tree_finds_itself_in_it() {
        let mounts = "31 23 0:27 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        for (path, directory) in [
            ("/docker/abc", "/sys/fs/cgroup/memory"),
            ("/docker/abc/x", "/sys/fs/cgroup/memory/x"),
            ("/elsewhere", "/sys/fs/cgroup/memory"),
            ("/../..", "/sys/fs/cgroup/memory"),
        ] {
            let survey = Survey::parse(&format!("4:memory:{path}\n"), mounts);
            assert_eq!(survey.v1[&Controller::Memory], Path::new(directory), "{path}");
        }
    }

    #[test]
    fn mount_points_with_spaces_are_read() {
        assert_eq!(unescape(r"/a\040b\134c"), Path::new(r"/a b\c"));
    }
}
