//! A slot before it is an environment: everything but a function. It came from the spawner just now, or it waited in the
//! [pool](super::pool), maybe with a runtime process that waits for its assignment.

use std::net::TcpListener;
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use hearth_network::{Attachment, NetworkClient};
use hearth_runtime_api::{RuntimeApi, Settings};
use hearth_types::Mebibytes;
use hearth_types::limits::INVOKE_RESPONSE_BYTES_MAX;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::client::{NewSlot, SpawnerClient};
use super::control::{Control, IntoSandbox};
use crate::cgroup::CgroupHandle;
use crate::environment::{EnvironmentId, SandboxError};
use crate::protocol::{ImageTree, Launch, PrepareSlot};
use crate::runtimes::Root;

/// How long a slot may take to come up; milliseconds are usual.
const SLOT_WAIT_MAX: Duration = Duration::from_secs(30);

/// Pause between two looks whether a runtime process has got ready to wait. Nobody waits for that.
const ASKED_LOOK: Duration = Duration::from_millis(2);

/// Dropped, it lets go of the slot, which then ends.
pub(super) struct PreparedSlot {
    pub(super) id: EnvironmentId,
    pub(super) api: Served,
    pub(super) control: Arc<Control>,
    pub(super) cgroup: Arc<CgroupHandle>,
    pub(super) output: OwnedFd,
    /// Where managed runtimes write their log records.
    pub(super) records: OwnedFd,
    pub(super) endpoint: TcpListener,
    pub(super) ended: watch::Receiver<bool>,
    /// A runtime process runs in it and waits for its function.
    pub(super) is_started: bool,
    /// Keeps the control's state up to date. Aborted, it lets go of the control socket, and the slot ends.
    pub(super) follower: Aborted,
    pub(super) network: Option<Attachment>,
}

/// What a slot is to be like, see [`PrepareSlot`].
pub(super) struct Wanted {
    pub(super) root: Root,
    pub(super) image: Option<ImageTree>,
    pub(super) memory: Option<Mebibytes>,
    pub(super) ephemeral_storage: Mebibytes,
    pub(super) for_copy: bool,
}

/// The APIs inside a slot, closed when this is dropped: an open listener keeps the network namespace alive.
pub(super) struct Served(RuntimeApi);

impl Deref for Served {
    type Target = RuntimeApi;

    fn deref(&self) -> &RuntimeApi {
        &self.0
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// A task that ends when this is dropped.
pub(super) struct Aborted(pub(super) JoinHandle<()>);

impl Drop for Aborted {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl PreparedSlot {
    /// A new one, when it is up.
    ///
    /// # Errors
    /// [`SandboxError`]; nothing is left behind then.
    pub(super) async fn make(
        spawner: &SpawnerClient,
        network: Option<&NetworkClient>,
        id: EnvironmentId,
        wanted: Wanted,
    ) -> Result<Self, SandboxError> {
        let late = || SandboxError::Create(format!("it did not come up within {SLOT_WAIT_MAX:?}"));
        let failed = |error: &dyn std::fmt::Display| SandboxError::Create(error.to_string());
        let Wanted { root, image, memory, ephemeral_storage, for_copy } = wanted;
        let request = PrepareSlot { slot: id.0, root, image, memory, ephemeral_storage, for_copy };
        let slot = timeout(SLOT_WAIT_MAX, spawner.prepare(request)).await.map_err(|_| late())?;
        let NewSlot { control, output, records, cgroup, ended } = slot?;
        let cgroup = Arc::new(cgroup);
        let dialer = Arc::new(IntoSandbox::default());
        let api = RuntimeApi::with(Settings {
            prepared: true,
            dialer: Arc::clone(&dialer) as _,
            ..Settings::new(INVOKE_RESPONSE_BYTES_MAX)
        });
        let control = Control::new(control, Arc::clone(&cgroup), api.clone()).map_err(|error| failed(&error))?;
        let control = Arc::new(control);
        dialer.by(&control);
        let listeners = timeout(SLOT_WAIT_MAX, control.up()).await.map_err(|_| late())??;
        let mut listeners = listeners.into_iter();
        let mut next = || listeners.next().ok_or_else(|| failed(&"a descriptor is missing"));
        let (runtime_api, endpoint) = (TcpListener::from(next()?), TcpListener::from(next()?));
        let network = match (network, next(), next(), next()) {
            (Some(network), Ok(tun), Ok(udp), Ok(tcp)) => {
                Some(network.attach(id.0, tun, udp.into(), tcp.into()).await.map_err(|error| failed(&error))?)
            }
            _ => None,
        };
        runtime_api.set_nonblocking(true).map_err(|error| failed(&error))?;
        let follower = Aborted(tokio::spawn(Arc::clone(&control).follow()));
        api.serve(tokio::net::TcpListener::from_std(runtime_api).map_err(|error| failed(&error))?);
        Ok(Self {
            id,
            api: Served(api),
            control,
            cgroup,
            output,
            records,
            endpoint,
            ended,
            is_started: false,
            follower,
            network,
        })
    }

    /// Starts a runtime process that will wait for its function.
    ///
    /// # Errors
    /// [`SandboxError`] when it does not get as far as that; the slot is of no use then.
    pub(super) async fn start(&mut self, launch: Launch) -> Result<(), SandboxError> {
        self.is_started = true;
        self.control.start(launch).await?;
        let asked = async {
            while !self.api.is_waiting() {
                sleep(ASKED_LOOK).await;
            }
        };
        tokio::select! {
            () = asked => Ok(()),
            end = self.control.ended() => Err(SandboxError::Create(format!("the waiting runtime ended: {end:?}"))),
            () = sleep(SLOT_WAIT_MAX) => Err(SandboxError::Create("the waiting runtime does not ask".to_owned())),
        }
    }

    /// Gets a copy of a runtime process that waits for its function; false when there is none to be had yet.
    ///
    /// # Errors
    /// [`SandboxError`]; the slot is of no use then.
    pub(super) async fn copy(&mut self, spawner: &SpawnerClient) -> Result<bool, SandboxError> {
        let Some(number) = spawner.copy(self.id.0).await? else { return Ok(false) };
        self.control.adopt(number).await?;
        self.is_started = true;
        Ok(true)
    }

    /// Did it end while it waited?
    pub(super) fn is_alive(&self) -> bool {
        !*self.ended.borrow() && !self.control.has_ended()
    }
}
