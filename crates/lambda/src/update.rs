//! The decisions that updating and publishing share. Pure but for ids and the time.

use hearth_types::SnapshotId;

use crate::catalog::Function;
use crate::error::LambdaError;
use crate::lambda::Lambda;
use crate::lifecycle::{Event, Phase};
use crate::name::Target;
use crate::record::{Deployment, FunctionRecord, VersionRecord};
use crate::runtime_management::RuntimeManagement;
use crate::settings::Settings;

/// May it be changed? What failed may, that is how it is mended.
///
/// # Errors
/// The function is being created or updated.
pub(crate) fn check_changeable(target: &Target, phase: Phase) -> Result<(), LambdaError> {
    match phase {
        Phase::Failed(_) | Phase::UpdateFailed(_) => Ok(()),
        other => check_ready(target, other),
    }
}

/// # Errors
/// The function is being created or updated, or that failed.
pub(crate) fn check_ready(target: &Target, phase: Phase) -> Result<(), LambdaError> {
    match phase {
        Phase::Ready => Ok(()),
        Phase::Failed(_) | Phase::UpdateFailed(_) => Err(LambdaError::NotReady { state: "Failed" }),
        Phase::Creating => Err(LambdaError::NotReady { state: phase.state() }),
        Phase::Updating => Err(LambdaError::UpdateInProgress { arn: target.arn.to_string() }),
    }
}

/// What a deployment runs on that takes the place of `former`.
///
/// # Errors
/// It is held to a build of another runtime.
pub(crate) fn runtime(
    lambda: &Lambda,
    former: &Deployment,
    settings: &Settings,
) -> Result<RuntimeManagement, LambdaError> {
    let before = &former.settings;
    let is_other = (&before.runtime, before.architecture) != (&settings.runtime, settings.architecture);
    former.runtime.updated(is_other, lambda.runtime_version(settings, former.image.is_some()))
}

/// The function with `$LATEST` changed to `deployment`; the former one serves until the new one is ready.
///
/// # Errors
/// As [`check_changeable`].
pub(crate) fn redeploy(
    lambda: &Lambda,
    target: &Target,
    record: &FunctionRecord,
    deployment: Deployment,
) -> Result<FunctionRecord, LambdaError> {
    check_changeable(target, record.phase)?;
    let serving = match record.phase {
        Phase::Failed(_) => None,
        // The last one that was ready.
        Phase::UpdateFailed(_) => record.serving.clone(),
        _ => Some(record.latest.clone()),
    };
    let phase = record.phase.next(Event::Changed);
    let phase = phase.ok_or_else(|| LambdaError::UpdateInProgress { arn: target.arn.to_string() })?;
    Ok(FunctionRecord {
        phase,
        revision_id: lambda.new_revision_id(),
        last_modified_ms: lambda.clock.now_ms(),
        serving,
        latest: deployment,
        ..record.clone()
    })
}

/// A version of `record`'s `$LATEST`: the last published one if nothing changed since (then `false`), else a new one.
pub(crate) fn publish(
    lambda: &Lambda,
    function: &Function,
    record: FunctionRecord,
    description: Option<String>,
) -> (FunctionRecord, VersionRecord, bool) {
    let last = function.published.get(&record.versions_issued).map(|version| &version.record);
    if let Some(last) = last.filter(|last| last.deployment.same_content(&record.latest)) {
        return (record, (**last).clone(), false);
    }
    let (record, version) = publish_new(lambda, record, description);
    (record, version, true)
}

/// A new version of `record`'s `$LATEST`, whose number the returned record counts.
pub(crate) fn publish_new(
    lambda: &Lambda,
    mut record: FunctionRecord,
    description: Option<String>,
) -> (FunctionRecord, VersionRecord) {
    record.versions_issued += 1;
    let version = VersionRecord {
        uid: record.uid.clone(),
        number: record.versions_issued,
        // Recorded: a version of a function that is ready is ready at once.
        phase: if record.phase == Phase::Ready { Phase::Ready } else { Phase::Creating },
        revision_id: lambda.new_revision_id(),
        last_modified_ms: record.last_modified_ms,
        description,
        deployment: Deployment { snapshot: SnapshotId::generate(&*lambda.random), ..record.latest.clone() },
    };
    (record, version)
}
