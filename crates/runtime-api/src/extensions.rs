//! The extensions of one environment as the Extensions API sees them: a table of states and a register of agents. No
//! I/O, no waiting.
//!
//! ```text
//!  started ─register─> registered ─next─> ready ─deliver─> running ─next─> ready
//!     │                    │  └─init_error─> init_error      └─────────┐
//!     └─launch_error       └── exit_error (also from ready, running) ──┴─> exit_error
//!  ready ─hang_up─> away ─next─> ready          any of them ─exit─> exited
//! ```
//!
//! Source: the state tables of AWS's own server (Runtime Interface Emulator), which denies every transition it does
//! not list, and "Using the Lambda Extensions API", Lambda developer guide. Ours adds `away`: the connection that
//! waited for an event is gone, so that a client may ask again.

use hearth_types::random::{Random, uuid};

use crate::limits::{ERROR_TYPE_BYTES_MAX, EXTENSION_NAME_BYTES_MAX};
use hearth_types::limits::EXTENSIONS_MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Started,
    Registered,
    Ready,
    Away,
    Running,
    InitError,
    ExitError,
    LaunchError,
    Exited,
}

impl State {
    /// The name AWS's error texts and `platform.extension` use.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Started => "Started",
            Self::Registered => "Registered",
            Self::Ready | Self::Away => "Ready",
            Self::Running => "Running",
            Self::InitError => "InitError",
            Self::ExitError => "ExitError",
            Self::LaunchError => "LaunchError",
            Self::Exited => "Exited",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// `POST /extension/register`
    Register,
    /// `GET /extension/event/next`
    Next,
    /// The connection of a waiting `/next` is gone.
    HangUp,
    /// An event goes out.
    Deliver,
    /// `POST /extension/init/error`
    InitError,
    /// `POST /extension/exit/error`
    ExitError,
    /// The process could not be started.
    LaunchError,
    /// The process has ended.
    Exit,
}

impl Event {
    /// The state AWS's error texts name as the goal of a refused call.
    const fn goal(self) -> &'static str {
        match self {
            Self::Register => State::Registered.name(),
            Self::Next | Self::HangUp => State::Ready.name(),
            Self::Deliver => State::Running.name(),
            Self::InitError => State::InitError.name(),
            Self::LaunchError => State::LaunchError.name(),
            Self::ExitError | Self::Exit => State::Exited.name(),
        }
    }
}

/// What the caller of [`Extensions::apply`] has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Nothing,
    /// Let the call wait for an event, or send the one that waits.
    Park,
    /// The environment has failed.
    Fail(Failure),
}

/// How an extension can fail its environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Init,
    Exit,
    Launch,
    Crash,
}

impl Failure {
    /// Lambda's error type.
    pub(crate) const fn error_type(self) -> &'static str {
        match self {
            Self::Init => "Extension.InitError",
            Self::Exit => "Extension.ExitError",
            Self::Launch => "Extension.LaunchError",
            Self::Crash => "Extension.Crash",
        }
    }
}

/// (state, event, next state, action). What is not listed is refused.
#[rustfmt::skip]
const TRANSITIONS: &[(State, Event, State, Action)] = &[
    (State::Started,    Event::Register,    State::Registered,  Action::Nothing),
    (State::Started,    Event::LaunchError, State::LaunchError, Action::Fail(Failure::Launch)),
    (State::Started,    Event::Exit,        State::Exited,      Action::Fail(Failure::Crash)),
    (State::Registered, Event::Next,        State::Ready,       Action::Park),
    (State::Registered, Event::InitError,   State::InitError,   Action::Fail(Failure::Init)),
    (State::Registered, Event::ExitError,   State::ExitError,   Action::Fail(Failure::Exit)),
    (State::Registered, Event::Exit,        State::Exited,      Action::Fail(Failure::Crash)),
    (State::Ready,      Event::Deliver,     State::Running,     Action::Nothing),
    (State::Ready,      Event::HangUp,      State::Away,        Action::Nothing),
    (State::Ready,      Event::ExitError,   State::ExitError,   Action::Fail(Failure::Exit)),
    (State::Ready,      Event::Exit,        State::Exited,      Action::Fail(Failure::Crash)),
    (State::Away,       Event::Next,        State::Ready,       Action::Park),
    (State::Away,       Event::ExitError,   State::ExitError,   Action::Fail(Failure::Exit)),
    (State::Away,       Event::Exit,        State::Exited,      Action::Fail(Failure::Crash)),
    (State::Running,    Event::Next,        State::Ready,       Action::Park),
    (State::Running,    Event::ExitError,   State::ExitError,   Action::Fail(Failure::Exit)),
    (State::Running,    Event::Exit,        State::Exited,      Action::Fail(Failure::Crash)),
    // Only the first report counts; repeating it does no harm. The end of a process that has reported is no news.
    (State::InitError,  Event::InitError,   State::InitError,   Action::Nothing),
    (State::InitError,  Event::Exit,        State::Exited,      Action::Nothing),
    (State::ExitError,  Event::ExitError,   State::ExitError,   Action::Nothing),
    (State::ExitError,  Event::Exit,        State::Exited,      Action::Nothing),
];

/// Why a call was refused; always with status 403, but for [`Replaced`](Self::Replaced).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NoName,
    NameTooLong,
    NameTaken,
    /// The body of a registration.
    Format(String),
    EventType {
        event: String,
        why: &'static str,
    },
    RegistrationClosed,
    TooMany,
    NoIdentifier,
    MalformedIdentifier,
    UnknownIdentifier(String),
    /// A call that needs `Lambda-Extension-Function-Error-Type`.
    NoErrorType,
    InvalidStateTransition {
        from: State,
        event: Event,
        /// Identifier, or name where there is none yet.
        who: String,
    },
    /// The connection belongs to an environment that was reset: it is closed without a reply.
    Replaced,
}

impl Refusal {
    pub(crate) const fn error_type(&self) -> &'static str {
        match self {
            Self::NoName | Self::NameTooLong => "Extension.InvalidExtensionName",
            Self::Format(_) => "InvalidRequestFormat",
            Self::EventType { .. } => "Extension.InvalidEventType",
            Self::RegistrationClosed => "Extension.RegistrationClosed",
            Self::TooMany => "Extension.TooManyExtensions",
            Self::NoIdentifier => "Extension.MissingExtensionIdentifier",
            Self::MalformedIdentifier => "Extension.InvalidExtensionIdentifier",
            Self::UnknownIdentifier(_) | Self::Replaced => "Extension.UnknownExtensionIdentifier",
            Self::NoErrorType => "Extension.MissingHeader",
            Self::NameTaken | Self::InvalidStateTransition { .. } => "Extension.InvalidExtensionState",
        }
    }

    /// The text AWS's server puts into `errorMessage`.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::NoName => "Empty extension name".to_owned(),
            Self::NameTooLong => format!("Extension name is longer than {EXTENSION_NAME_BYTES_MAX} bytes"),
            Self::NameTaken => "Extension with this name already registered".to_owned(),
            Self::Format(why) => why.clone(),
            Self::EventType { event, why } => format!("{event}: {why}"),
            Self::RegistrationClosed => "Extension registration closed already".to_owned(),
            Self::TooMany => format!("Extension limit ({EXTENSIONS_MAX}) reached"),
            Self::NoIdentifier => "Missing Lambda-Extension-Identifier header".to_owned(),
            Self::MalformedIdentifier => "Invalid Lambda-Extension-Identifier".to_owned(),
            Self::UnknownIdentifier(id) => format!("Unknown extension {id}"),
            Self::NoErrorType => "Lambda-Extension-Function-Error-Type not found".to_owned(),
            Self::InvalidStateTransition { from, event, who } => format!(
                "State transition from {} to {} failed for extension {who}. Error: State transition is not allowed",
                from.name(),
                event.goal()
            ),
            Self::Replaced => "Unknown extension".to_owned(),
        }
    }
}

/// What an extension wants to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subscriptions {
    pub(crate) invoke: bool,
    pub(crate) shutdown: bool,
}

impl Subscriptions {
    fn read(events: &[String], kind: Kind) -> Result<Self, Refusal> {
        let mut subscriptions = Self::default();
        for event in events {
            let refused = |why| Err(Refusal::EventType { event: event.clone(), why });
            match (event.as_str(), kind) {
                ("INVOKE", _) => subscriptions.invoke = true,
                ("SHUTDOWN", Kind::External) => subscriptions.shutdown = true,
                ("SHUTDOWN", Kind::Internal) => return refused("ShutdownEventNotSupportedForInternalExtension"),
                _ => return refused("ErrorInvalidEventType"),
            }
        }
        Ok(subscriptions)
    }

    pub(crate) fn names(self) -> Vec<&'static str> {
        [("INVOKE", self.invoke), ("SHUTDOWN", self.shutdown)]
            .into_iter()
            .filter_map(|(name, wanted)| wanted.then_some(name))
            .collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A process of its own, started by the platform.
    External,
    /// A part of the runtime process.
    Internal,
}

/// One extension. `A` is what the I/O side keeps with it.
#[derive(Debug)]
pub(crate) struct Agent<A> {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) state: State,
    pub(crate) subscriptions: Subscriptions,
    /// What it reported, or why it could not be started.
    pub(crate) error_type: Option<String>,
    pub(crate) attached: A,
    /// Empty until it registers.
    id: String,
}

impl<A: Default> Agent<A> {
    fn new(name: String, kind: Kind) -> Self {
        Self {
            name,
            kind,
            state: State::Started,
            subscriptions: Subscriptions::default(),
            error_type: None,
            attached: A::default(),
            id: String::new(),
        }
    }
}

/// All extensions of one environment, from a start of its processes to the next.
#[derive(Debug)]
pub(crate) struct Extensions<A> {
    agents: Vec<Agent<A>>,
    registration_closed: bool,
}

impl<A: Default> Extensions<A> {
    pub(crate) const fn new() -> Self {
        Self { agents: Vec::new(), registration_closed: false }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.agents.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Agent<A>> {
        self.agents.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Agent<A>> {
        self.agents.iter_mut()
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> &mut Agent<A> {
        &mut self.agents[index]
    }

    /// Announces an external extension that is started.
    pub(crate) fn expect(&mut self, name: String) -> Result<(), Refusal> {
        if self.position(&name).is_some() {
            return Err(Refusal::NameTaken);
        }
        if self.agents.len() >= EXTENSIONS_MAX {
            return Err(Refusal::TooMany);
        }
        self.agents.push(Agent::new(name, Kind::External));
        Ok(())
    }

    /// Registers an external extension by its announced name, or an internal one by any other. Returns its identifier.
    pub(crate) fn register(
        &mut self,
        name: Option<&str>,
        events: &[String],
        random: &dyn Random,
    ) -> Result<String, Refusal> {
        let name = name.filter(|name| !name.is_empty()).ok_or(Refusal::NoName)?;
        if name.len() > EXTENSION_NAME_BYTES_MAX {
            return Err(Refusal::NameTooLong);
        }
        let known = self.position(name);
        let kind = known.map_or(Kind::Internal, |index| self.agents[index].kind);
        let subscriptions = Subscriptions::read(events, kind)?;
        let index = match known {
            Some(index) if kind == Kind::External => index,
            Some(_) => return Err(Refusal::NameTaken),
            None if self.registration_closed => return Err(Refusal::RegistrationClosed),
            None if self.agents.len() >= EXTENSIONS_MAX => return Err(Refusal::TooMany),
            None => {
                self.agents.push(Agent::new(name.to_owned(), Kind::Internal));
                self.agents.len() - 1
            }
        };
        self.apply(index, Event::Register)?;
        let agent = &mut self.agents[index];
        agent.subscriptions = subscriptions;
        agent.id = uuid(random);
        Ok(agent.id.clone())
    }

    /// Which extension a call with this `Lambda-Extension-Identifier` comes from.
    pub(crate) fn find(&self, id: Option<&str>) -> Result<usize, Refusal> {
        let id = id.filter(|id| !id.is_empty()).ok_or(Refusal::NoIdentifier)?;
        if !is_uuid(id) {
            return Err(Refusal::MalformedIdentifier);
        }
        let index = self.agents.iter().position(|agent| agent.id.eq_ignore_ascii_case(id));
        index.ok_or_else(|| Refusal::UnknownIdentifier(id.to_ascii_lowercase()))
    }

    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.agents.iter().position(|agent| agent.name == name)
    }

    /// Takes the transition the table lists, or refuses and stays.
    pub(crate) fn apply(&mut self, index: usize, event: Event) -> Result<Action, Refusal> {
        let agent = &mut self.agents[index];
        let row = TRANSITIONS.iter().find(|(state, on, ..)| *state == agent.state && *on == event);
        let Some((.., next, action)) = row else {
            let who = if agent.id.is_empty() || event == Event::Register { &agent.name } else { &agent.id };
            return Err(Refusal::InvalidStateTransition { from: agent.state, event, who: who.clone() });
        };
        agent.state = *next;
        Ok(*action)
    }

    /// A `/init/error` or `/exit/error` with the error type the extension names.
    pub(crate) fn report(&mut self, index: usize, event: Event, error_type: Option<&str>) -> Result<Action, Refusal> {
        let error_type = error_type.filter(|text| !text.is_empty()).ok_or(Refusal::NoErrorType)?;
        let action = self.apply(index, event)?;
        if matches!(action, Action::Fail(_)) {
            self.agents[index].error_type = Some(shortened(error_type).to_owned());
        }
        Ok(action)
    }

    /// Init is over, with success or without.
    pub(crate) const fn close_registration(&mut self) {
        self.registration_closed = true;
    }

    pub(crate) const fn registration_closed(&self) -> bool {
        self.registration_closed
    }

    /// Whether every announced extension has registered: the runtime may be started.
    pub(crate) fn all_registered(&self) -> bool {
        self.agents.iter().all(|agent| agent.state != State::Started)
    }

    /// Whether every extension has asked for its first event.
    pub(crate) fn all_ready(&self) -> bool {
        self.agents.iter().all(|agent| matches!(agent.state, State::Ready | State::Away))
    }
}

/// The usual text form of a UUID. Source: RFC 9562.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(ERROR_TYPE_BYTES_MAX)]
}

#[cfg(test)]
mod tests;
