//! Provisioned concurrency: environments that are initialised ahead and kept for those who invoke a function by one
//! qualifier. The pool keeps them (`pool/kept.rs`); here is what is wanted, and the worker that brings the two together.
//!
//! A provision whose function fails in its init is not tried again until it is put anew or leads elsewhere: a function
//! that cannot start would be started for ever. What fails for want of room, or for another reason of this server's, is
//! tried again every few seconds.
//!
//! Source: Lambda developer guide, "Configuring provisioned concurrency for a function".

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hearth_ports::{FunctionVersion, InvokeError, Provision, ProvisionStatus, Provisioned};
use hearth_runtime_api::event::InitializationType;
use hearth_types::FunctionUid;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Environments, Lease, Shelf, end_all};
use crate::environment::LiveEnvironment;
use crate::gate;
use crate::pool::{Keep, KeptKey, Member, Next, Orders, Seat, Want};
use crate::rates::Rates;

/// Between two looks when nobody says that there is something to do: what is too old is replaced, what found no room is
/// tried again.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// Seen of the real service as the reason of a provision whose function fails in its init phase.
const INIT_FAILURE: &str = "FUNCTION_ERROR_INIT_FAILURE";
const SERVER_FAILURE: &str = "An internal error occurred.";

/// What is wanted, of every function that has provisioned concurrency.
#[derive(Default)]
pub(super) struct Provisions {
    wanted: Mutex<HashMap<FunctionUid, Vec<Wanted>>>,
    /// How often each qualifier's environments are asked.
    rates: Mutex<Rates<(FunctionUid, Arc<str>)>>,
    wake: Notify,
}

struct Wanted {
    provision: Provision,
    failure: Option<Failure>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Failure {
    /// The function's doing, or that of its configuration: for good.
    Function(String),
    /// For now.
    Server,
    /// For now.
    NoRoom,
}

impl Wanted {
    fn keys(&self) -> impl Iterator<Item = (KeptKey, &Arc<FunctionVersion>, u32)> {
        self.provision.parts.iter().map(|(version, count)| {
            let (snapshot, qualifier) = (version.snapshot.clone(), Arc::clone(&self.provision.qualifier));
            (KeptKey { snapshot, qualifier }, version, *count)
        })
    }

    fn count(&self) -> u32 {
        self.provision.parts.iter().map(|(_, count)| count).sum()
    }

    fn status(&self, ready: u32) -> ProvisionStatus {
        let count = self.count();
        match &self.failure {
            _ if ready >= count => ProvisionStatus::Ready,
            None => ProvisionStatus::InProgress,
            Some(Failure::Function(reason)) => ProvisionStatus::Failed(reason.clone()),
            Some(Failure::Server) => ProvisionStatus::Failed(SERVER_FAILURE.to_owned()),
            Some(Failure::NoRoom) => ProvisionStatus::Failed(format!(
                "This server has no room for {count} environments of this function; {ready} are ready."
            )),
        }
    }
}

impl Provisions {
    /// Whether the environments of this qualifier may take another synchronous request: no more a second than ten times
    /// their number. Source: Lambda developer guide, "Understanding Lambda function scaling".
    fn admit(&self, uid: &FunctionUid, qualifier: &Arc<str>, now: Duration) -> bool {
        let all = self.wanted.lock();
        let wanted = all.get(uid).and_then(|all| all.iter().find(|one| one.provision.qualifier == *qualifier));
        let Some(count) = wanted.map(Wanted::count) else { return false };
        drop(all);
        self.rates.lock().admit(&(uid.clone(), Arc::clone(qualifier)), gate::rate(count), now)
    }

    fn note(&self, key: &KeptKey, failure: Failure) {
        let mut all = self.wanted.lock();
        let wanted = all.values_mut().flatten().find(|wanted| wanted.keys().any(|(known, ..)| known == *key));
        if let Some(wanted) = wanted {
            wanted.failure = Some(failure);
        }
    }
}

impl Environments {
    /// See [`hearth_ports::EnvironmentKeeper`].
    pub(crate) fn provision(&self, uid: &FunctionUid, provisions: Vec<Provision>) {
        let mut all = self.provisions.wanted.lock();
        if provisions.is_empty() {
            all.remove(uid);
        } else {
            let wanted = provisions.into_iter().map(|provision| Wanted { provision, failure: None });
            all.insert(uid.clone(), wanted.collect());
        }
        drop(all);
        self.provisions.wake.notify_one();
    }

    /// See [`hearth_ports::EnvironmentKeeper`].
    pub(crate) fn provisioned(&self, uid: &FunctionUid, qualifier: &str) -> Option<Provisioned> {
        let all = self.provisions.wanted.lock();
        let wanted = all.get(uid)?.iter().find(|wanted| &*wanted.provision.qualifier == qualifier)?;
        let pool = self.pool.lock();
        let ready: usize = wanted.keys().map(|(key, _, count)| pool.kept_ready(&key).min(count as usize)).sum();
        let ready = u32::try_from(ready).unwrap_or(u32::MAX);
        Some(Provisioned { ready, status: wanted.status(ready) })
    }

    /// How many environments are to be kept for `qualifier`.
    pub(crate) fn provisioned_count(&self, uid: &FunctionUid, qualifier: &str) -> u32 {
        let all = self.provisions.wanted.lock();
        let wanted = all.get(uid).and_then(|all| all.iter().find(|one| &*one.provision.qualifier == qualifier));
        wanted.map_or(0, Wanted::count)
    }

    /// One of the environments kept for `qualifier`, if one is idle and they have not been asked too often.
    /// `requested_at`: of a synchronous request, as for [`Gate::enter`](crate::gate::Gate::enter).
    pub(crate) async fn lease_provisioned(
        self: &Arc<Self>,
        version: &Arc<FunctionVersion>,
        qualifier: Arc<str>,
        requested_at: Option<Duration>,
    ) -> Option<Lease> {
        if requested_at.is_some_and(|now| !self.provisions.admit(&version.uid, &qualifier, now)) {
            return None;
        }
        let key = KeptKey { snapshot: version.snapshot.clone(), qualifier };
        let mut too_old = Vec::new();
        let member = self.pool.lock().take_kept(&key, self.now_ms(), &mut too_old);
        if !too_old.is_empty() {
            self.provisions.wake.notify_one();
            end_all(too_old).await;
        }
        member.map(|member| self.lend(Shelf::Provisioned(key), member))
    }

    pub(super) fn give_back_provisioned(&self, key: &KeptKey, mut member: Member<LiveEnvironment>) {
        if member.environment.freezes_at_once() {
            member.environment.freeze();
        }
        let next = self.pool.lock().give_back_kept(key, member, self.now_ms());
        self.put_away(next);
    }

    pub(super) fn lost_provisioned(&self, key: &KeptKey, seat: Seat) {
        self.pool.lock().lost_kept(key, seat);
        self.provisions.wake.notify_one();
    }

    /// Nobody waits for what is kept: who finds none idle has spilled over.
    fn put_away<W>(&self, next: Next<LiveEnvironment, W>) {
        if let Next::End(environment) = next {
            drop(environment);
            self.provisions.wake.notify_one();
        }
    }

    /// Starts what is missing and ends what is too much, until stopped.
    pub(crate) async fn keep_ready(self: &Arc<Self>, stop: &CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.provisions.wake.notified() => {}
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
            }
            self.keep_what_is_wanted().await;
        }
    }

    async fn keep_what_is_wanted(self: &Arc<Self>) {
        let mut versions = HashMap::new();
        let all: HashMap<KeptKey, Keep> = {
            let wanted = self.provisions.wanted.lock();
            let keys = wanted.values().flatten().flat_map(|wanted| {
                let starts = !matches!(wanted.failure, Some(Failure::Function(_)));
                wanted.keys().map(move |(key, version, count)| (key, version, count, starts))
            });
            keys.map(|(key, version, count, starts)| {
                versions.insert(key.clone(), Arc::clone(version));
                (key, Keep { want: Want::of(version), count: count as usize, starts })
            })
            .collect()
        };
        let Orders { start, short, end } = self.pool.lock().keep(&all, self.now_ms());
        end_all(end).await;
        for key in short {
            tracing::warn!(function = %versions[&key].name, qualifier = %key.qualifier, "no room for what is provisioned");
            self.provisions.note(&key, Failure::NoRoom);
        }
        for (key, evicted) in start {
            let version = Arc::clone(&versions[&key]);
            self.start_provisioned(key, version, evicted);
        }
    }

    fn start_provisioned(self: &Arc<Self>, key: KeptKey, version: Arc<FunctionVersion>, evicted: Vec<LiveEnvironment>) {
        let environments = Arc::clone(self);
        self.starting.spawn(async move {
            end_all(evicted).await;
            let started = environments.workshop.start(version, InitializationType::ProvisionedConcurrency).await;
            let failure = match started {
                Ok(mut environment) if environment.is_initialised() => {
                    if environment.freezes_at_once() {
                        environment.freeze();
                    }
                    let next = environments.pool.lock().kept_started(&key, environment, environments.now_ms());
                    environments.put_away(next);
                    return;
                }
                Ok(_) => Failure::Function(INIT_FAILURE.to_owned()),
                Err(InvokeError::AccessDenied { message } | InvokeError::InvalidRuntime { message }) => {
                    Failure::Function(message)
                }
                Err(error) => {
                    if !environments.workshop.stop.is_cancelled() {
                        tracing::error!(%error, qualifier = %key.qualifier, "a provisioned environment did not start");
                    }
                    Failure::Server
                }
            };
            environments.provisions.note(&key, failure);
            environments.pool.lock().kept_failed(&key);
        });
    }
}
