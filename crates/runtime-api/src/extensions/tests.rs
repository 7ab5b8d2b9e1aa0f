//! What the register of extensions promises.

use hearth_types::SeededRandom;
use proptest::prelude::*;

use super::*;

const STATES: [State; 9] = [
    State::Started,
    State::Registered,
    State::Ready,
    State::Away,
    State::Running,
    State::InitError,
    State::ExitError,
    State::LaunchError,
    State::Exited,
];
const EVENTS: [Event; 8] = [
    Event::Register,
    Event::Next,
    Event::HangUp,
    Event::Deliver,
    Event::InitError,
    Event::ExitError,
    Event::LaunchError,
    Event::Exit,
];

/// Written from AWS's state tables, one row per state; columns in the order of `EVENTS`. `-` is a refusal, `!` ends
/// the environment.
const EXPECTED: &str = "
    Started     Registered -     -    -       -          -          LaunchError! Exited!
    Registered  -          Ready -    -       InitError! ExitError! -            Exited!
    Ready       -          -     Away Running -          ExitError! -            Exited!
    Away        -          Ready -    -       -          ExitError! -            Exited!
    Running     -          Ready -    -       -          ExitError! -            Exited!
    InitError   -          -     -    -       InitError  -          -            Exited
    ExitError   -          -     -    -       -          ExitError  -            Exited
    LaunchError -          -     -    -       -          -          -            -
    Exited      -          -     -    -       -          -          -            -
";

fn one(state: State) -> Extensions<()> {
    let mut agent = Agent::new("name".to_owned(), Kind::External);
    agent.state = state;
    agent.id = "id".to_owned();
    Extensions { agents: vec![agent], registration_closed: false }
}

#[test]
fn every_pair_of_state_and_event_does_what_the_table_says() {
    let rows: Vec<Vec<&str>> =
        EXPECTED.lines().map(|line| line.split_whitespace().collect()).filter(|row: &Vec<_>| !row.is_empty()).collect();
    assert_eq!(rows.len(), STATES.len());
    for (state, row) in STATES.into_iter().zip(rows) {
        assert_eq!(format!("{state:?}"), row[0]);
        for (event, want) in EVENTS.into_iter().zip(&row[1..]) {
            let mut extensions = one(state);
            let result = extensions.apply(0, event);
            if *want == "-" {
                assert!(result.is_err(), "{state:?} {event:?}");
                assert_eq!(extensions.agents[0].state, state, "a refused {event:?} changes nothing");
            } else {
                let action = result.expect(want);
                assert_eq!(matches!(action, Action::Fail(_)), want.ends_with('!'), "{state:?} {event:?}");
                let reached = format!("{:?}", extensions.agents[0].state);
                assert_eq!(reached, want.trim_end_matches('!'), "{state:?} {event:?}");
            }
        }
    }
}

fn texts(events: &[&str]) -> Vec<String> {
    events.iter().map(|event| (*event).to_owned()).collect()
}

fn register(extensions: &mut Extensions<()>, name: &str, events: &[&str]) -> Result<String, Refusal> {
    extensions.register(Some(name), &texts(events), &SeededRandom::new(1))
}

/// Statuses, types and texts: Runtime Interface Emulator.
#[test]
fn refusals_are_worded_as_aws_words_them() {
    let mut extensions = Extensions::<()>::new();
    extensions.expect("agent".to_owned()).expect("one");
    let mut said = Vec::new();
    let mut refused = |result: Result<String, Refusal>| {
        let refusal = result.expect_err("refused");
        said.push((refusal.error_type(), refusal.message()));
    };
    refused(register(&mut extensions, "", &[]));
    refused(register(&mut extensions, "agent", &["RESTORE"]));
    refused(register(&mut extensions, "other", &["SHUTDOWN"]));
    let id = register(&mut extensions, "agent", &["INVOKE", "SHUTDOWN"]).expect("external");
    refused(register(&mut extensions, "agent", &[]));
    register(&mut extensions, "other", &["INVOKE"]).expect("internal");
    refused(register(&mut extensions, "other", &[]));
    for n in 0..8 {
        register(&mut extensions, &format!("more-{n}"), &[]).expect("up to ten");
    }
    refused(register(&mut extensions, "eleventh", &[]));
    extensions.close_registration();
    refused(register(&mut extensions, "late", &[]));
    let found = |id: Option<&str>| extensions.find(id).map(|index| index.to_string());
    refused(found(None));
    refused(found(Some("no-uuid")));
    refused(found(Some("A1B2C3D4-5678-90ab-cdef-000000000000")));
    assert_eq!(extensions.find(Some(&id.to_ascii_uppercase())), Ok(0));
    extensions.apply(0, Event::Next).expect("next");
    let again = extensions.apply(0, Event::Next).map(|_| String::new());
    refused(again.map_err(|refusal| match refusal {
        Refusal::InvalidStateTransition { from, event, .. } => {
            Refusal::InvalidStateTransition { from, event, who: "ID".to_owned() }
        }
        other => other,
    }));
    refused(extensions.report(0, Event::ExitError, None).map(|_| String::new()));
    let want = [
        ("Extension.InvalidExtensionName", "Empty extension name"),
        ("Extension.InvalidEventType", "RESTORE: ErrorInvalidEventType"),
        ("Extension.InvalidEventType", "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension"),
        (
            "Extension.InvalidExtensionState",
            "State transition from Registered to Registered failed for extension agent. \
             Error: State transition is not allowed",
        ),
        ("Extension.InvalidExtensionState", "Extension with this name already registered"),
        ("Extension.TooManyExtensions", "Extension limit (10) reached"),
        ("Extension.RegistrationClosed", "Extension registration closed already"),
        ("Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header"),
        ("Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier"),
        ("Extension.UnknownExtensionIdentifier", "Unknown extension a1b2c3d4-5678-90ab-cdef-000000000000"),
        (
            "Extension.InvalidExtensionState",
            "State transition from Ready to Ready failed for extension ID. Error: State transition is not allowed",
        ),
        ("Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found"),
    ];
    assert_eq!(said, want.map(|(error_type, message)| (error_type, message.to_owned())));
}

#[test]
fn no_more_than_ten_are_started() {
    let mut extensions = Extensions::<()>::new();
    for n in 0..10 {
        assert_eq!(extensions.expect(format!("agent-{n}")), Ok(()));
    }
    assert_eq!(extensions.expect("agent-10".to_owned()), Err(Refusal::TooMany));
}

#[test]
fn only_the_first_reported_error_counts_and_it_is_bounded() {
    let mut extensions = Extensions::<()>::new();
    let long = "é".repeat(ERROR_TYPE_BYTES_MAX);
    register(&mut extensions, "agent", &[]).expect("register");
    assert_eq!(extensions.report(0, Event::InitError, Some(&long)), Ok(Action::Fail(Failure::Init)));
    assert_eq!(extensions.report(0, Event::InitError, Some("Second")), Ok(Action::Nothing));
    let kept = extensions.agents[0].error_type.as_deref().expect("kept");
    assert!(kept.len() <= ERROR_TYPE_BYTES_MAX && long.starts_with(kept), "{kept}");
}

proptest! {
    #[test]
    fn arbitrary_calls_break_no_invariant(calls in proptest::collection::vec((0..12_usize, 0..9_usize, 0..3_usize), 0..200)) {
        let mut extensions = Extensions::<()>::new();
        for name in ["e0", "e1"] {
            extensions.expect(name.to_owned()).expect("two");
        }
        let random = SeededRandom::new(3);
        for (who, what, events) in calls {
            let events = texts([&["INVOKE"][..], &["SHUTDOWN"], &[]][events]);
            if what == 8 {
                let _ = extensions.register(Some(&format!("e{who}")), &events, &random);
            } else if let Some(index) = extensions.position(&format!("e{who}")) {
                let before = extensions.agents[index].state;
                if extensions.apply(index, EVENTS[what]).is_err() {
                    prop_assert_eq!(extensions.agents[index].state, before);
                }
            }
            prop_assert!(extensions.agents.len() <= EXTENSIONS_MAX);
            for agent in &extensions.agents {
                prop_assert!(agent.kind == Kind::External || !agent.subscriptions.shutdown);
            }
            let mut ids: Vec<&str> = extensions.iter().map(|agent| agent.id.as_str()).filter(|id| !id.is_empty()).collect();
            let count = ids.len();
            ids.sort_unstable();
            ids.dedup();
            prop_assert_eq!(ids.len(), count, "identifiers are unique");
        }
    }
}
