//! The language by the examples of its documentation: CloudWatch Logs user guide, "Filter pattern syntax …" and its pages
//! on unstructured, JSON and space-delimited events.

use proptest::prelude::*;

use super::{Pattern, PatternError};

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Of the events, the numbers (from 1) of those that match.
fn matching(text: &str, events: &[&str]) -> Vec<usize> {
    let pattern = pattern(text);
    (1..).zip(events).filter(|(_, event)| pattern.matches(event)).map(|(number, _)| number).collect()
}

const REQUESTS: [&str; 4] = [
    "[ERROR 400] BAD REQUEST",
    "[ERROR 401] UNAUTHORIZED REQUEST",
    "[ERROR 419] MISSING ARGUMENTS",
    "[ERROR 420] INVALID ARGUMENTS",
];

#[test]
fn terms_are_found_anywhere_with_their_case() {
    assert_eq!(matching("", &REQUESTS), [1, 2, 3, 4]);
    assert_eq!(matching("ERROR", &REQUESTS), [1, 2, 3, 4]);
    assert_eq!(matching("error", &REQUESTS), [0; 0]);
    assert_eq!(matching("ERROR ARGUMENTS", &REQUESTS), [3, 4]);
    assert_eq!(matching("ERROR -ARGUMENTS", &REQUESTS), [1, 2]);
    assert_eq!(matching("-ARGUMENTS", &REQUESTS), [1, 2]);
    assert_eq!(matching("\"[ERROR 400]\" REQUEST", &REQUESTS), [1]);
    assert_eq!(matching(r#""say \"hi\" \\""#, &[r#"say "hi" \"#, "say hi"]), [1]);
    assert_eq!(matching("-\"BAD REQUEST\" -MISSING", &REQUESTS), [2, 4]);
}

#[test]
fn an_exact_phrase_is_one_term() {
    assert_eq!(matching("\"INTERNAL SERVER ERROR\"", &["[ERROR 500] INTERNAL SERVER ERROR", "SERVER ERROR"]), [1]);
}

#[test]
fn of_optional_terms_one_is_enough_and_beside_others_they_do_not_count() {
    let events = ["[ERROR 400] BAD REQUEST", "[INFO] x", "[WARN] MISSING ARGUMENTS"];
    assert_eq!(matching("?ERROR ?ARGUMENTS", &events), [1, 3]);
    assert_eq!(matching("?\"BAD REQUEST\" ?INFO", &events), [1, 2]);
    assert_eq!(matching("WARN ?ERROR", &events), [3]);
    assert_eq!(matching("?ERROR -WARN", &events), [1, 2]);
}

#[test]
fn regular_expressions_stand_between_percent_signs() {
    let events = ["[ERROR 401] UNAUTHORIZED REQUEST", "[SUCCESS 200] AUTHORIZED REQUEST", "10.10.0.1 x", "10a10b0c1"];
    assert_eq!(matching("%AUTHORIZED%", &events), [1, 2]);
    assert_eq!(matching(r"%10\.10\.0\.1%", &events), [3]);
    assert_eq!(matching("%^10%", &events), [3, 4]);
    assert_eq!(matching("%colou?r%", &["color", "colour", "colr"]), [1, 2]);
    assert_eq!(matching("%[hc]at$%", &["hat", "cat", "bat", "hats"]), [1, 2]);
    assert_eq!(matching("%at$%", &["hat\n", "hat\n\n"]), [1], "the line feed of a function's line does not count");
    assert_eq!(matching("%^a{3,5}$%", &["aa", "aaa", "aaaaa", "aaaaaa"]), [2, 3]);
    assert_eq!(matching("%gray|grey%", &["gray", "grey", "green"]), [1, 2]);
    assert_eq!(matching(r"%^\d\D\s\S\w\W$%", &["1a bc-", "aa bc-"]), [1]);
    assert_eq!(matching("%ERROR% -%40[01]%", &REQUESTS), [3, 4]);
    for text in ["%something!%", "%(a)%", "%ü%", "%open", "%%", r"%a\1%", "%[%"] {
        assert_eq!(Pattern::parse(text).err(), Some(PatternError::Regex), "{text}");
    }
    assert_eq!(Pattern::parse("%a% %b% %c%").err(), Some(PatternError::TooManyRegexes));
}

// The texts are those that users report of the real service.
#[test]
fn what_needs_quotes_and_has_none_is_refused_by_its_character() {
    for (text, characters) in [
        ("?Status: timeout", ":"),
        ("ready(now)", "("),
        ("a,b", ","),
        ("level\\", "\\"),
        ("`x`", "`"),
        ("{ $.\"detail-type\" = 1 }", "\""),
    ] {
        assert_eq!(Pattern::parse(text).err(), Some(PatternError::Characters(characters.to_owned())), "{text}");
    }
    assert!(Pattern::parse("\"open").is_err());
}

const TRAIL: &str = r#"{"eventType": "UpdateTrail", "sourceIPAddress": "111.111.111.111",
    "arrayKey": ["value", "another value"],
    "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}],
    "SomeObject": null, "cluster.name": "c",
    "user": {"id": 1, "email": "John.Stiles@example.com"},
    "users": [{"id": 2, "email": "John.Doe@example.com"}, {"id": 3, "email": "Jane.Doe@example.com"}],
    "actions": ["GET", "PUT", "DELETE"], "coordinates": [[0, 1, 2], [4, 5, 6], [7, 8, 9]],
    "isTrue": true, "latency": 50.5, "big": 1e3}"#;

fn holds(condition: &str) -> bool {
    pattern(&format!("{{ {condition} }}")).matches(TRAIL)
}

#[test]
fn properties_of_json_events_are_compared_as_text() {
    assert!(holds("$.eventType = \"UpdateTrail\""));
    assert!(holds("$.eventType = UpdateTrail"));
    assert!(!holds("$.eventType = \"updatetrail\""));
    assert!(holds("$.eventType = \"Update*\"") && holds("$.eventType = *Trail") && holds("$.eventType = U*t*l"));
    assert!(!holds("$.eventType = Up*date*Up"));
    assert!(holds("$.sourceIPAddress != 123.123.*") && !holds("$.sourceIPAddress != 111.111.*"));
    assert!(holds("$.arrayKey[0] = \"value\"") && !holds("$.arrayKey[1] = \"value\""));
    assert!(holds("$.arrayKey[*] = \"another*\""));
    assert!(holds("$.objectList[1].id = 2") && !holds("$.objectList[2].id = 2"));
    assert!(holds("$.coordinates[0][1] = 1"));
    assert!(holds(r"$.eventType = %Trail$%") && holds(r"$.eventType != %^Trail%"));
    assert!(holds("$.*.email = \"John.Stiles*\""));
}

#[test]
fn numbers_are_compared_as_numbers() {
    assert!(
        holds("$.latency > 50") && holds("$.latency >= 50.5") && holds("$.latency < 51") && holds("$.latency <= 50.5")
    );
    assert!(!holds("$.latency > 50.5") && !holds("$.latency < 50.5"));
    assert!(
        holds("$.latency = 50.50") && holds("$.latency != 50") && holds("$.latency = 5.05e1") && holds("$.big = 1000")
    );
    assert!(holds("$.latency > -1") && !holds("$.eventType > 1"));
    assert!(Pattern::parse("{ $.a > \"x\" }").is_err(), "texts have no order");
}

#[test]
fn null_true_false_and_what_is_not_there_are_told_apart() {
    assert!(holds("$.SomeObject IS NULL") && !holds("$.eventType IS NULL") && !holds("$.nothing IS NULL"));
    assert!(holds("$.SomeOtherObject NOT EXISTS") && !holds("$.SomeObject NOT EXISTS"));
    assert!(holds("$.SomeObject EXISTS") && !holds("$.nothing EXISTS"));
    assert!(holds("$.isTrue IS TRUE") && !holds("$.isTrue IS FALSE") && !holds("$.latency IS TRUE"));
    assert!(holds("$.latency = \"*\"") && holds("$.user = \"*\"") && !holds("$.nothing = \"*\""));
    assert!(!holds("$.nothing != 1") && !holds("$.nothing = 1"));
}

#[test]
fn conditions_are_combined_and_parentheses_and_the_closer_operator_hold() {
    assert!(holds("($.user.id = 1) && ($.users[0].email = \"John.Doe@example.com\")"));
    assert!(holds(
        "$.user.email = \"John.Stiles@example.com\" || $.coordinates[0][1] = \"nonmatch\" && $.actions[2] = \"nonmatch\""
    ));
    assert!(!holds(
        "($.user.email = \"John.Stiles@example.com\" || $.coordinates[0][1] = \"nonmatch\") && $.actions[2] = \"nonmatch\""
    ));
    assert!(holds("($.user.id = 2 && $.users[0].email = \"nonmatch\") || $.actions[2] = \"DELETE\""));
    assert!(pattern("{$.a=1&&$.b=x||$.c=3}").matches(r#"{"c":3}"#));
}

#[test]
fn only_json_matches_a_json_pattern() {
    assert_eq!(matching("{ $.a NOT EXISTS }", &["plain text", "{}", "{\"a\":1}", "{broken"]), [2]);
    for text in
        ["{", "{}", "{ $ = 1 }", "{ $.a }", "{ $.a = }", "{ $.a = 1", "{ $.a = 1 } x", "{ a = 1 }", "{ $.a IS 1 }"]
    {
        assert!(Pattern::parse(text).is_err(), "{text}");
    }
    assert!(Pattern::parse(&format!("{{ {}$.a = 1{} }}", "(".repeat(400), ")".repeat(400))).is_err());
}

const ACCESS: [&str; 3] = [
    "127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] \"GET /index.html HTTP/1.0\" 404 1534",
    "127.0.0.1 Prod frank [10/Oct/2000:13:35:22 -0700] \"GET /apache_pb.gif HTTP/1.0\" 500 5324",
    "127.0.0.1 Prod frank [10/Oct/2000:13:50:35 -0700] \"GET /apache_pb.gif HTTP/1.0\" 200 4355",
];

#[test]
fn fields_are_told_by_spaces_quotes_and_brackets() {
    let rest = "user, username, timestamp";
    assert_eq!(matching(&format!("[ip, {rest}, request, status_code = 4*, bytes]"), &ACCESS), [1]);
    let either = format!("[ip, {rest}, request = *.html*, status_code = 4* || status_code = 5*, bytes]");
    assert_eq!(matching(&either, &ACCESS), [1]);
    assert_eq!(matching(&format!("[ip, {rest}, request, status_code, bytes > 4000]"), &ACCESS), [2, 3]);
    assert_eq!(
        matching(&format!("[ip=%127\\.0\\.0\\.[1-9]%, {rest}, request =*.gif*, status, bytes]"), &ACCESS),
        [2, 3]
    );
    let between = format!("[ip, {rest}, request, status >= 400 && status < 500, bytes]");
    assert_eq!(matching(&between, &ACCESS), [1]);
    assert_eq!(matching(&format!("[ip, {rest}, request, status != 200, bytes]"), &ACCESS), [1, 2]);
    assert_eq!(matching("[ip, user, username = frank, timestamp, request = \"GET /index.html*\", ...]", &ACCESS), [1]);
}

#[test]
fn an_ellipsis_stands_for_fields_nobody_names() {
    assert_eq!(matching("[..., status_code = 4*, bytes]", &ACCESS), [1]);
    assert_eq!(matching("[ip = 127*, ..., bytes = 4355]", &ACCESS), [3]);
    assert_eq!(matching("[a, b, ...]", &["one", "one two", "one two three"]), [2, 3]);
    assert!(Pattern::parse("[..., a, ...]").is_err());
}

#[test]
fn the_last_name_takes_what_is_left() {
    let events = ["ERROR 400 BAD REQUEST", "WARN x", "INFO 401 UNAUTHORIZED REQUEST", "ERROR"];
    assert_eq!(matching("[w1=ERROR, w2]", &events), [1]);
    assert_eq!(matching("[w1!=ERROR&&w1!=WARN, w2]", &events), [3]);
    assert_eq!(matching("[w1, w2 = \"400 *\"]", &events), [1]);
}

#[test]
fn what_a_pattern_names_is_extracted() {
    let extracted = |text: &str, event: &str| pattern(text).extract(event);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        extracted("[ip, user, ..., status_code = 4*, bytes]", ACCESS[0]),
        [pair("$ip", "127.0.0.1"), pair("$user", "Prod"), pair("$status_code", "404"), pair("$bytes", "1534")]
    );
    let json = "{ $.latency > 1 && $.eventType = * && $.users[0].id = 2 }";
    let expected = [pair("$.latency", "50.5"), pair("$.eventType", "UpdateTrail"), pair("$.users[0].id", "2")];
    assert_eq!(extracted(json, TRAIL), expected);
    assert_eq!(extracted("ERROR", REQUESTS[0]), []);
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "[\\[\\]{}()$.*%\"\\\\a1 =<>!&|?,…-]{0,40}", event in "[\\[\\]{}\" a1.:,]{0,40}") {
        if let Ok(pattern) = Pattern::parse(&text) {
            let _ = (pattern.matches(&event), pattern.extract(&event));
        }
    }

    #[test]
    fn a_quoted_term_matches_what_contains_it(term in "\\PC{1,20}", before in "\\PC{0,10}", other in "\\PC{0,20}") {
        let quoted = format!("\"{}\"", term.replace('\\', "\\\\").replace('"', "\\\""));
        let pattern = Pattern::parse(&quoted).expect("quoted");
        let event = format!("{before}{term}{other}");
        prop_assert!(pattern.matches(&event));
        prop_assert_eq!(pattern.matches(&other), other.contains(&term));
        let excluded = Pattern::parse(&format!("-{quoted}")).expect("quoted");
        prop_assert_ne!(excluded.matches(&other), pattern.matches(&other));
    }
}
