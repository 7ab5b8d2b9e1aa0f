//! Images on their way: functions wait here until theirs are unpacked, each in a task of its own; how many are fetched at a
//! time is the store's to say. Dropped, it stops them all; what they had begun goes at the next start.

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use hearth_ports::{ImageError, PinnedImage};
use hearth_types::{FunctionUid, Scope};
use parking_lot::Mutex;
use tokio::task::JoinSet;

use crate::catalog::Function;
use crate::image::cause;
use crate::lambda::Lambda;
use crate::lifecycle::Cause;
use crate::package::{Packages, Pin};
use crate::worker::{Images, provision};

/// A registry that does not answer is asked again so often, after such a pause.
const ATTEMPTS_MAX: u32 = 3;
const ATTEMPT_PAUSE: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Default)]
pub(crate) struct Pulls {
    tasks: JoinSet<()>,
    /// Functions that wait. A function that is deleted and made again is another.
    waiting: Arc<Mutex<HashSet<FunctionUid>>>,
}

/// The images a function waits for.
pub(crate) fn wanted(function: &Function) -> Vec<PinnedImage> {
    let latest = function.record.phase.is_unfinished().then_some(&function.record.latest);
    let versions = function.published.values().map(|version| &version.record);
    let versions = versions.filter(|version| version.phase.is_unfinished()).map(|version| &version.deployment);
    let mut images: Vec<_> = latest.into_iter().chain(versions).filter_map(|it| it.pinned_image()).collect();
    images.dedup();
    images
}

impl Pulls {
    /// Takes over a function that waits for an image; false when it does not.
    pub(crate) fn take(&mut self, lambda: &Arc<Lambda>, scope: &Scope, name: &str) -> bool {
        let Some(function) = lambda.functions.get(scope, name) else { return false };
        let images = wanted(&function);
        if images.is_empty() {
            return false;
        }
        let uid = function.uid().clone();
        if !self.waiting.lock().insert(uid.clone()) {
            return true;
        }
        let key = (scope.clone(), name.to_owned());
        let (packages, waiting) = (lambda.packages.clone(), self.waiting.clone());
        // It must not keep alive what stops it.
        let lambda = Arc::downgrade(lambda);
        self.tasks.spawn(async move {
            let (settled, _pins) = install(&packages, &images).await;
            waiting.lock().remove(&uid);
            settle(&lambda, &key, &settled).await;
        });
        true
    }

    /// Resolves when one has ended; never while there is none.
    pub(crate) async fn ended(&mut self) {
        if self.tasks.join_next().await.is_none() {
            std::future::pending().await
        }
    }
}

async fn install(packages: &Packages, images: &[PinnedImage]) -> (Images, Vec<Pin>) {
    let (mut settled, mut pins) = (Images::new(), Vec::new());
    for image in images {
        match install_one(packages, image).await {
            Ok(pin) => {
                pins.push(pin);
                settled.insert(image.digest, None);
            }
            Err(cause) => {
                settled.insert(image.digest, Some(cause));
            }
        }
    }
    (settled, pins)
}

/// Tries again while the registry does not answer.
pub(crate) async fn install_one(packages: &Packages, image: &PinnedImage) -> Result<Pin, Cause> {
    let mut attempt = 1;
    loop {
        let error = match packages.install_image(image).await {
            Ok(pin) => return Ok(pin),
            Err(error) => error,
        };
        let cause = cause(&error);
        let is_final = cause.is_some() && !matches!(error, ImageError::Unreachable { .. });
        tracing::warn!(%error, ?error, image = image.uri, attempt, "an image cannot be had");
        if is_final || attempt >= ATTEMPTS_MAX {
            return Err(cause.unwrap_or(Cause::Internal));
        }
        tokio::time::sleep(ATTEMPT_PAUSE).await;
        attempt += 1;
    }
}

async fn settle(lambda: &Weak<Lambda>, (scope, name): &(Scope, String), settled: &Images) {
    let Some(lambda) = lambda.upgrade() else { return };
    if let Err(error) = provision(&lambda, scope, name, settled).await {
        tracing::error!(%error, function = name, "a function cannot be made ready; trying again");
        lambda.agenda.provision(scope, name);
    }
    // The function may be gone, and the tree nobody's.
    lambda.agenda.collect_packages();
}
