//! A runtime process that is started before it is known which function it is for. It asks once, with
//! `GET /2018-06-01/hearth/assignment`, and becomes the runtime of the function it is assigned to; the call waits like
//! one for an event and is answered by the thread that assigns. For anybody else the call does not exist.
//!
//! ```text
//!  waiting ─assign─> assigned ─ask─> done          waiting, asked ─assign─> done
//! ```

use std::sync::Arc;

use serde_json::json;

use crate::environment::{AssignError, Assignment, Identity};
use crate::http::reply::EventReply;
use crate::shared::{Caller, Next, Shared};
use crate::wire::Wire;

pub(crate) enum Preparation {
    /// Not assigned yet; the connection that has asked.
    Waiting(Option<Arc<Wire>>),
    /// Assigned, and nobody has asked yet.
    Assigned(EventReply),
    /// The process knows, or there never was a question.
    Done,
}

/// Why there is no assignment for a caller.
pub(crate) enum Refusal {
    /// The call does not exist here, or not any more.
    Unknown,
    /// The connection belongs to a process that has been replaced.
    Replaced,
}

impl Preparation {
    pub(crate) const fn new(prepared: bool) -> Self {
        if prepared { Self::Waiting(None) } else { Self::Done }
    }

    /// The process has been replaced by one that asks anew, as long as the old one has not been assigned.
    pub(crate) fn restart(&mut self) {
        if let Self::Waiting(parked) = self {
            *parked = None;
        }
    }

    /// The peer of a connection that may wait here has gone.
    pub(crate) fn unpark(&mut self, wire: &Arc<Wire>) {
        if let Self::Waiting(parked) = self {
            parked.take_if(|parked| Arc::ptr_eq(parked, wire));
        }
    }
}

impl Shared {
    pub(crate) fn assign(&self, assignment: Assignment) -> Result<(), AssignError> {
        let Assignment { identity, environment } = assignment;
        let reply = json!({ "handler": identity.handler, "environment": environment });
        let reply = EventReply::json(&[], reply.to_string());
        let mut inner = self.inner.lock();
        if inner.closed {
            return Err(AssignError::Closed);
        }
        if !inner.session.is_started() {
            return Err(AssignError::Started);
        }
        let Preparation::Waiting(parked) = &mut inner.preparation else { return Err(AssignError::NotPrepared) };
        let delivered = parked.take().is_some_and(|wire| wire.deliver(&reply));
        inner.preparation = if delivered { Preparation::Done } else { Preparation::Assigned(reply) };
        if inner.identity.is_none() {
            inner.identity = Some(identity);
            self.telemetry.restart(true);
        }
        Ok(())
    }

    /// What extensions are told from now on. Where no process `waits` for an assignment, none is to be had any more.
    pub(crate) fn identify(&self, identity: Identity, waits: bool) -> Result<(), AssignError> {
        let mut inner = self.inner.lock();
        if inner.closed {
            return Err(AssignError::Closed);
        }
        if !waits {
            inner.preparation = Preparation::Done;
        }
        inner.identity = Some(identity);
        self.telemetry.restart(true);
        Ok(())
    }

    /// Whether a process waits for its assignment.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.inner.lock().preparation, Preparation::Waiting(Some(_)))
    }

    /// `GET /hearth/assignment`. Parks the caller when there is no assignment yet.
    pub(crate) fn assignment(&self, caller: Caller<'_>) -> Next<Refusal> {
        let mut inner = self.inner.lock();
        if inner.generation != caller.generation {
            return Next::Refused(Refusal::Replaced);
        }
        if !inner.session.is_started() {
            return Next::Refused(Refusal::Unknown);
        }
        match std::mem::replace(&mut inner.preparation, Preparation::Done) {
            Preparation::Waiting(_) => {
                inner.preparation = Preparation::Waiting(Some(caller.park()));
                Next::Wait
            }
            Preparation::Assigned(reply) => Next::Send(reply),
            Preparation::Done => Next::Refused(Refusal::Unknown),
        }
    }
}
