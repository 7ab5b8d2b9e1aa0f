//! The state of one runtime process as the Runtime API sees it: a table, no I/O, no waiting.
//!
//! ```text
//!              init_error ──body──> init_error_sent
//!                  ↑
//!  started ─next─> ready ─deliver─> running ─response─> responding ──body──> response_sent ─next─> ready
//!                                     │ └────error────> reporting_error ─body─> error_sent ──next─> ready
//!                                     └─abandon─> abandoned ─next─> ready
//! ```
//!
//! Source: the state tables of AWS's own Runtime API server (Runtime Interface Emulator), which denies every
//! transition it does not list. Ours adds `abandoned`: the caller gave up, so the answer is refused when it comes.

use std::collections::VecDeque;

use hearth_types::RequestId;

use crate::limits::LATE_IDS_MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Started,
    ReportingInitError,
    InitErrorSent,
    Ready,
    Running,
    Responding,
    ReportingError,
    ResponseSent,
    ErrorSent,
    Abandoned,
}

impl State {
    /// The name AWS's error texts use.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Started => "Started",
            Self::ReportingInitError | Self::InitErrorSent => "InitError",
            Self::Ready => "Ready",
            Self::Running | Self::Abandoned => "Running",
            Self::Responding => "InvocationResponse",
            Self::ReportingError => "InvocationErrorResponse",
            Self::ResponseSent | Self::ErrorSent => "RuntimeResponseSentState",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// `GET /runtime/invocation/next`
    Next,
    /// `POST /runtime/init/error`
    InitError,
    /// `POST /runtime/invocation/{id}/response`
    Response,
    /// `POST /runtime/invocation/{id}/error`
    Error,
    /// The body of one of the three posts above has been read.
    BodyEnd,
    /// An answer to the abandoned invocation.
    LateAnswer,
    /// The server has an event for a waiting `/next`.
    Deliver,
    /// The caller of the invocation has gone.
    Abandon,
}

impl Event {
    /// The state AWS's error texts name as the goal of a refused call.
    const fn goal(self) -> &'static str {
        match self {
            Self::Next => State::Ready.name(),
            Self::InitError => State::InitErrorSent.name(),
            Self::Response => State::Responding.name(),
            Self::Error => State::ReportingError.name(),
            Self::BodyEnd | Self::LateAnswer => State::ResponseSent.name(),
            Self::Deliver | Self::Abandon => State::Running.name(),
        }
    }
}

/// What the caller of [`Session::apply`] has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Init is over; let the call wait for an event.
    FinishInit,
    /// Let the call wait for an event.
    Park,
    /// Send the current event, also when it was sent before.
    SendEvent,
    /// Read the call's body, then apply [`Event::BodyEnd`].
    ReadBody,
    /// Pass the error to whoever waits for init.
    FailInit,
    /// Pass the answer to the caller.
    Answer,
    /// Nobody waits for the answer any more: drop it and say so.
    Discard,
    /// Nothing to do.
    Nothing,
}

/// (state, event, next state, action). What is not listed is refused.
#[rustfmt::skip]
const TRANSITIONS: &[(State, Event, State, Action)] = &[
    (State::Started,            Event::Next,       State::Ready,              Action::FinishInit),
    (State::Started,            Event::InitError,  State::ReportingInitError, Action::ReadBody),
    (State::ReportingInitError, Event::BodyEnd,    State::InitErrorSent,      Action::FailInit),
    (State::Ready,              Event::Next,       State::Ready,              Action::Park),
    (State::Ready,              Event::Deliver,    State::Running,            Action::SendEvent),
    (State::Running,            Event::Next,       State::Running,            Action::SendEvent),
    (State::Running,            Event::Response,   State::Responding,         Action::ReadBody),
    (State::Running,            Event::Error,      State::ReportingError,     Action::ReadBody),
    (State::Running,            Event::Abandon,    State::Abandoned,          Action::Nothing),
    (State::Responding,         Event::BodyEnd,    State::ResponseSent,       Action::Answer),
    (State::Responding,         Event::Abandon,    State::Abandoned,          Action::Nothing),
    (State::ReportingError,     Event::BodyEnd,    State::ErrorSent,          Action::Answer),
    (State::ReportingError,     Event::Abandon,    State::Abandoned,          Action::Nothing),
    (State::ResponseSent,       Event::Next,       State::Ready,              Action::Park),
    (State::ErrorSent,          Event::Next,       State::Ready,              Action::Park),
    (State::Abandoned,          Event::Next,       State::Ready,              Action::Park),
    (State::Abandoned,          Event::BodyEnd,    State::ResponseSent,       Action::Discard),
    (State::Abandoned,          Event::LateAnswer, State::ResponseSent,       Action::Discard),
];

/// Why a call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    InvalidStateTransition {
        from: State,
        event: Event,
    },
    UnknownRequestId,
    /// The id was real, but its caller has gone (a time-out). On the wire the same as an unknown one.
    TooLate,
    /// The connection belongs to a runtime process that has been replaced: it is closed without a reply.
    Replaced,
}

impl Refusal {
    /// The text AWS's server puts into `errorMessage`.
    pub(crate) fn message(self) -> String {
        match self {
            Self::InvalidStateTransition { from, event } => format!(
                "State transition from {} to {} failed for runtime. Error: State transition is not allowed",
                from.name(),
                event.goal()
            ),
            Self::UnknownRequestId | Self::TooLate | Self::Replaced => "Invalid request ID".to_owned(),
        }
    }
}

/// One runtime process's session. A new process gets a new one.
#[derive(Debug)]
pub(crate) struct Session {
    state: State,
    /// The invocation handed out last; stays until the next one, so that a second answer is a state error.
    current: Option<RequestId>,
    late: VecDeque<RequestId>,
}

impl Session {
    pub(crate) const fn new() -> Self {
        Self { state: State::Started, current: None, late: VecDeque::new() }
    }

    #[cfg(test)]
    const fn at(state: State) -> Self {
        Self { state, current: None, late: VecDeque::new() }
    }

    /// Takes the transition the table lists, or refuses and stays.
    pub(crate) fn apply(&mut self, event: Event) -> Result<Action, Refusal> {
        let row = TRANSITIONS.iter().find(|(state, on, ..)| *state == self.state && *on == event);
        let (.., next, action) = row.ok_or(Refusal::InvalidStateTransition { from: self.state, event })?;
        self.state = *next;
        Ok(*action)
    }

    /// Whether the runtime has not said anything yet.
    pub(crate) fn is_started(&self) -> bool {
        self.state == State::Started
    }

    /// Whether the runtime waits for an event.
    pub(crate) fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    /// Hands `id` to the runtime.
    pub(crate) fn deliver(&mut self, id: &RequestId) -> Result<Action, Refusal> {
        let action = self.apply(Event::Deliver)?;
        // A retry carries the id of the attempt before it.
        self.late.retain(|late| late != id);
        self.current = Some(id.clone());
        Ok(action)
    }

    /// A `/response` or `/error` for `id`. The id is checked before the state, as AWS's server does.
    pub(crate) fn answer(&mut self, id: &str, event: Event) -> Result<Action, Refusal> {
        let is_current = self.current.as_ref().is_some_and(|current| current.as_str() == id);
        if is_current && !self.is_late(id) {
            return self.apply(event);
        }
        if is_current {
            // The runtime is done with the abandoned invocation: it may ask for the next one now.
            let _ = self.apply(Event::LateAnswer);
        }
        Err(if self.is_late(id) { Refusal::TooLate } else { Refusal::UnknownRequestId })
    }

    /// The caller of the current invocation has gone.
    pub(crate) fn abandon(&mut self) {
        if self.apply(Event::Abandon).is_ok()
            && let Some(id) = self.current.clone()
        {
            if self.late.len() == LATE_IDS_MAX {
                self.late.pop_front();
            }
            self.late.push_back(id);
        }
    }

    fn is_late(&self, id: &str) -> bool {
        self.late.iter().any(|late| late.as_str() == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 10] = [
        State::Started,
        State::ReportingInitError,
        State::InitErrorSent,
        State::Ready,
        State::Running,
        State::Responding,
        State::ReportingError,
        State::ResponseSent,
        State::ErrorSent,
        State::Abandoned,
    ];
    const EVENTS: [Event; 8] = [
        Event::Next,
        Event::InitError,
        Event::Response,
        Event::Error,
        Event::BodyEnd,
        Event::LateAnswer,
        Event::Deliver,
        Event::Abandon,
    ];

    /// Written from AWS's state tables, one row per state; columns in the order of `EVENTS`. `-` is a refusal.
    const EXPECTED: &str = "
        Started             Ready   ReportingInitError -          -              -             -            -       -
        ReportingInitError  -       -                  -          -              InitErrorSent -            -       -
        InitErrorSent       -       -                  -          -              -             -            -       -
        Ready               Ready   -                  -          -              -             -            Running -
        Running             Running -                  Responding ReportingError -             -            -       Abandoned
        Responding          -       -                  -          -              ResponseSent  -            -       Abandoned
        ReportingError      -       -                  -          -              ErrorSent     -            -       Abandoned
        ResponseSent        Ready   -                  -          -              -             -            -       -
        ErrorSent           Ready   -                  -          -              -             -            -       -
        Abandoned           Ready   -                  -          -              ResponseSent  ResponseSent -       -
    ";

    #[test]
    fn every_pair_of_state_and_event_does_what_the_table_says() {
        let rows: Vec<Vec<&str>> = EXPECTED
            .lines()
            .map(|line| line.split_whitespace().collect())
            .filter(|row: &Vec<_>| !row.is_empty())
            .collect();
        assert_eq!(rows.len(), STATES.len());
        for (state, row) in STATES.into_iter().zip(rows) {
            assert_eq!(format!("{state:?}"), row[0]);
            for (event, want) in EVENTS.into_iter().zip(&row[1..]) {
                let mut session = Session::at(state);
                let result = session.apply(event);
                if *want == "-" {
                    assert_eq!(result, Err(Refusal::InvalidStateTransition { from: state, event }));
                    assert_eq!(session.state, state, "a refused {event:?} changes nothing");
                } else {
                    assert!(result.is_ok(), "{state:?} {event:?}");
                    assert_eq!(format!("{:?}", session.state), *want, "{state:?} {event:?}");
                }
            }
        }
    }

    fn running(id: &str) -> Session {
        let mut session = Session::new();
        session.apply(Event::Next).expect("next");
        session.deliver(&RequestId::from(id)).expect("deliver");
        session
    }

    #[test]
    fn an_id_that_was_never_handed_out_is_unknown_in_every_state() {
        for state in STATES {
            let mut session = Session::at(state);
            assert_eq!(session.answer("x", Event::Response), Err(Refusal::UnknownRequestId), "{state:?}");
            assert_eq!(session.state, state);
        }
    }

    #[test]
    fn a_second_answer_to_the_same_invocation_is_a_state_error() {
        let mut session = running("a");
        session.answer("a", Event::Response).expect("first");
        session.apply(Event::BodyEnd).expect("body");
        let second = session.answer("a", Event::Error).expect_err("second");
        assert_eq!(
            second.message(),
            "State transition from RuntimeResponseSentState to InvocationErrorResponse failed for runtime. \
             Error: State transition is not allowed"
        );
    }

    #[test]
    fn an_answer_after_the_caller_has_gone_is_too_late_and_frees_the_runtime() {
        let mut session = running("a");
        session.abandon();
        assert_eq!(session.answer("a", Event::Response), Err(Refusal::TooLate));
        assert_eq!(session.apply(Event::Next), Ok(Action::Park));
        session.deliver(&RequestId::from("b")).expect("deliver");
        assert_eq!(session.answer("a", Event::Response), Err(Refusal::TooLate), "still known as late");
        assert_eq!(session.answer("b", Event::Response), Ok(Action::ReadBody), "and does not disturb the next one");
    }

    #[test]
    fn a_retry_under_the_same_id_can_be_answered() {
        let mut session = running("a");
        session.abandon();
        session.apply(Event::Next).expect("next");
        session.deliver(&RequestId::from("a")).expect("deliver");
        assert_eq!(session.answer("a", Event::Response), Ok(Action::ReadBody));
    }

    #[test]
    fn remembered_late_ids_are_bounded() {
        let mut session = Session::new();
        session.apply(Event::Next).expect("next");
        for n in 0..LATE_IDS_MAX + 10 {
            session.deliver(&RequestId::from(format!("id-{n}").as_str())).expect("deliver");
            session.abandon();
            session.apply(Event::Next).expect("next");
        }
        assert_eq!(session.late.len(), LATE_IDS_MAX);
        assert_eq!(session.answer("id-0", Event::Response), Err(Refusal::UnknownRequestId));
        assert_eq!(session.answer("id-20", Event::Response), Err(Refusal::TooLate));
    }
}
