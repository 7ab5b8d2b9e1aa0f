//! The root file systems, made once when the spawner starts. For each [`Root`] there is a mount namespace in which
//! everything that its environments share is mounted already, read-only; a slot starts with a copy of it.
//!
//! ```text
//! /usr/bin /usr/lib …   views of the host's directories, from an allow-list
//! /bin /lib             as on the host: links, or views too
//! /lib64                has every shared library, as on Amazon Linux
//! /etc /dev             synthetic
//! /var/lang             the interpreter            /var/runtime   Hearth's bootstrap
//! /var/task /opt /proc /sys /tmp                   empty; a slot mounts its own (not /sys)
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, lchown, symlink};
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns, unshare};
use rustix::fs::CWD;
use rustix::mount::{MountAttrFlags, MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::process::{fchdir, pivot_root};

use super::class_archive::Awaiting;
use super::identity::{OWNER, user_namespace};
use super::storage::Storage;
use super::{configuration, etc, mounts};
use crate::protocol::Boot;
use crate::runtimes::{CLIENTS, Client, Interpreter, Language, RUNTIMES, Root, Search, bytecode};

/// What of the host's root file system is shown, where it exists. Programs and libraries; never configuration, never a
/// person's files, never what an administrator has put into `/usr/local`.
const SYSTEM: &[&str] = &[
    "usr/bin",
    "usr/lib",
    "usr/lib32",
    "usr/lib64",
    "usr/libx32",
    "usr/share/misc",
    "usr/share/nodejs",
    "usr/share/perl",
    "usr/share/perl5",
    "usr/share/terminfo",
    "usr/share/zoneinfo",
];
/// Links into `usr` on most distributions, directories on others.
const TOP: &[&str] = &["bin", "lib", "lib32", "lib64", "libx32"];
/// Where programs for this architecture look for their libraries first, by Lambda's `LD_LIBRARY_PATH`.
const LIBRARIES: &str = "usr/lib64";
/// Where Debian and its kin keep them instead. Without a link in [`LIBRARIES`] the loader asks for each in a hundred
/// other places before.
const MULTIARCH: &str =
    if cfg!(target_arch = "aarch64") { "usr/lib/aarch64-linux-gnu" } else { "usr/lib/x86_64-linux-gnu" };
/// What a file has in its name that programs are linked against; links for compilers end without a version.
const VERSIONED: &str = ".so.";
/// Mount points and what else a sandbox has.
const DIRECTORIES: &[&str] =
    &["dev", "etc", "opt/lib", "proc", "sys", "tmp", "usr", "var/lang", "var/runtime", "var/task/lib"];

/// On the stage, see [`Roots`].
const OVER_IMAGES: &str = "over-images";
const OVER_RUNTIMES: &str = "over-runtimes";
const OF_CLIENTS: &str = "clients";

/// Options of the small file systems made here.
const SMALL: &[(&str, &str)] = &[("source", "hearth"), ("mode", "0755")];

/// Everything the spawner keeps after its start.
pub(super) struct Roots {
    /// A mount namespace per root.
    pub(super) namespaces: BTreeMap<Root, OwnedFd>,
    /// The code trees, with owners as sandboxes see them.
    pub(super) trees: OwnedFd,
    pub(super) empty: OwnedFd,
    /// What lies over an image: mount points, and the files in `/etc` that are about the network.
    pub(super) over_images: OwnedFd,
    /// What lies over an image besides, that is the root of functions from zip packages: where code and layers go.
    pub(super) over_runtimes: OwnedFd,
    /// `/var/runtime` for such an image that has no runtime client.
    pub(super) clients: BTreeMap<Client, OwnedFd>,
    /// The spawner's own mount namespace.
    pub(super) home: OwnedFd,
    /// `/tmp` as disks; where it cannot be, it is memory.
    pub(super) storage: Option<Storage>,
    /// Roots whose Java may bring an archive of classes.
    pub(super) awaiting: Awaiting,
    /// What could not be had, for the log.
    pub(super) notes: Vec<String>,
    /// Makes more, where the host's files stay in sight.
    workshop: Builder,
    /// Where interpreters are looked for.
    search: Search,
}

impl Roots {
    /// Makes a root of an interpreter that has come since the start; of which, this process finds out itself.
    pub(super) fn add(&mut self, language: Language) -> io::Result<Interpreter> {
        self.workshop.go_home()?;
        let made = self.search.interpreter(language).map(|interpreter| {
            let namespace = self.workshop.special(Root::With(language), Some(&interpreter))?;
            self.namespaces.insert(Root::With(language), namespace);
            self.awaiting.append(&mut self.workshop.awaiting);
            Ok(interpreter)
        });
        // Wherever it went wrong.
        setns(&self.home, CloneFlags::CLONE_NEWNS)?;
        made.unwrap_or_else(|| Err(io::Error::other(format!("{language} is not to be found"))))
    }
}

/// Says what was being done when an error came.
fn at<T>(what: impl std::fmt::Display, result: io::Result<T>) -> io::Result<T> {
    result.map_err(|error| io::Error::new(error.kind(), format!("{what}: {error}")))
}

/// Builds all roots and moves this process to a root of its own, where nothing of the host is left but `/proc`, `/sys`
/// and the code trees.
pub(super) fn build(boot: &Boot) -> io::Result<Roots> {
    let host = File::open("/proc/self/ns/mnt")?.into();
    let mut notes = Vec::new();
    let storage = Storage::open(&boot.storage, host).map_err(|error| notes.push(storage_note(&error))).ok();
    at("a mount namespace", unshare(CloneFlags::CLONE_NEWNS).map_err(Into::into))?;
    at(
        "private mounts",
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).map_err(Into::into),
    )?;
    let trees = at("the code trees", mounts::directory(&boot.trees))?;
    // The stage covers the trees' own directory: that is one which certainly exists, and in this namespace it is not
    // needed by path again.
    let stage = at(
        "fsopen and fsmount, which need Linux 5.12",
        mounts::new("tmpfs", SMALL, MountAttrFlags::MOUNT_ATTR_NOSUID),
    )?;
    at("mounting over the code trees", mounts::attach(stage.as_fd(), &boot.trees))?;
    fchdir(&stage)?;
    for directory in ["trees", "proc", "sys", "empty", "root", "faces", OVER_IMAGES, OVER_RUNTIMES, OF_CLIENTS] {
        fs::create_dir(directory)?;
    }
    let home = File::open("/proc/self/ns/mnt")?.into();
    let mut builder = Builder { stage, home, notes, awaiting: Awaiting::default() };
    lchown("empty", Some(OWNER), Some(OWNER))?;
    for directory in ["dev", "etc", "proc", "sys", "tmp"] {
        fs::create_dir(Path::new(OVER_IMAGES).join(directory))?;
    }
    etc::write_network(&Path::new(OVER_IMAGES).join("etc"))?;
    for directory in ["opt/lib", "var/task/lib"] {
        fs::create_dir_all(Path::new(OVER_RUNTIMES).join(directory))?;
    }
    for client in CLIENTS {
        let runtime = client_directory(client).join("var/runtime");
        fs::create_dir_all(&runtime)?;
        client.files().iter().try_for_each(|(name, bytes)| fs::write(runtime.join(name), bytes))?;
    }
    [OVER_IMAGES, OVER_RUNTIMES, OF_CLIENTS].into_iter().try_for_each(|directory| chown_all(Path::new(directory)))?;
    let trees = builder.owned(trees.as_fd())?;
    mounts::seal(trees.as_fd(), mounts::SEALED)?;
    mounts::attach(trees.as_fd(), "trees")?;
    at("the common root", builder.common())?;
    let mut namespaces = BTreeMap::from([(
        Root::Provided,
        at("the root without an interpreter", builder.special(Root::Provided, None))?,
    )]);
    for (root, interpreter) in &boot.interpreters {
        match builder.special(*root, Some(interpreter)) {
            Ok(namespace) => drop(namespaces.insert(*root, namespace)),
            Err(error) => builder.notes.push(format!("{root:?} cannot be mounted: {error}")),
        }
        builder.go_home()?;
    }
    let workshop = at("a place to make more roots", builder.workshop())?;
    at("leaving the host's root", builder.move_in())?;
    let opened = |directory: &Path| mounts::directory(Path::new("/").join(directory));
    Ok(Roots {
        namespaces,
        trees: mounts::directory("/trees")?,
        empty: mounts::directory("/empty")?,
        over_images: opened(Path::new(OVER_IMAGES))?,
        over_runtimes: opened(Path::new(OVER_RUNTIMES))?,
        clients: CLIENTS
            .into_iter()
            .map(|client| Ok((client, opened(&client_directory(client))?)))
            .collect::<io::Result<_>>()?,
        home: builder.home.try_clone()?,
        storage,
        awaiting: std::mem::take(&mut builder.awaiting),
        notes: std::mem::take(&mut builder.notes),
        workshop,
        search: boot.search.clone(),
    })
}

/// On the stage.
fn client_directory(client: Client) -> PathBuf {
    Path::new(OF_CLIENTS).join(format!("{client:?}"))
}

/// Said once, at the start.
pub(super) fn storage_note(error: &io::Error) -> String {
    format!("/tmp of sandboxes is memory here and counts as the function's: {error}")
}

struct Builder {
    /// Working directory while building.
    stage: OwnedFd,
    /// The spawner's own mount namespace.
    home: OwnedFd,
    notes: Vec<String>,
    awaiting: Awaiting,
}

impl Builder {
    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// A detached mount of a directory or file whose owner shows as [`OWNER`], where the file system can do that. Else
    /// files belong to nobody, which changes how they look and not what can be done with them.
    fn owned(&mut self, path: BorrowedFd<'_>) -> io::Result<OwnedFd> {
        let mount = mounts::clone_of(path, "")?;
        let owner = rustix::fs::fstat(&mount)?.st_uid;
        let mapped = user_namespace(&[(owner, OWNER)]).and_then(|ids| mounts::map_ids(mount.as_fd(), ids.as_fd()));
        if let Err(error) = mapped {
            self.note(format!(
                "the file system of some files cannot map their owners, they are shown as nobody's: {error}"
            ));
        }
        Ok(mount)
    }

    /// Shows a directory of the host, read-only, at `target`.
    fn show(&mut self, directory: &Path, target: &Path) -> io::Result<()> {
        self.show_below(directory, target, None)
    }

    /// With a directory of the stage laid over it.
    fn show_below(&mut self, directory: &Path, target: &Path, over: Option<&Path>) -> io::Result<()> {
        let source = mounts::directory(directory)?;
        let owned = self.owned(source.as_fd())?;
        let scratch = Path::new("lower").join(target.to_string_lossy().replace('/', "-"));
        fs::create_dir_all(&scratch)?;
        // An overlay takes only what is mounted somewhere.
        mounts::attach(owned.as_fd(), &scratch)?;
        // By path and now: descriptors from another mount namespace are refused too.
        let empty = mounts::directory("empty")?;
        let over = over.map(mounts::directory).transpose()?;
        let view = |lower: &OwnedFd| {
            let layers: Vec<_> = over.iter().chain([lower]).map(AsFd::as_fd).collect();
            mounts::view(&layers, empty.as_fd())
        };
        // Before Linux 5.19 an overlay refuses mapped owners.
        let view = view(&owned).or_else(|_| view(&source))?;
        fs::create_dir_all(target)?;
        mounts::attach(view.as_fd(), target)
    }

    /// A small read-only file system with what `fill` writes.
    fn write(
        &self,
        target: &Path,
        attributes: MountAttrFlags,
        fill: impl FnOnce(&Path) -> io::Result<()>,
    ) -> io::Result<()> {
        let mount = self.filled(target, attributes, fill)?;
        mounts::seal(mount.as_fd(), MountAttrFlags::MOUNT_ATTR_RDONLY)
    }

    /// One that is not read-only yet.
    fn filled(
        &self,
        target: &Path,
        attributes: MountAttrFlags,
        fill: impl FnOnce(&Path) -> io::Result<()>,
    ) -> io::Result<OwnedFd> {
        let mount = mounts::new("tmpfs", SMALL, attributes)?;
        mounts::attach(mount.as_fd(), target)?;
        fill(target)?;
        chown_all(target)?;
        Ok(mount)
    }

    /// What all roots have in common.
    fn common(&mut self) -> io::Result<()> {
        let root = Path::new("root");
        let found: Vec<&str> = SYSTEM.iter().chain(TOP).copied().filter(|name| is_directory(&host(name))).collect();
        self.write(root, mounts::SEALED.difference(MountAttrFlags::MOUNT_ATTR_RDONLY), |root| {
            for directory in DIRECTORIES.iter().chain(&found) {
                fs::create_dir_all(root.join(directory))?;
            }
            for link in TOP.iter().filter(|name| !found.contains(name)) {
                if let Ok(target) = fs::read_link(host(link)) {
                    symlink(target, root.join(link))?;
                }
            }
            etc::write(&root.join("etc"))
        })?;
        let linked = is_directory(&host(MULTIARCH)) && found.contains(&LIBRARIES);
        if linked {
            self.write(
                &root.join(LIBRARIES),
                mounts::SEALED.difference(MountAttrFlags::MOUNT_ATTR_RDONLY),
                link_libraries,
            )?;
        }
        for directory in found.into_iter().filter(|directory| !(linked && *directory == LIBRARIES)) {
            at(format_args!("showing /{directory}"), self.show(&host(directory), &root.join(directory)))?;
        }
        let nodes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        self.write(&root.join("dev"), nodes, etc::devices)
    }

    /// A namespace with what only this root has, pivoted into it.
    fn special(&mut self, root: Root, interpreter: Option<&Interpreter>) -> io::Result<OwnedFd> {
        let processes = mounts::directory("/proc/self")?;
        unshare(CloneFlags::CLONE_NEWNS)?;
        let target = Path::new("root/var/lang");
        match interpreter {
            None => {}
            Some(Interpreter::Prefix { prefix, .. }) if matches!(root.language(), Some(Language::Java { .. })) => {
                let over = Path::new("lower").join(format!("over {root:?}"));
                fs::create_dir_all(&over)?;
                let has_any = configuration::copy(prefix, &over)?;
                chown_all(&over)?;
                self.show_below(prefix, target, has_any.then_some(&over))?;
            }
            Some(Interpreter::Prefix { prefix, .. }) => self.show(prefix, target)?,
            Some(Interpreter::System { program, name, library }) => {
                self.write(target, mounts::SEALED.difference(MountAttrFlags::MOUNT_ATTR_RDONLY), |lang| {
                    fs::create_dir(lang.join("bin"))?;
                    fs::create_dir_all(lang.join("lib").join(name))?;
                    // A copy: a mount of the file would show where on the host it comes from.
                    fs::copy(program, lang.join("bin").join(name))?;
                    match name.split_once('.') {
                        Some((generic, _)) => symlink(name, lang.join("bin").join(generic)),
                        None => Ok(()),
                    }
                })?;
                if let Some(library) = library {
                    self.show(library, &target.join("lib").join(name))?;
                }
            }
        }
        if let Some(interpreter) = interpreter {
            self.bootstrap(root, interpreter)?;
        }
        enter(&mounts::directory("root")?)?;
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
        let namespace = rustix::fs::openat(&processes, "ns/mnt", flags, rustix::fs::Mode::empty())?;
        self.go_home()?;
        Ok(namespace)
    }

    /// `/var/runtime`.
    fn bootstrap(&mut self, root: Root, interpreter: &Interpreter) -> io::Result<()> {
        let compiled = bytecode::compile(root, interpreter);
        let is_python = matches!(root.language(), Some(Language::Python { .. }));
        if is_python && compiled.is_none() {
            self.note(format!("{root:?}: the bootstrap cannot be compiled, functions start some milliseconds later"));
        }
        let attributes = mounts::SEALED.difference(MountAttrFlags::MOUNT_ATTR_RDONLY);
        let mount = self.filled(Path::new("root/var/runtime"), attributes, |directory| {
            for (name, bytes) in root.language().map(Client::files_for).unwrap_or_default() {
                fs::write(directory.join(name), bytes)?;
            }
            let entry = directory.join(bytecode::ENTRY);
            match compiled {
                Some(code) => fs::write(entry, code),
                None if is_python => symlink(bytecode::SOURCE, entry),
                None => Ok(()),
            }
        })?;
        if RUNTIMES.iter().any(|runtime| runtime.root == root && runtime.has_class_archive()) {
            self.awaiting.insert(root, mounts::clone_of(mount.as_fd(), "")?);
        }
        mounts::seal(mount.as_fd(), MountAttrFlags::MOUNT_ATTR_RDONLY)
    }

    fn go_home(&self) -> io::Result<()> {
        setns(&self.home, CloneFlags::CLONE_NEWNS)?;
        Ok(fchdir(&self.stage)?)
    }

    /// A copy of this namespace, to come back to from the one that leaves the host's files behind.
    fn workshop(&self) -> io::Result<Self> {
        unshare(CloneFlags::CLONE_NEWNS)?;
        // The working directory has moved into the copy.
        let workshop = Self {
            stage: mounts::directory(".")?,
            home: File::open("/proc/self/ns/mnt")?.into(),
            notes: Vec::new(),
            awaiting: Awaiting::default(),
        };
        self.go_home()?;
        Ok(workshop)
    }

    /// Leaves the host's file system for good.
    fn move_in(&self) -> io::Result<()> {
        for name in ["proc", "sys"] {
            let flags = rustix::mount::OpenTreeFlags::OPEN_TREE_CLONE
                | rustix::mount::OpenTreeFlags::OPEN_TREE_CLOEXEC
                | rustix::mount::OpenTreeFlags::AT_RECURSIVE;
            let mount = rustix::mount::open_tree(CWD, host(name), flags)?;
            mounts::attach(mount.as_fd(), name)?;
        }
        enter(&self.stage)
    }
}

/// Makes `root` the root of this mount namespace and unmounts the old one.
pub(super) fn enter(root: impl AsFd) -> io::Result<()> {
    fchdir(root)?;
    // With the same directory twice the old root ends up on top of the new one, from where it is taken away: no
    // directory for it is needed. Source: pivot_root(2).
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    Ok(rustix::process::chdir("/")?)
}

fn host(name: &str) -> PathBuf {
    Path::new("/").join(name)
}

/// Links to what is in [`MULTIARCH`] and to what the host has in [`LIBRARIES`], which is the loader.
fn link_libraries(directory: &Path) -> io::Result<()> {
    for source in [LIBRARIES, MULTIARCH] {
        for entry in fs::read_dir(host(source))? {
            let name = entry?.file_name();
            let link = directory.join(&name);
            if name.to_string_lossy().contains(VERSIONED) && fs::symlink_metadata(&link).is_err() {
                symlink(host(MULTIARCH).join(&name), link)?;
            }
        }
    }
    Ok(())
}

fn is_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

/// Gives a tree of this file system to [`OWNER`].
fn chown_all(path: &Path) -> io::Result<()> {
    lchown(path, Some(OWNER), Some(OWNER))?;
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            let path = entry?.path();
            if fs::symlink_metadata(&path)?.dev() == metadata.dev() {
                chown_all(&path)?;
            }
        }
    }
    Ok(())
}
