//! `/tmp` of sandboxes: an ext4 file system of its own for each, in an image without a name on the disk. So it has the
//! size that was asked for, fills up with ENOSPC, and is no function memory. Source of the sizes: Lambda developer
//! guide, "Configure ephemeral storage for Lambda functions".
//!
//! An image has no name and its loop device clears itself, so an image ends with the last mount of it, however that
//! comes: nothing has to be tidied up, also after a crash.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use hearth_types::Mebibytes;
use nix::sched::{CloneFlags, setns};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, SeekFrom, fchmod, mknodat, openat, seek, unlinkat};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;
use rustix::process::{WaitOptions, waitpid};

use super::identity::OWNER;
use super::mounts;
use crate::cgroup::Device;
use crate::mutation::{self, Control};
use crate::sys;

/// Where distributions keep the program that makes a file system.
const MKFS: &[&CStr] = &[c"/usr/sbin/mkfs.ext4", c"/sbin/mkfs.ext4", c"/usr/bin/mkfs.ext4"];
/// The file system's own needs, so that a function can write as much as it was promised: 1/32 and this.
const OVERHEAD: Mebibytes = Mebibytes(16);
/// Sizes whose empty file system is remembered; each is some 200 KiB.
const TEMPLATES_MAX: usize = 32;
/// Tries to get a loop device that somebody else takes in the same moment.
const LOOP_TRIES_MAX: usize = 64;
/// Source: kernel documentation, admin-guide/devices.txt.
const LOOP_MAJOR: u32 = 7;
/// Read at once when a new file system is remembered.
const EXTENT_BYTES_MAX: usize = 1 << 20;
/// What the empty file system's root allows, as Lambda's does.
const MODE: Mode = Mode::from_raw_mode(0o1777);

const ATTRIBUTES: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV);

/// What of an image is not zero: where, and what.
#[derive(Debug)]
struct Template {
    bytes: u64,
    extents: Vec<(u64, Vec<u8>)>,
}

pub(super) struct Storage {
    /// Where images are made.
    directory: OwnedFd,
    loop_control: OwnedFd,
    /// The host's mount namespace, where the program is that makes file systems.
    host: OwnedFd,
    program: &'static CStr,
    templates: BTreeMap<Mebibytes, Template>,
}

impl Storage {
    /// Opens what is needed while the host's file system is in sight.
    pub(super) fn open(directory: &Path, host: OwnedFd) -> io::Result<Self> {
        let missing = || io::Error::other("mkfs.ext4 is not installed; the package is called e2fsprogs");
        let program = MKFS.iter().find(|path| fs::exists(path.to_string_lossy().as_ref()).unwrap_or(false));
        let loop_control = File::options().read(true).write(true).open("/dev/loop-control")?;
        Ok(Self {
            directory: mounts::directory(directory)?,
            loop_control: loop_control.into(),
            host,
            program: program.ok_or_else(missing)?,
            templates: BTreeMap::new(),
        })
    }

    /// What is needed for [`mount`](Self::mount) alone.
    pub(super) fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.directory.as_fd(), self.loop_control.as_fd()]
    }

    /// Makes the empty file system of a size, unless it is remembered.
    pub(super) fn learn(&mut self, size: Mebibytes) -> io::Result<()> {
        if self.templates.contains_key(&size) {
            return Ok(());
        }
        if self.templates.len() >= TEMPLATES_MAX {
            self.templates.pop_last();
        }
        let template = self.template(size)?;
        self.templates.insert(size, template);
        Ok(())
    }

    fn template(&self, size: Mebibytes) -> io::Result<Template> {
        let times = if mutation::is_off(Control::StorageLimit) { 2 } else { 1 };
        let bytes = times * size.bytes() + size.bytes() / 32 + OVERHEAD.bytes();
        let image = self.image(bytes)?;
        self.make_file_system(&image)?;
        {
            let mount = mount_device(&self.attach(image.as_fd())?)?;
            let root = openat(&mount, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
            unlinkat(&root, "lost+found", AtFlags::REMOVEDIR)?;
            fchmod(&root, MODE)?;
        }
        Ok(Template { bytes, extents: extents(&image)? })
    }

    /// A `/tmp` of a [learnt](Self::learn) size, mounted nowhere yet. When nobody waits for it, it bypasses the host's page
    /// cache: a function that fills its disk then waits for it, and not all others for the threads that write caches back.
    pub(super) fn mount(&self, size: Mebibytes, is_ahead: bool) -> io::Result<OwnedFd> {
        let template = self.templates.get(&size).ok_or_else(|| io::Error::other("the size was not prepared"))?;
        let image = self.image(template.bytes)?;
        // Lent while it is empty: the kernel waits until the disk has what an image holds by then.
        let device = self.attach(image.as_fd())?;
        for (offset, bytes) in &template.extents {
            image.write_all_at(bytes, *offset)?;
        }
        let mount = mount_device(&device)?;
        if is_ahead {
            // Fails only where the image's file system cannot; it takes a write to the disk.
            let _ = sys::bypass_page_cache(device.open.as_fd());
        }
        Ok(mount)
    }

    fn image(&self, bytes: u64) -> io::Result<File> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let image = File::from(openat(&self.directory, ".", flags, Mode::RUSR | Mode::WUSR)?);
        image.set_len(bytes)?;
        Ok(image)
    }

    /// Lends an image to a free loop device, which gives it back by itself.
    fn attach(&self, image: BorrowedFd<'_>) -> io::Result<LoopDevice> {
        for _ in 0..LOOP_TRIES_MAX {
            let number = sys::free_loop_device(self.loop_control.as_fd())?;
            let path = device_path(number);
            match mknodat(CWD, &path, FileType::BlockDevice, Mode::RUSR | Mode::WUSR, device_id(number)?) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            let device = File::options().read(true).write(true).open(&path)?;
            match sys::configure_loop_device(device.as_fd(), image) {
                Ok(()) => return Ok(LoopDevice { number, open: device }),
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("no loop device stays free"))
    }

    /// Runs the host's program on an image.
    fn make_file_system(&self, image: &File) -> io::Result<()> {
        let owner = CString::new(format!("lazy_itable_init=1,nodiscard,root_owner={OWNER}:{OWNER}"))?;
        let arguments = [
            self.program,
            c"-q",
            c"-F",
            c"-m",
            c"0",
            c"-O",
            c"^has_journal,^resize_inode",
            c"-E",
            owner.as_c_str(),
            c"/proc/self/fd/0",
        ];
        let child = sys::fork_into(0, None, || -> Infallible {
            let ready = setns(&self.host, CloneFlags::CLONE_NEWNS).and_then(|()| nix::unistd::dup2_stdin(image));
            if ready.is_ok() {
                let _ = nix::unistd::execve(self.program, &arguments, &[c"PATH=/usr/sbin:/usr/bin:/sbin:/bin"]);
            }
            sys::exit_now(1)
        })?;
        let status = rustix::io::retry_on_intr(|| waitpid(Some(child.pid), WaitOptions::empty()))?;
        match status.and_then(|(_, status)| status.exit_status()) {
            Some(0) => Ok(()),
            status => Err(io::Error::other(format!("mkfs.ext4 failed: {status:?}"))),
        }
    }
}

struct LoopDevice {
    number: u32,
    /// The device clears itself when nobody has it open any more: not before it is mounted.
    open: File,
}

/// Mounts the file system of a device by the device's path.
fn mount_device(device: &LoopDevice) -> io::Result<OwnedFd> {
    let path = device_path(device.number);
    // What a crash would lose nobody would look for, and nothing is so large that a thread should read ahead.
    let options =
        [("source", path.as_str()), ("nobarrier", ""), ("noinit_itable", ""), ("no_prefetch_block_bitmaps", "")];
    mounts::new("ext4", &options, ATTRIBUTES)
}

/// In the spawner's own root directory.
fn device_path(number: u32) -> String {
    format!("/loop{number}")
}

/// Opens the loop device of a number; `None` where it is none: a `/tmp` that is memory.
pub(super) fn opened(device: Device) -> io::Result<Option<File>> {
    if device.major != LOOP_MAJOR {
        return Ok(None);
    }
    let link = fs::read_link(format!("/sys/dev/block/{device}"))?;
    let name = link.file_name().ok_or_else(|| io::Error::other("a device without a name"))?;
    File::open(Path::new("/").join(name)).map(Some)
}

/// What sysfs says: the minor is not the number where loop devices have partitions.
fn device_id(number: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/sys/block/loop{number}/dev"))?;
    let (major, minor) = text.trim().split_once(':').ok_or_else(|| io::Error::other("a device number"))?;
    let parse = |number: &str| number.parse::<u32>().map_err(io::Error::other);
    Ok(rustix::fs::makedev(parse(major)?, parse(minor)?))
}

fn extents(image: &File) -> io::Result<Vec<(u64, Vec<u8>)>> {
    let mut extents = Vec::new();
    let mut at = 0;
    loop {
        let start = match seek(image, SeekFrom::Data(at)) {
            Ok(start) => start,
            Err(Errno::NXIO) => return Ok(extents),
            Err(error) => return Err(error.into()),
        };
        let end = seek(image, SeekFrom::Hole(start))?;
        at = start;
        while at < end {
            let length = usize::try_from(end - at).unwrap_or(EXTENT_BYTES_MAX).min(EXTENT_BYTES_MAX);
            let mut bytes = vec![0; length];
            image.read_exact_at(&mut bytes, at)?;
            at += length as u64;
            if bytes.iter().any(|byte| *byte != 0) {
                extents.push((at - length as u64, bytes));
            }
        }
    }
}
