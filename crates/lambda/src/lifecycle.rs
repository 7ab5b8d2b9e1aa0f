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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A request changed code or configuration.
    Changed,
    /// The deployment is ready to serve.
    Provisioned,
}

/// Everything not listed is refused. Source: Lambda developer guide, "Lambda function states".
const TRANSITIONS: [(Phase, Event, Phase); 3] = [
    (Phase::Creating, Event::Provisioned, Phase::Ready),
    (Phase::Ready, Event::Changed, Phase::Updating),
    (Phase::Updating, Event::Provisioned, Phase::Ready),
];

impl Phase {
    pub(crate) fn next(self, event: Event) -> Option<Self> {
        TRANSITIONS.iter().find(|(from, on, _)| *from == self && *on == event).map(|(_, _, to)| *to)
    }

    pub(crate) const fn state(self) -> &'static str {
        match self {
            Self::Creating => "Pending",
            Self::Ready | Self::Updating => "Active",
        }
    }

    pub(crate) const fn state_reason(self) -> Option<Reason> {
        match self {
            Self::Creating => Some(CREATING),
            Self::Ready | Self::Updating => None,
        }
    }

    pub(crate) const fn last_update_status(self) -> Option<&'static str> {
        match self {
            Self::Creating => None,
            Self::Ready => Some("Successful"),
            Self::Updating => Some("InProgress"),
        }
    }

    pub(crate) const fn last_update_reason(self) -> Option<Reason> {
        match self {
            // Recorded: an update carries the text of a creation.
            Self::Updating => Some(CREATING),
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

    #[test]
    fn only_the_listed_transitions_are_legal() {
        let legal = [
            (Phase::Creating, Event::Changed, None),
            (Phase::Creating, Event::Provisioned, Some(Phase::Ready)),
            (Phase::Ready, Event::Changed, Some(Phase::Updating)),
            (Phase::Ready, Event::Provisioned, None),
            (Phase::Updating, Event::Changed, None),
            (Phase::Updating, Event::Provisioned, Some(Phase::Ready)),
        ];
        for (from, event, to) in legal {
            assert_eq!(from.next(event), to, "{from:?} on {event:?}");
        }
    }
}
