//! The background work of the control plane: functions become ready, packages nobody names are deleted. A function from
//! an image waits until its image is there (`pulls.rs`), and nothing else waits with it.
//!
//! What is to do is a set, so it is bounded by the number of functions and nothing is done twice. What fails is tried
//! again after a pause; what a crash interrupts is found in the catalogue at the next start. Cancelled with the
//! [`Lambda`] it works for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use hearth_ports::CodeDigest;
use hearth_types::{RequestContext, RequestId, Scope, Version};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::error::LambdaError;
use crate::functions::{Change, CommitError};
use crate::lambda::{Lambda, new_revision_id};
use crate::lifecycle::{Cause, Event, Phase};
use crate::pulls::{self, Pulls};
use crate::record::{Deployment, VersionRecord};

/// Functions provisioned at the same time; they share the store's group commit.
const PROVISIONS_MAX: usize = 64;
/// Pause after something failed.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// What is to do. Filled by operations, emptied by [`run`].
#[derive(Default)]
pub(crate) struct Agenda {
    due: Mutex<Due>,
    wake: Notify,
}

#[derive(Default)]
struct Due {
    functions: BTreeSet<(Scope, String)>,
    packages: bool,
}

impl Agenda {
    /// The function has a version that is not ready.
    pub(crate) fn provision(&self, scope: &Scope, name: &str) {
        self.due.lock().functions.insert((scope.clone(), name.to_owned()));
        self.wake.notify_one();
    }

    /// A package may have lost its last name.
    pub(crate) fn collect_packages(&self) {
        self.due.lock().packages = true;
        self.wake.notify_one();
    }

    fn take(&self) -> Due {
        std::mem::take(&mut *self.due.lock())
    }
}

/// Works until the `Lambda` is gone.
pub(crate) async fn run(lambda: Weak<Lambda>, agenda: Arc<Agenda>) {
    let mut pulls = Pulls::default();
    loop {
        tokio::select! {
            () = agenda.wake.notified() => {}
            () = pulls.ended() => continue,
        }
        let mut due = agenda.take();
        let Some(lambda) = lambda.upgrade() else { return };
        due.functions.retain(|(scope, name)| !pulls.take(&lambda, scope, name));
        if !work(&lambda, due).await {
            drop(lambda);
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }
}

/// Whether everything was done; what was not is on the agenda again.
async fn work(lambda: &Arc<Lambda>, due: Due) -> bool {
    let functions = futures_util::stream::iter(due.functions).map(|(scope, name)| async move {
        let result = provision(lambda, &scope, &name, &Images::new()).await;
        if let Err(error) = &result {
            tracing::error!(%error, function = name, "a function cannot be made ready; trying again");
            lambda.agenda.provision(&scope, &name);
        }
        result.is_ok()
    });
    let functions_done = functions.buffer_unordered(PROVISIONS_MAX).all(std::future::ready).await;
    if !due.packages {
        return functions_done;
    }
    match lambda.packages.collect(|| lambda.digests()).await {
        Ok(()) => functions_done,
        Err(error) => {
            tracing::error!(%error, "packages without a name cannot be deleted; trying again");
            lambda.agenda.collect_packages();
            false
        }
    }
}

/// What became of images: there, or why not.
pub(crate) type Images = BTreeMap<CodeDigest, Option<Cause>>;

/// Takes the function and its versions to their next phase and lets go of what they ran before. `images` are those that
/// are settled.
pub(crate) async fn provision(
    lambda: &Arc<Lambda>,
    scope: &Scope,
    name: &str,
    images: &Images,
) -> Result<(), LambdaError> {
    let event = |deployment: &Deployment| match images.get(&deployment.code.digest) {
        Some(Some(cause)) if deployment.image.is_some() => Event::ProvisionFailed(*cause),
        _ if deployment.image.is_none() && !lambda.is_ready(&deployment.settings) => {
            Event::ProvisionFailed(Cause::RuntimeNotReady)
        }
        _ => Event::Provisioned,
    };
    loop {
        let Some(function) = lambda.functions.get(scope, name) else { return Ok(()) };
        if !function.is_unfinished() {
            return Ok(());
        }
        if pulls::wanted(&function).iter().any(|image| !images.contains_key(&image.digest)) {
            // Another life of the name, or a later deployment.
            lambda.agenda.provision(scope, name);
            return Ok(());
        }
        let mut record = (*function.record).clone();
        if let Some(phase) = record.phase.next(event(&record.latest)) {
            record.phase = phase;
            record.revision_id = new_revision_id(&*lambda.random);
        }
        let former = if record.phase == Phase::Ready { record.serving.take() } else { None };
        let versions: Vec<_> = function
            .published
            .values()
            .filter_map(|version| {
                let phase = version.record.phase.next(event(&version.record.deployment))?;
                let revision_id = new_revision_id(&*lambda.random);
                Some(VersionRecord { phase, revision_id, ..(*version.record).clone() })
            })
            .collect();
        if record.phase == function.record.phase && versions.is_empty() {
            // Its runtime has still not come.
            return Ok(());
        }
        let change = Change::with_versions(record.clone(), versions);
        match lambda.functions.commit(scope, name, Some(&function), change).await {
            Ok(()) => {}
            Err(CommitError::Conflict) => continue,
            Err(CommitError::Failed(error)) => return Err(error),
        }
        if former.is_some() {
            let ctx = RequestContext::service(scope, "lambda.amazonaws.com", RequestId::generate(&*lambda.random));
            lambda.keeper.retire(&ctx, &record.uid, Version::Latest, Some(&record.latest.snapshot)).await;
            lambda.agenda.collect_packages();
        }
        return Ok(());
    }
}
