//! The server's end of the spawner's socket: requests out, replies sorted to whoever waits for them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hearth_types::Mebibytes;
use parking_lot::Mutex;
use rustix::net::Shutdown;
use tokio::sync::{SetOnce, oneshot, watch};
use tokio::time::{sleep, timeout};

use super::ProcessError;
use super::channel::Channel;
use crate::cgroup::{CgroupHandle, CgroupRoot, Knob};
use crate::environment::SandboxError;
use crate::mutation;
use crate::protocol::{Boot, FurnishSlot, PrepareSlot, Reply, Request, SPAWNER_MESSAGE_BYTES_MAX};
use crate::runtimes::{Interpreter, Language, Root, Search, Watch};
use crate::spawner::PROGRAM_NAME;
use hearth_network::seqpacket::{self, Received};

/// How long the spawner may take to end everything; a second is much.
const SHUTDOWN_WAIT_MAX: Duration = Duration::from_secs(10);
/// Pause between two looks whether it has ended.
const SHUTDOWN_LOOK: Duration = Duration::from_millis(2);

/// What the spawner is started with.
pub struct SpawnerConfig {
    /// Names the parent control group. Two servers on one machine must not have the same: each ends what it finds there.
    pub instance: String,
    /// The directory of the [`TreeStore`](crate::package::TreeStore). Whoever owns it owns what is in it.
    pub trees: PathBuf,
    /// A directory on the disk that holds what functions write to `/tmp`.
    pub storage: PathBuf,
    /// What each sandbox may write there a second; 0: as much as it can.
    pub write_per_second: Mebibytes,
    /// What all sandboxes together may hold; the kernel ends what goes beyond.
    pub memory: Mebibytes,
    /// Slots get a device that leads out, for [`ProcessConfig::network`](super::ProcessConfig::network).
    pub network: bool,
    /// How many slots are begun ahead of need, at most; after a crowd. 0: none ever.
    pub stock_max: usize,
    /// Where interpreters are looked for.
    pub search: Search,
    /// The program to start as the spawner; this one when `None`, which then must call
    /// [`crate::helper_main_if_requested`] first in its `main`.
    pub program: Option<PathBuf>,
}

/// A spawner that gets itself ready. Dropped, it ends.
pub struct SpawnerProcess {
    child: Child,
    socket: OwnedFd,
    /// Roots whose interpreter needs `LD_LIBRARY_PATH`.
    pub(super) library_path: BTreeSet<Root>,
    /// Whose disk holds what functions write.
    pub(super) storage: PathBuf,
    /// Which build each is.
    pub(super) interpreters: BTreeMap<Root, String>,
    /// Notices others.
    pub(super) watch: Watch,
}

pub(super) struct SpawnerClient {
    socket: Channel,
    slots: Mutex<Slots>,
    child: Mutex<Option<Child>>,
    /// The spawner ended and nobody had asked it to.
    lost: SetOnce<()>,
}

#[derive(Default)]
struct Slots {
    /// The spawner has ended or is to end; nothing will be answered any more.
    closed: bool,
    waiting: HashMap<u64, Waiting>,
    /// Roots that are asked for.
    roots: HashMap<Language, oneshot::Sender<Result<Interpreter, SandboxError>>>,
}

/// The files of a new slot's control group by what they are, and all descriptors that came along.
type Prepared = (Vec<Knob>, Vec<OwnedFd>);

/// A slot from its request to its end.
struct Waiting {
    prepared: Option<oneshot::Sender<Result<Prepared, SandboxError>>>,
    furnished: Option<oneshot::Sender<Result<(), SandboxError>>>,
    copied: Option<oneshot::Sender<Result<Option<i32>, SandboxError>>>,
    kept: Option<oneshot::Sender<Result<(), SandboxError>>>,
    /// Becomes true.
    ended: watch::Sender<bool>,
}

impl Slots {
    fn root_made(&mut self, language: Language, result: Result<Interpreter, SandboxError>) {
        if let Some(made) = self.roots.remove(&language) {
            let _ = made.send(result);
        }
    }

    fn copied(&mut self, slot: u64, result: Result<Option<i32>, SandboxError>) {
        if let Some(copied) = self.waiting.get_mut(&slot).and_then(|waiting| waiting.copied.take()) {
            let _ = copied.send(result);
        }
    }

    fn kept(&mut self, slot: u64, result: Result<(), SandboxError>) {
        if let Some(kept) = self.waiting.get_mut(&slot).and_then(|waiting| waiting.kept.take()) {
            let _ = kept.send(result);
        }
    }

    fn furnished(&mut self, slot: u64, result: Result<(), SandboxError>) {
        if let Some(furnished) = self.waiting.get_mut(&slot).and_then(|waiting| waiting.furnished.take()) {
            // Who stopped waiting drops the slot, which ends it.
            let _ = furnished.send(result);
        }
    }
}

/// A slot the spawner has started. It ends by itself when `control` is closed.
pub(super) struct NewSlot {
    pub(super) control: OwnedFd,
    pub(super) output: OwnedFd,
    pub(super) records: OwnedFd,
    pub(super) cgroup: CgroupHandle,
    /// Turns true when nothing of the slot is left.
    pub(super) ended: watch::Receiver<bool>,
}

/// The spawner makes a slot a function's.
pub(super) struct Furnishing(oneshot::Receiver<Result<(), SandboxError>>);

impl Furnishing {
    /// Resolves when it has. After an error the slot is of no use and must be ended.
    pub(super) async fn done(self) -> Result<(), SandboxError> {
        self.0.await.map_err(|_| SandboxError::Gone)?
    }
}

/// Takes back what was noted for a request that never left.
struct Unsent<'a> {
    client: &'a SpawnerClient,
    slot: u64,
}

impl Drop for Unsent<'_> {
    fn drop(&mut self) {
        self.client.slots.lock().waiting.remove(&self.slot);
    }
}

impl SpawnerProcess {
    /// Looks for interpreters and starts the spawner, which then gets itself ready. Needs privileges, and no runtime:
    /// what comes after it can do without both.
    ///
    /// # Errors
    /// [`ProcessError`].
    pub fn start(config: SpawnerConfig) -> Result<Self, ProcessError> {
        super::check_privileges()?;
        CgroupRoot::check_name(&config.instance)?;
        let mut search = config.search;
        search.installed =
            search.installed.filter(|directory| directory.is_dir()).map(std::fs::canonicalize).transpose()?;
        let watch = Watch::new(search.clone());
        let interpreters = search.interpreters();
        let library_path = interpreters
            .iter()
            .filter(|(_, interpreter)| interpreter.needs_library_path())
            .map(|(root, _)| *root)
            .collect();
        let builds = interpreters.iter().map(|(root, interpreter)| (*root, interpreter.build(*root))).collect();
        let trees = std::fs::canonicalize(config.trees)?;
        let storage = std::fs::canonicalize(config.storage)?;
        let SpawnerConfig { instance, memory, network, stock_max, .. } = config;
        let boot = Boot {
            instance,
            trees,
            storage: storage.clone(),
            write_bytes_per_second: config.write_per_second.bytes(),
            memory,
            network,
            stock_max,
            interpreters,
            search,
        };
        let (ours, theirs) = seqpacket::pair()?;
        let child = Command::new(config.program.unwrap_or_else(|| PathBuf::from("/proc/self/exe")))
            .arg0(PROGRAM_NAME)
            // Its memory becomes hearth-init's: nothing of our environment belongs there.
            .env_clear()
            .envs(mutation::environment())
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .spawn()?;
        seqpacket::send(ours.as_fd(), &boot, &[])?;
        Ok(Self { child, socket: ours, library_path, storage, interpreters: builds, watch })
    }
}

fn silent(error: &io::Error) -> SandboxError {
    SandboxError::Create(format!("the spawner does not answer: {error}"))
}

impl SpawnerClient {
    /// Waits for the spawner's first word.
    pub(super) async fn connect(
        SpawnerProcess { child, socket, .. }: SpawnerProcess,
    ) -> Result<(Arc<Self>, Vec<Root>, CgroupHandle), ProcessError> {
        let client = Arc::new(Self {
            socket: Channel::new(socket)?,
            slots: Mutex::default(),
            child: Mutex::new(Some(child)),
            lost: SetOnce::new(),
        });
        let (roots, cgroup) = match client.receive().await? {
            Some(Received { message: Reply::Ready { roots, knobs }, descriptors }) => {
                (roots, CgroupHandle::new(knobs.into_iter().zip(descriptors)))
            }
            Some(Received { message: Reply::BootFailed { message }, .. }) => return Err(ProcessError::Boot(message)),
            other => return Err(ProcessError::Boot(format!("it ended or said something else than Ready: {other:?}"))),
        };
        tokio::spawn(Arc::clone(&client).read());
        Ok((client, roots, cgroup))
    }

    async fn receive(&self) -> io::Result<Option<Received<Reply>>> {
        let mut buffer = [0; SPAWNER_MESSAGE_BYTES_MAX];
        self.socket.receive(&mut buffer).await
    }

    /// Sorts replies until there are no more.
    async fn read(self: Arc<Self>) {
        loop {
            match self.receive().await {
                Ok(Some(received)) => self.sort(received),
                Ok(None) => break,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    tracing::error!(%error, "the spawner said something that cannot be understood");
                }
                Err(error) => {
                    tracing::error!(%error, "the spawner cannot be heard any more");
                    break;
                }
            }
        }
        let mut slots = self.slots.lock();
        if !std::mem::replace(&mut slots.closed, true) {
            tracing::error!("the spawner has ended, and with it every execution environment");
            let _ = self.lost.set(());
        }
        slots.roots.clear();
        for (_, waiting) in slots.waiting.drain() {
            waiting.ended.send_replace(true);
        }
    }

    fn sort(&self, Received { message, descriptors }: Received<Reply>) {
        let mut slots = self.slots.lock();
        match message {
            Reply::Prepared { slot, knobs } => {
                if let Some(prepared) = slots.waiting.get_mut(&slot).and_then(|waiting| waiting.prepared.take()) {
                    // When nobody waits any more the descriptors are closed, and the slot ends.
                    let _ = prepared.send(Ok((knobs, descriptors)));
                }
            }
            Reply::NotPrepared { slot, message } => {
                if let Some(Waiting { prepared: Some(prepared), .. }) = slots.waiting.remove(&slot) {
                    let _ = prepared.send(Err(SandboxError::Create(message)));
                }
            }
            Reply::Furnished { slot } => slots.furnished(slot, Ok(())),
            Reply::NotFurnished { slot, message } => slots.furnished(slot, Err(SandboxError::Create(message))),
            Reply::Copied { slot, process } => slots.copied(slot, Ok(process)),
            Reply::NotCopied { slot, message } => slots.copied(slot, Err(SandboxError::Create(message))),
            Reply::ClassArchiveKept { slot } => slots.kept(slot, Ok(())),
            Reply::ClassArchiveNotKept { slot, message } => slots.kept(slot, Err(SandboxError::Create(message))),
            Reply::RootAdded { language, interpreter } => slots.root_made(language, Ok(interpreter)),
            Reply::RootNotAdded { language, message } => slots.root_made(language, Err(SandboxError::Create(message))),
            Reply::Ended { slot } => {
                if let Some(waiting) = slots.waiting.remove(&slot) {
                    waiting.ended.send_replace(true);
                }
            }
            Reply::Trouble { message } => tracing::warn!(message, "spawner"),
            Reply::Ready { .. } | Reply::BootFailed { .. } => tracing::error!("the spawner started twice"),
        }
    }

    async fn send(&self, request: &Request) -> io::Result<()> {
        self.socket.send(request).await
    }

    pub(super) async fn prepare(&self, request: PrepareSlot) -> Result<NewSlot, SandboxError> {
        let slot = request.slot;
        let (prepared, answer) = oneshot::channel();
        let (ended, end) = watch::channel(false);
        {
            let mut slots = self.slots.lock();
            if slots.closed {
                return Err(SandboxError::ShutDown);
            }
            let waiting = Waiting { prepared: Some(prepared), furnished: None, copied: None, kept: None, ended };
            slots.waiting.insert(slot, waiting);
        }
        let unsent = Unsent { client: self, slot };
        self.send(&Request::Prepare(request)).await.map_err(|error| silent(&error))?;
        std::mem::forget(unsent);
        let (knobs, descriptors) = answer.await.map_err(|_| SandboxError::ShutDown)??;
        let mut descriptors = descriptors.into_iter();
        let mut next = || descriptors.next().ok_or_else(|| SandboxError::Create("a descriptor is missing".to_owned()));
        let (control, output, records) = (next()?, next()?, next()?);
        let cgroup = CgroupHandle::new(knobs.into_iter().zip(descriptors));
        Ok(NewSlot { control, output, records, cgroup, ended: end })
    }

    /// Returns once it is asked for. After an error the slot is of no use and must be ended.
    pub(super) async fn furnish(&self, request: FurnishSlot) -> Result<Furnishing, SandboxError> {
        let (furnished, answer) = oneshot::channel();
        match self.slots.lock().waiting.get_mut(&request.slot) {
            Some(waiting) => waiting.furnished = Some(furnished),
            None => return Err(SandboxError::Gone),
        }
        self.send(&Request::Furnish(request)).await.map_err(|error| silent(&error))?;
        Ok(Furnishing(answer))
    }

    /// Puts a copy of a waiting runtime into a prepared slot; its number there, or `None` when there is nothing to copy
    /// yet. After an error the slot is of no use and must be ended.
    pub(super) async fn copy(&self, slot: u64) -> Result<Option<i32>, SandboxError> {
        let (copied, answer) = oneshot::channel();
        match self.slots.lock().waiting.get_mut(&slot) {
            Some(waiting) => waiting.copied = Some(copied),
            None => return Err(SandboxError::Gone),
        }
        self.send(&Request::Copy { slot }).await.map_err(|error| silent(&error))?;
        answer.await.map_err(|_| SandboxError::Gone)?
    }

    /// Has the archive of classes kept that a Java has written in the slot, which is no function's.
    pub(super) async fn keep_class_archive(&self, slot: u64) -> Result<(), SandboxError> {
        let (kept, answer) = oneshot::channel();
        match self.slots.lock().waiting.get_mut(&slot) {
            Some(waiting) => waiting.kept = Some(kept),
            None => return Err(SandboxError::Gone),
        }
        self.send(&Request::KeepClassArchive { slot }).await.map_err(|error| silent(&error))?;
        answer.await.map_err(|_| SandboxError::Gone)?
    }

    /// Makes a root of an interpreter that has come since the start. One is asked for at a time.
    pub(super) async fn add_root(&self, language: Language) -> Result<Interpreter, SandboxError> {
        let (made, answer) = oneshot::channel();
        {
            let mut slots = self.slots.lock();
            if slots.closed {
                return Err(SandboxError::ShutDown);
            }
            slots.roots.insert(language, made);
        }
        self.send(&Request::AddRoot { language }).await.map_err(|error| silent(&error))?;
        answer.await.map_err(|_| SandboxError::ShutDown)?
    }

    /// Ends a slot that may not end by itself.
    pub(super) async fn destroy(&self, slot: u64) {
        if let Err(error) = self.send(&Request::Destroy { slot }).await {
            tracing::debug!(%error, slot, "the spawner is gone, and the slot with it");
        }
    }

    /// Resolves when the spawner has ended and nobody had asked it to.
    pub(super) async fn lost(&self) {
        self.lost.wait().await;
    }

    /// Lets the spawner end everything, and waits for it. One that does not is killed: its slots die with it, and what
    /// is left of them the next start removes.
    pub(super) async fn shutdown(&self) {
        self.slots.lock().closed = true;
        // Fails only when it is closed already.
        let _ = rustix::net::shutdown(self.socket.socket(), Shutdown::Both);
        let Some(mut child) = self.child.lock().take() else { return };
        let ended = async {
            loop {
                match child.try_wait() {
                    Ok(None) => sleep(SHUTDOWN_LOOK).await,
                    ended => return ended,
                }
            }
        };
        match timeout(SHUTDOWN_WAIT_MAX, ended).await {
            Ok(Ok(Some(status))) if status.success() => {}
            Ok(Ok(status)) => {
                tracing::error!(status = status.map(tracing::field::display), "the spawner ended in an error")
            }
            Ok(Err(error)) => tracing::error!(%error, "the spawner cannot be waited for"),
            Err(_) => {
                tracing::error!("the spawner does not end within {SHUTDOWN_WAIT_MAX:?} and is killed");
                // Fails only when it has just ended.
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}
