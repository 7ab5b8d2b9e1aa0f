//! Kinds and places of faults. Places are those of the real service, recorded; its words are EventBridge's matter.

use super::*;

#[track_caller]
fn fault(text: &str, fault: Fault, column: usize) {
    let place = Some(Place { line: 1, column });
    assert_eq!(EventPattern::parse(text), Err(PatternError { fault, place, is_in_list: false }), "{text}");
}

#[test]
fn a_fault_is_behind_what_was_read_last() {
    fault(r#"["not", "a", "dict"]"#, Fault::NoObject, 2);
    fault("{'bad': 'quotation'}", Fault::NoName { character: '\'' }, 2);
    fault(r#"{"not": closed mark""#, Fault::Word { word: "closed".to_owned() }, 15);
    fault(r#"{"resources": []}"#, Fault::EmptyArray, 17);
    fault(r#"{"int": 42}"#, Fault::Scalar { name: "int".to_owned() }, 11);
    // A text that is of no use is not read to its end, and the beginning of a value comes with its name.
    fault(r#"{"string": "my-value"}"#, Fault::Scalar { name: "string".to_owned() }, 13);
    fault(r#"{"my_key": [{"EXISTS": true}]}"#, Fault::UnknownOperator { name: "EXISTS".to_owned() }, 28);
}

#[test]
fn elements_of_lists_behind_anything_but_are_marked() {
    let text = r#"{"detail": {"state": [{"anything-but": ["stopped", null]}]}}"#;
    let place = Some(Place { line: 1, column: 56 });
    let expected = PatternError { fault: Fault::AnythingButElement, place, is_in_list: true };
    assert_eq!(EventPattern::parse(text), Err(expected));
}

#[test]
fn lines_and_units_of_utf_16_are_counted() {
    let error = EventPattern::parse("{\n \"a\": [\"\u{1f600}\"],\n \"\u{1f600}\": 1}").expect_err("a fault");
    assert_eq!(error.place, Some(Place { line: 3, column: 9 }));
}

#[test]
fn what_is_no_json_is_no_pattern() {
    for text in [
        r#"{"a": ["x"]} x"#,
        r#"{"a": ["x"],}"#,
        r#"{"a": ["x",]}"#,
        r#"{"a": ["x" "y"]}"#,
        r#"{"a" ["x"]}"#,
        r#"{"a": ["x"]"#,
        r#"{"a": ["x"#,
        r#"{"a": ["\q"]}"#,
        r#"{"a": [01]}"#,
        r#"{"a": [-]}"#,
        r#"{"a": [1.]}"#,
        "{\"a\": [\"\n\"]}",
        "{\"a\n\": [1]}",
        r#"{"a": [nul]}"#,
    ] {
        assert!(EventPattern::parse(text).is_err(), "{text}");
    }
    let deep = format!("{}1{}", r#"{"a":"#.repeat(200), "}".repeat(200));
    assert_eq!(EventPattern::parse(&deep).map_err(|error| error.fault), Err(Fault::Depth { max: 127 }));
}

#[test]
fn of_a_name_that_comes_twice_the_last_one_counts() {
    check(json!({"a": ["y"]}), &[json!({"a": "y"})], &[json!({"a": "x"})]);
    let pattern = EventPattern::parse(r#"{"a": ["x"], "a": ["y"]}"#).expect("a pattern");
    assert!(pattern.matches(&json!({"a": "y"})) && !pattern.matches(&json!({"a": "x"})));
}

proptest! {
    /// The reader and `serde_json` are of one mind about what JSON is.
    #[test]
    fn what_is_read_is_json(text in "[{}\\[\\]\":,a1.e\\-\\\\ ntrul]{0,24}") {
        let read = EventPattern::parse(&format!("{{\"k\": [{text}]}}"));
        let json = serde_json::from_str::<Value>(&format!("{{\"k\": [{text}]}}"));
        prop_assert!(read.is_err() || json.is_ok());
    }
}
