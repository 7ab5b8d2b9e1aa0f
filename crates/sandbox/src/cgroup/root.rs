//! The parent of all groups of one Hearth instance, in every hierarchy: found, made, swept and removed here.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::disk::Disks;
use super::files::{self, CgroupError};
use super::layout::{Controller, Host, Layout, Survey};
use super::{CPU_PERIOD_US, Cgroup, CgroupLimits, Dialect, KILL_WAIT_MAX, Knob, Tree, memory_knobs, v1, v2};

/// How deep below a mount point a parent of an earlier life is looked for.
const SWEEP_DEPTH_MAX: usize = 16;

/// Where the groups of one instance go. Two processes with the same instance name in the same cgroup find the same.
#[derive(Clone, Debug)]
pub struct CgroupRoot {
    layout: Layout,
    /// `hearth-<instance>`, a directory in each tree.
    name: String,
    memory: Option<Tree>,
    cpu: Option<Tree>,
    pids: Option<Tree>,
    freezer: Option<Tree>,
    /// The v2 parent, if its groups have `cgroup.kill`.
    killer: Option<PathBuf>,
    disks: Option<Disks>,
    /// Every parent, each once.
    parents: Vec<PathBuf>,
    /// The kernel accounts swap, so it can be forbidden.
    swap: bool,
    mounts: Vec<PathBuf>,
}

/// What a sweep found and ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub groups: usize,
    pub processes: usize,
}

impl CgroupRoot {
    /// Finds this machine's layout and makes the parent group in each hierarchy that is needed.
    ///
    /// # Errors
    /// [`CgroupError`] when the name is no name or a parent cannot be made. A missing controller is no error yet:
    /// [`CgroupRoot::missing`] names it, [`CgroupRoot::create`] refuses.
    pub fn detect(instance: &str) -> Result<Self, CgroupError> {
        Self::detect_at(Path::new("/proc"), instance)
    }

    /// Can this name an instance?
    ///
    /// # Errors
    /// [`CgroupError::Instance`].
    pub fn check_name(instance: &str) -> Result<(), CgroupError> {
        let acceptable = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if instance.is_empty() || instance.len() > 40 || !instance.bytes().all(acceptable) {
            return Err(CgroupError::Instance(instance.to_owned()));
        }
        Ok(())
    }

    /// The same with the proc file system elsewhere, for tests.
    pub(super) fn detect_at(proc: &Path, instance: &str) -> Result<Self, CgroupError> {
        Self::check_name(instance)?;
        let survey = Survey::read(proc)?;
        let name = format!("hearth-{instance}");
        let unified = unified_parent(&survey, &name)?;
        let mut root = Self {
            layout: survey.layout,
            memory: None,
            cpu: None,
            pids: None,
            freezer: None,
            killer: None,
            disks: None,
            parents: Vec::new(),
            swap: false,
            mounts: survey.mounts.clone(),
            name,
        };
        let v2 = |controller: Controller| {
            let (parent, controllers) = unified.as_ref()?;
            controllers.contains(&controller).then(|| Tree { dialect: Dialect::V2, dir: parent.clone() })
        };
        let v1 = |controller: Controller| {
            let dir = survey.v1.get(&controller)?.join(&root.name);
            Some(Tree { dialect: Dialect::V1, dir })
        };
        root.memory = v1(Controller::Memory).or_else(|| v2(Controller::Memory));
        root.cpu = v1(Controller::Cpu).or_else(|| v2(Controller::Cpu));
        root.pids = v1(Controller::Pids).or_else(|| v2(Controller::Pids));
        root.freezer = v1(Controller::Freezer);
        for tree in [&root.memory, &root.cpu, &root.pids].into_iter().flatten() {
            files::make_dir(&tree.dir)?;
        }
        let is_unified = root.memory.as_ref().is_some_and(|memory| memory.dialect == Dialect::V2);
        root.disks = Disks::find(&survey, unified.as_ref().filter(|_| is_unified).map(|(parent, _)| parent.as_path()));
        if let Some((parent, _)) = unified {
            if parent.join("cgroup.freeze").exists() {
                root.freezer = Some(Tree { dialect: Dialect::V2, dir: parent.clone() });
            }
            root.killer = parent.join("cgroup.kill").exists().then(|| parent.clone());
            root.parents.push(parent);
        }
        if let Some(tree) = &root.freezer {
            files::make_dir(&tree.dir)?;
        }
        if let Some(Tree { dialect, dir }) = &root.memory {
            root.swap = match dialect {
                Dialect::V1 => dir.join("memory.memsw.limit_in_bytes").exists(),
                Dialect::V2 => dir.join("memory.swap.max").exists(),
            };
            if *dialect == Dialect::V1 {
                v1::count_children(dir)?;
            }
        }
        for tree in [&root.memory, &root.cpu, &root.pids, &root.freezer].into_iter().flatten() {
            if !root.parents.contains(&tree.dir) {
                root.parents.push(tree.dir.clone());
            }
        }
        Ok(root)
    }

    #[must_use]
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// What cannot be enforced here.
    #[must_use]
    pub fn missing(&self) -> Vec<Controller> {
        let trees = [
            (Controller::Memory, &self.memory),
            (Controller::Cpu, &self.cpu),
            (Controller::Pids, &self.pids),
            (Controller::Freezer, &self.freezer),
        ];
        trees.into_iter().filter(|(_, tree)| tree.is_none()).map(|(controller, _)| controller).collect()
    }

    /// Whether a slot's disk can be held to a number of bytes a second.
    #[must_use]
    pub const fn limits_writes(&self) -> bool {
        self.disks.is_some()
    }

    /// Takes limits of disks away that an earlier life left; says how many. `images` is the directory of the files that
    /// its disks were.
    ///
    /// # Errors
    /// [`CgroupError`].
    pub fn sweep_disks(&self, images: &Path) -> Result<usize, CgroupError> {
        self.sweep_disks_at(Path::new("/sys"), images)
    }

    pub(super) fn sweep_disks_at(&self, sys: &Path, images: &Path) -> Result<usize, CgroupError> {
        self.disks.as_ref().map_or(Ok(0), |disks| disks.sweep(sys, images))
    }

    /// Opens the files that tell what all groups together hold, for [`CgroupHandle::memory_held`](super::CgroupHandle).
    ///
    /// # Errors
    /// [`CgroupError`].
    pub fn knobs(&self) -> Result<Vec<(Knob, OwnedFd)>, CgroupError> {
        let memory = self.memory.as_ref().ok_or(CgroupError::Unavailable { controller: Controller::Memory })?;
        memory_knobs(memory)
    }

    /// Limits the memory of all groups together, however much each may have.
    ///
    /// # Errors
    /// [`CgroupError`].
    pub fn limit_memory(&self, bytes: u64) -> Result<(), CgroupError> {
        let memory = self.memory.as_ref();
        let Tree { dialect, dir } = memory.ok_or(CgroupError::Unavailable { controller: Controller::Memory })?;
        let name = match dialect {
            Dialect::V1 => "memory.limit_in_bytes",
            Dialect::V2 => "memory.max",
        };
        files::write(&dir.join(name), &bytes.to_string())
    }

    /// Makes the group of a slot and sets its limits; processor time is not limited yet. What an earlier life left
    /// under the same number is ended first.
    ///
    /// # Errors
    /// [`CgroupError`]; nothing is left behind then.
    pub fn create(&self, slot: u64, limits: &CgroupLimits) -> Result<Cgroup, CgroupError> {
        let group = self.group(slot)?;
        if group.dirs.iter().any(|dir| dir.exists()) {
            self.group(slot)?.remove()?;
        }
        match self.furnish(&group, limits) {
            Ok(()) => Ok(group),
            Err(error) => {
                // The first error is the one to report; what cannot be removed now the next sweep finds.
                let _ = group.remove();
                Err(error)
            }
        }
    }

    fn furnish(&self, group: &Cgroup, limits: &CgroupLimits) -> Result<(), CgroupError> {
        for dir in &group.dirs {
            files::make_dir(dir)?;
        }
        group.limit_memory(limits.memory, None)?;
        group.weigh_cpu(limits.memory)?;
        if group.cpu.dialect == Dialect::V1 {
            v1::set_cpu_period(&group.cpu.dir, CPU_PERIOD_US)?;
        }
        files::write(&group.pids.dir.join("pids.max"), &limits.processes_max.to_string())
    }

    /// The group of a slot, whether it exists or not.
    pub(super) fn group(&self, slot: u64) -> Result<Cgroup, CgroupError> {
        let below = |tree: &Tree| Tree { dialect: tree.dialect, dir: tree.dir.join(slot.to_string()) };
        let needed =
            |tree: &Option<Tree>, controller| tree.as_ref().map(below).ok_or(CgroupError::Unavailable { controller });
        Ok(Cgroup {
            slot,
            memory: needed(&self.memory, Controller::Memory)?,
            cpu: needed(&self.cpu, Controller::Cpu)?,
            pids: needed(&self.pids, Controller::Pids)?,
            freezer: self.freezer.as_ref().map(below),
            killer: self.killer.as_ref().map(|parent| parent.join(slot.to_string())),
            disks: self.disks.as_ref().map(|disks| disks.of(slot)),
            dirs: self.parents.iter().map(|parent| parent.join(slot.to_string())).collect(),
            swap: self.swap,
        })
    }

    /// Ends and removes every group that an earlier life left under this instance's name, frozen or not, wherever in
    /// the hierarchies that life had its own cgroup.
    ///
    /// # Errors
    /// [`CgroupError`] of the first group that cannot be ended; the others are ended all the same.
    pub fn sweep(&self) -> Result<Swept, CgroupError> {
        let mut parents = BTreeSet::new();
        for mount in &self.mounts {
            find(mount, &self.name, SWEEP_DEPTH_MAX, &mut parents);
        }
        let groups: Vec<PathBuf> = parents.iter().flat_map(|parent| children(parent)).collect();
        let mut processes = BTreeSet::new();
        for group in &groups {
            processes.extend(files::processes(group)?);
        }
        // All trees are thawed and told to kill before any is waited for: the same processes sit in each of them.
        for group in &groups {
            release(group)?;
        }
        let failures: Vec<CgroupError> = groups.iter().filter_map(|group| end(group).err()).collect();
        for stray in parents.iter().filter(|parent| !self.parents.contains(parent)) {
            files::remove_dir(stray, KILL_WAIT_MAX)?;
        }
        let slots: BTreeSet<_> = groups.iter().filter_map(|group| group.file_name()).collect();
        failures.into_iter().next().map_or(Ok(Swept { groups: slots.len(), processes: processes.len() }), Err)
    }

    /// Sweeps, then removes the parents too. The leaf this process may have been moved into stays, as we are in it.
    ///
    /// # Errors
    /// [`CgroupError`].
    pub fn remove(self) -> Result<(), CgroupError> {
        self.sweep()?;
        self.parents.iter().try_for_each(|parent| files::remove_dir(parent, KILL_WAIT_MAX))
    }
}

/// The layout, and what could not be enforced in it. Only looks: for reports to people.
///
/// # Errors
/// [`CgroupError`] when the proc file system cannot be read.
pub fn survey() -> Result<(Layout, Vec<Controller>), CgroupError> {
    survey_at(Path::new("/proc"))
}

pub(super) fn survey_at(proc: &Path) -> Result<(Layout, Vec<Controller>), CgroupError> {
    let survey = Survey::read(proc)?;
    let host = match &survey.v2 {
        Some(unified) => unified.host(&survey.wanted_from_v2(), None)?,
        None => None,
    };
    let there = |controller: &Controller| {
        let v1 = survey.v1.get(controller).is_some_and(|own| access(own, Access::WRITE_OK).is_ok());
        let v2 = host.as_ref().is_some_and(|host| match controller {
            // Part of every v2 group since Linux 5.2.
            Controller::Freezer => access(&host.dir, Access::WRITE_OK).is_ok(),
            limit => host.controllers.contains(limit),
        });
        v1 || v2
    };
    Ok((survey.layout, Controller::ALL.into_iter().filter(|controller| !there(controller)).collect()))
}

/// Makes the parent in the v2 tree; with it come the controllers its children have.
fn unified_parent(survey: &Survey, name: &str) -> Result<Option<(PathBuf, Vec<Controller>)>, CgroupError> {
    let Some(unified) = &survey.v2 else { return Ok(None) };
    let leaf = format!("{name}-server");
    let Some(Host { dir, controllers, vacate }) = unified.host(&survey.wanted_from_v2(), Some(&leaf))? else {
        return Ok(None);
    };
    if vacate {
        move_processes(&dir, &dir.join(leaf))?;
    }
    v2::enable(&dir, &controllers)?;
    let parent = dir.join(name);
    files::make_dir(&parent)?;
    v2::enable(&parent, &controllers)?;
    Ok(Some((parent, controllers)))
}

fn move_processes(from: &Path, to: &Path) -> Result<(), CgroupError> {
    files::make_dir(to)?;
    for pid in files::processes(from)? {
        match files::write(&to.join("cgroup.procs"), &pid.to_string()) {
            Err(CgroupError::Io { source, .. }) if source.raw_os_error() == Some(libc::ESRCH) => {}
            moved => moved?,
        }
    }
    Ok(())
}

/// Every directory called `name` below `dir`.
fn find(dir: &Path, name: &str, depth: usize, found: &mut BTreeSet<PathBuf>) {
    for child in children(dir) {
        if child.file_name().is_some_and(|file_name| file_name == name) {
            found.insert(child);
        } else if depth > 0 {
            find(&child, name, depth - 1, found);
        }
    }
}

/// A group that vanishes or is not ours to read has nothing of ours.
fn children(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let directory = |entry: io::Result<std::fs::DirEntry>| {
        let entry = entry.ok()?;
        entry.file_type().ok()?.is_dir().then(|| entry.path())
    };
    entries.filter_map(directory).collect()
}

/// Kills and thaws with whatever files this group's hierarchy has.
fn release(group: &Path) -> Result<(), CgroupError> {
    if group.join("cgroup.kill").exists() {
        files::write_if_there(&group.join("cgroup.kill"), "1")?;
    }
    files::signal_kill(&files::processes(group)?);
    for (knob, value) in [("cgroup.freeze", "0"), ("freezer.state", "THAWED")] {
        if group.join(knob).exists() {
            files::write_if_there(&group.join(knob), value)?;
        }
    }
    Ok(())
}

/// Waits until the group is empty and removes it with all below it.
fn end(group: &Path) -> Result<(), CgroupError> {
    for child in children(group) {
        release(&child)?;
        end(&child)?;
    }
    let started = std::time::Instant::now();
    loop {
        let pids = files::processes(group)?;
        if pids.is_empty() {
            return files::remove_dir(group, KILL_WAIT_MAX);
        }
        release(group)?;
        files::wait_before_retry(started, KILL_WAIT_MAX)
            .map_err(|()| CgroupError::StillRunning { path: group.to_owned(), pids })?;
    }
}
