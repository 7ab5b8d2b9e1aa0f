//! Has each Java that functions use make an archive of classes, once in the server's life and when nobody wants anything: in a
//! slot of its own, behind the walls of every other, where no function ever is.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};
use std::time::Duration;

use hearth_types::Mebibytes;
use hearth_types::limits::EPHEMERAL_STORAGE_MIN;
use parking_lot::Mutex;
use tokio::time::timeout;

use super::Slots;
use super::control::Runtime as Process;
use super::launch::launch;
use super::pool::SlotPool;
use super::slot::{Aborted, PreparedSlot, Wanted};
use crate::environment::{ExitCause, SandboxError};
use crate::protocol::Launch;
use crate::runtimes::class_archive::Archive;
use crate::runtimes::prestart::PREPARED;
use crate::runtimes::{Language, Root, Runtime};
use crate::variables::{self, MEMORY_SIZE};

/// Of the slot. Its share of a processor goes by it, so that making an archive leaves most of one to those who wait.
const MEMORY: Mebibytes = Mebibytes(1_024);
/// How long a Java may rehearse; a second or two are usual.
const REHEARSAL_WAIT_MAX: Duration = Duration::from_secs(60);
/// The function it rehearses with.
const SAMPLE: (&str, &str) = ("_HANDLER", "hearth.Preparation$Sample");
/// Bytes of what it says that are looked at.
const SAID_BYTES_MAX: usize = 1_024;

/// Dropped, it makes no more of them.
#[derive(Default)]
pub(super) struct Archivist {
    /// By root, tried once each.
    makers: Mutex<BTreeMap<Root, Aborted>>,
    /// One at a time.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Archivist {
    /// Functions will need this runtime.
    pub(super) fn expect(&self, runtime: &'static Runtime, slots: &Arc<Slots>, pool: &Arc<SlotPool>) {
        let Some(language) = runtime.root.language().filter(|_| runtime.has_class_archive()) else { return };
        let made = made(runtime, language, Arc::downgrade(slots), Arc::downgrade(pool), Arc::clone(&self.turn));
        self.makers.lock().entry(runtime.root).or_insert_with(|| Aborted(tokio::spawn(made)));
    }

    pub(super) fn has_tried(&self, root: Root) -> bool {
        self.makers.lock().get(&root).is_some_and(|Aborted(maker)| maker.is_finished())
    }

    pub(super) fn close(&self) {
        self.makers.lock().clear();
    }
}

async fn made(
    runtime: &'static Runtime,
    language: Language,
    slots: Weak<Slots>,
    pool: Weak<SlotPool>,
    turn: Arc<tokio::sync::Mutex<()>>,
) {
    let _turn = turn.lock().await;
    let (Some(slots), Some(pool)) = (slots.upgrade(), pool.upgrade()) else { return };
    pool.quiet().await;
    match make(&slots, runtime).await {
        Ok(()) => {
            slots.class_archives.write().insert(runtime.root);
            pool.renew(|kind| kind.root == runtime.root && kind.started.is_some());
            tracing::debug!(%language, "starts from an archive of classes from now on");
        }
        Err(SandboxError::ShutDown | SandboxError::Gone) => {}
        Err(error) => {
            tracing::warn!(%language, %error, "no archive of classes; functions start some milliseconds later")
        }
    }
}

async fn make(slots: &Slots, runtime: &Runtime) -> Result<(), SandboxError> {
    let (memory, ephemeral_storage) = (Some(MEMORY), EPHEMERAL_STORAGE_MIN);
    let wanted = Wanted { root: runtime.root, image: None, memory, ephemeral_storage, for_copy: false };
    let slot = slots.prepare(wanted).await?;
    slot.cgroup.set_cpu(MEMORY).map_err(|error| SandboxError::Create(error.to_string()))?;
    // What it says of classes that cannot be archived is of no interest.
    rehearse(&slot, command(slots, runtime, Archive::Write)).await?;
    slots.spawner.keep_class_archive(slot.id.0).await?;
    match rehearse(&slot, command(slots, runtime, Archive::Try)).await?.as_str() {
        "" => Ok(()),
        // Functions would be heard to say it.
        said => Err(SandboxError::Create(format!("it says: {said}"))),
    }
}

fn command(slots: &Slots, runtime: &Runtime, archive: Archive) -> Launch {
    let mut variables = variables::prepared(runtime, slots.host(runtime.root));
    variables.remove(PREPARED);
    let own = [SAMPLE, (MEMORY_SIZE, &MEMORY.to_string())];
    variables.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let mut launch = launch(runtime, (None, None), false, variables);
    archive.tell(&mut launch.arguments);
    Launch { when_furnished: false, ..launch }
}

/// Runs a Java to its end; what it has said.
async fn rehearse(slot: &PreparedSlot, command: Launch) -> Result<String, SandboxError> {
    slot.control.start(command).await?;
    let ended = timeout(REHEARSAL_WAIT_MAX, slot.control.ended()).await;
    let said = said(&slot.output).map_err(|error| SandboxError::Create(error.to_string()))?;
    match ended {
        Ok(Process::Exited(ExitCause::Exited(0))) => Ok(said),
        Ok(end) => Err(SandboxError::Create(format!("its rehearsal ended: {end:?} {said}"))),
        Err(_) => Err(SandboxError::Create(format!("its rehearsal does not end: {said}"))),
    }
}

/// What is in the pipe; the end of it, if that is much.
fn said(pipe: &OwnedFd) -> std::io::Result<String> {
    rustix::io::ioctl_fionbio(pipe, true)?;
    let (mut said, mut part) = (Vec::new(), [0; SAID_BYTES_MAX]);
    loop {
        match rustix::io::read(pipe, &mut part) {
            Ok(0) | Err(rustix::io::Errno::AGAIN) => return Ok(String::from_utf8_lossy(&said).into_owned()),
            Ok(count) => {
                said.extend_from_slice(&part[..count]);
                said.drain(..said.len().saturating_sub(SAID_BYTES_MAX));
            }
            Err(error) => return Err(error.into()),
        }
    }
}
