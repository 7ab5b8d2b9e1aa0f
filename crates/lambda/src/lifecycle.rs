//! The phases a function or version goes through, as a client sees them.
//!
//! Only the table: who moves a function from phase to phase is `worker.rs`.

use serde::{Deserialize, Serialize};

/// `State` and `LastUpdateStatus` in one: no other combination of the two exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// `Pending`; not invocable.
    Creating,
    /// `Active`, `Successful`.
    Ready,
    /// `Active`, `InProgress`; the former deployment still answers invocations.
    Updating,
    /// `Failed`; not invocable.
    Failed(Cause),
    /// `Active`, `Failed`; the former deployment goes on answering invocations.
    UpdateFailed(Cause),
}

/// Why a deployment did not become ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Cause {
    ImageAccessDenied,
    ImageDeleted,
    InvalidImage,
    Unreachable,
    Internal,
    /// The machine has no interpreter for it. The one that passes by itself.
    RuntimeNotReady,
}

/// In [`Reason::text`]: the identifier of the function's runtime.
pub(crate) const RUNTIME: &str = "{runtime}";

impl Cause {
    /// Codes: Lambda API reference, `StateReasonCode`. Texts are Hearth's.
    const fn reason(self) -> Reason {
        match self {
            Self::ImageAccessDenied => {
                Reason { text: "Lambda lost permission to access the image.", code: "ImageAccessDenied" }
            }
            Self::ImageDeleted => Reason { text: "The image of the function does not exist.", code: "ImageDeleted" },
            Self::InvalidImage => Reason {
                text: "The image cannot be unpacked: it is damaged, too large, or not what its manifest says.",
                code: "InvalidImage",
            },
            Self::Unreachable => Reason { text: "The registry of the image cannot be reached.", code: "InternalError" },
            Self::Internal => Reason { text: "The image could not be kept.", code: "InternalError" },
            Self::RuntimeNotReady => Reason {
                text: "The runtime {runtime} is not ready on this machine. To get it, run: hearth runtimes install {runtime}",
                code: "InvalidRuntime",
            },
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A request changed code or configuration.
    Changed,
    /// The deployment is ready to serve.
    Provisioned,
    /// It will not become ready.
    ProvisionFailed(Cause),
}

/// Everything not listed is refused. Source: Lambda developer guide, "Lambda function states".
const fn transition(from: Phase, event: Event) -> Option<Phase> {
    Some(match (from, event) {
        (Phase::Creating, Event::Provisioned) => Phase::Ready,
        (Phase::Creating, Event::ProvisionFailed(cause)) => Phase::Failed(cause),
        (Phase::Ready, Event::Changed) => Phase::Updating,
        (Phase::Updating, Event::Provisioned) => Phase::Ready,
        (Phase::Updating, Event::ProvisionFailed(cause)) => Phase::UpdateFailed(cause),
        // Its runtime has come.
        (Phase::Failed(Cause::RuntimeNotReady) | Phase::UpdateFailed(Cause::RuntimeNotReady), Event::Provisioned) => {
            Phase::Ready
        }
        (Phase::UpdateFailed(_), Event::Changed) => Phase::Updating,
        (Phase::Failed(_), Event::Changed) => Phase::Creating,
        _ => return None,
    })
}

impl Phase {
    pub(crate) const fn next(self, event: Event) -> Option<Self> {
        transition(self, event)
    }

    /// Whether it waits for its deployment to become ready.
    pub(crate) const fn is_unfinished(self) -> bool {
        matches!(self, Self::Creating | Self::Updating) || self.waits_for_runtime()
    }

    /// Whether it failed, and yet becomes ready by itself.
    pub(crate) const fn waits_for_runtime(self) -> bool {
        matches!(self, Self::Failed(Cause::RuntimeNotReady) | Self::UpdateFailed(Cause::RuntimeNotReady))
    }

    /// Whether it can be invoked.
    pub(crate) const fn is_invocable(self) -> bool {
        !matches!(self, Self::Creating | Self::Failed(_))
    }

    pub(crate) const fn state(self) -> &'static str {
        match self {
            Self::Creating => "Pending",
            Self::Ready | Self::Updating | Self::UpdateFailed(_) => "Active",
            Self::Failed(_) => "Failed",
        }
    }

    pub(crate) const fn state_reason(self) -> Option<Reason> {
        match self {
            Self::Creating => Some(CREATING),
            Self::Failed(cause) => Some(cause.reason()),
            Self::Ready | Self::Updating | Self::UpdateFailed(_) => None,
        }
    }

    pub(crate) const fn last_update_status(self) -> Option<&'static str> {
        match self {
            Self::Creating => None,
            Self::Ready => Some("Successful"),
            Self::Updating => Some("InProgress"),
            Self::Failed(_) | Self::UpdateFailed(_) => Some("Failed"),
        }
    }

    pub(crate) const fn last_update_reason(self) -> Option<Reason> {
        match self {
            // Recorded: an update carries the text of a creation.
            Self::Updating => Some(CREATING),
            Self::Failed(cause) | Self::UpdateFailed(cause) => Some(cause.reason()),
            Self::Creating | Self::Ready => None,
        }
    }
}

/// Text and code of `StateReason` or `LastUpdateStatusReason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reason {
    pub(crate) text: &'static str,
    pub(crate) code: &'static str,
}

const CREATING: Reason = Reason { text: "The function is being created.", code: "Creating" };

#[cfg(test)]
mod tests {
    use super::*;

    const CAUSE: Cause = Cause::ImageDeleted;

    #[test]
    fn only_the_listed_transitions_are_legal() {
        let legal = [
            (Phase::Creating, Event::Changed, None),
            (Phase::Creating, Event::Provisioned, Some(Phase::Ready)),
            (Phase::Ready, Event::Changed, Some(Phase::Updating)),
            (Phase::Ready, Event::Provisioned, None),
            (Phase::Updating, Event::Changed, None),
            (Phase::Updating, Event::Provisioned, Some(Phase::Ready)),
            (Phase::Creating, Event::ProvisionFailed(CAUSE), Some(Phase::Failed(CAUSE))),
            (Phase::Updating, Event::ProvisionFailed(CAUSE), Some(Phase::UpdateFailed(CAUSE))),
            (Phase::Ready, Event::ProvisionFailed(CAUSE), None),
            (Phase::Failed(CAUSE), Event::Changed, Some(Phase::Creating)),
            (Phase::Failed(CAUSE), Event::Provisioned, None),
            (Phase::UpdateFailed(CAUSE), Event::Changed, Some(Phase::Updating)),
            (Phase::UpdateFailed(CAUSE), Event::Provisioned, None),
            (Phase::Failed(Cause::RuntimeNotReady), Event::Provisioned, Some(Phase::Ready)),
            (Phase::UpdateFailed(Cause::RuntimeNotReady), Event::Provisioned, Some(Phase::Ready)),
            (Phase::Failed(Cause::RuntimeNotReady), Event::ProvisionFailed(Cause::RuntimeNotReady), None),
        ];
        for (from, event, to) in legal {
            assert_eq!(from.next(event), to, "{from:?} on {event:?}");
        }
    }
}
