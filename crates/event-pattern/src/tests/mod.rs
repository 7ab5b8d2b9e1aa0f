//! Expected answers are those of the EventBridge user guide; properties hold for whatever is generated.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

mod documented;
mod faults;

#[track_caller]
fn check(pattern: Value, matching: &[Value], other: &[Value]) {
    let compiled = EventPattern::from_json(&pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    for event in matching {
        assert!(compiled.matches(event), "{pattern} must match {event}");
    }
    for event in other {
        assert!(!compiled.matches(event), "{pattern} must not match {event}");
    }
}

/// `{"a": [RULE]}` against events whose `a` is each of these.
#[track_caller]
fn rule(rule: Value, matching: &[Value], other: &[Value]) {
    let events = |values: &[Value]| values.iter().map(|value| json!({"a": value})).collect::<Vec<_>>();
    check(json!({"a": [rule]}), &events(matching), &events(other));
}

#[test]
fn every_field_must_match_and_one_of_its_values_is_enough() {
    let pattern = json!({"source": ["aws.ec2", "aws.s3"], "detail": {"state": ["terminated"]}});
    check(
        pattern,
        &[
            json!({"source": "aws.ec2", "detail": {"state": "terminated", "more": 1}, "more": 2}),
            json!({"source": "aws.s3", "detail": {"state": "terminated"}}),
        ],
        &[
            json!({"source": "aws.ec2", "detail": {"state": "running"}}),
            json!({"source": "aws.iam", "detail": {"state": "terminated"}}),
            json!({"detail": {"state": "terminated"}}),
            json!({"source": "aws.ec2", "detail": "terminated"}),
            json!({"source": "aws.ec2"}),
            json!("aws.ec2"),
        ],
    );
}

#[test]
fn exact_values_differ_by_kind_and_case() {
    rule(json!("x"), &[json!("x"), json!(["y", "x"]), json!([["x"]])], &[json!("X"), json!(["y"]), json!({"x": 1})]);
    rule(json!(""), &[json!("")], &[json!(null), json!(" ")]);
    rule(json!(null), &[json!(null)], &[json!("null"), json!("")]);
    rule(json!(true), &[json!(true)], &[json!("true"), json!(1), json!(false)]);
    rule(json!(300), &[json!(300), json!(300.0), json!(3e2)], &[json!("300"), json!(301)]);
    rule(json!(9_007_199_254_740_993_u64), &[json!(9_007_199_254_740_993_u64)], &[json!(9_007_199_254_740_992_u64)]);
}

#[test]
fn texts_have_beginnings_ends_and_cases() {
    rule(json!({"prefix": "us-"}), &[json!("us-east-1")], &[json!("eu-us-"), json!("US-east-1"), json!(1)]);
    rule(
        json!({"prefix": {"equals-ignore-case": "EventB"}}),
        &[json!("eventbridge"), json!("EVENTB")],
        &[json!("xeventb")],
    );
    rule(json!({"suffix": ".png"}), &[json!("a.png")], &[json!("a.png.gz"), json!("a.PNG")]);
    rule(json!({"suffix": {"equals-ignore-case": ".png"}}), &[json!("a.PNG"), json!("b.png")], &[json!("png")]);
    rule(json!({"equals-ignore-case": "alice"}), &[json!("Alice"), json!("ALICE")], &[json!("alices"), json!(null)]);
}

#[test]
fn a_star_stands_for_any_number_of_characters() {
    let files = json!({"wildcard": "dir/*.png"});
    rule(
        files,
        &[json!("dir/a.png"), json!("dir/.png"), json!("dir/b/c.png")],
        &[json!("dir/a.jpg"), json!("x/dir/a.png")],
    );
    rule(json!({"wildcard": "*/lib/*"}), &[json!("/usr/lib/x"), json!("/lib/")], &[json!("lib/x"), json!("/library")]);
    rule(json!({"wildcard": r"a\*b"}), &[json!("a*b")], &[json!("axb"), json!(r"a\*b")]);
    rule(json!({"wildcard": r"a\\*"}), &[json!(r"a\b"), json!(r"a\")], &[json!("ab")]);
    rule(json!({"wildcard": "aba*aba"}), &[json!("abaaba"), json!("aba-aba")], &[json!("aba"), json!("ababa")]);
    rule(json!({"wildcard": "plain"}), &[json!("plain")], &[json!("plain ")]);
}

#[test]
fn anything_but_takes_values_lists_and_operators() {
    rule(json!({"anything-but": "initializing"}), &[json!("stopped"), json!(1), json!(null)], &[json!("initializing")]);
    rule(json!({"anything-but": 123}), &[json!(124), json!("123")], &[json!(123), json!(123.0)]);
    rule(json!({"anything-but": ["stopped", "overloaded"]}), &[json!("ok")], &[json!("stopped"), json!("overloaded")]);
    rule(json!({"anything-but": [100, 200]}), &[json!(300)], &[json!(100), json!(200)]);
    rule(json!({"anything-but": {"prefix": "us-"}}), &[json!("eu-west-1")], &[json!("us-east-1")]);
    rule(json!({"anything-but": {"suffix": ".png"}}), &[json!("a.jpg")], &[json!("a.png")]);
    rule(json!({"anything-but": {"prefix": ["a", "b"]}}), &[json!("c")], &[json!("ab"), json!("ba")]);
    rule(json!({"anything-but": {"equals-ignore-case": "Init"}}), &[json!("x")], &[json!("INIT"), json!("init")]);
    rule(json!({"anything-but": {"equals-ignore-case": ["a", "b"]}}), &[json!("c")], &[json!("A"), json!("B")]);
    rule(json!({"anything-but": {"wildcard": "*/lib/*"}}), &[json!("/usr/bin")], &[json!("/usr/lib/x")]);
    // A field that is not there is not anything.
    check(json!({"a": [{"anything-but": "x"}]}), &[], &[json!({"b": 1}), json!({"a": {"b": 1}}), json!({"a": []})]);
    check(json!({"a": [{"anything-but": {"prefix": "x"}}]}), &[], &[json!({"b": 1})]);
}

#[test]
fn numbers_are_compared_by_value() {
    rule(json!({"numeric": ["=", 100]}), &[json!(100), json!(1e2)], &[json!(101), json!("100")]);
    rule(json!({"numeric": [">", 10, "<=", 20]}), &[json!(10.5), json!(20)], &[json!(10), json!(20.000_001)]);
    rule(json!({"numeric": [">=", -3.5]}), &[json!(-3.5), json!(0)], &[json!(-3.6), json!(null)]);
    rule(json!({"numeric": ["<", 0]}), &[json!(-1)], &[json!(0)]);
}

#[test]
fn fields_exist_when_they_have_a_value_and_null_is_one() {
    check(
        json!({"a": {"b": [{"exists": true}]}}),
        &[json!({"a": {"b": 1}}), json!({"a": {"b": null}}), json!({"a": {"b": ["x"]}})],
        &[json!({"a": {}}), json!({}), json!({"a": {"b": {"c": 1}}}), json!({"a": 1})],
    );
    check(
        json!({"a": {"b": [{"exists": false}]}}),
        &[json!({"a": {}}), json!({}), json!({"a": 1}), json!({"x": 1})],
        &[json!({"a": {"b": 1}}), json!({"a": {"b": null}})],
    );
    check(json!({"a": ["x", {"exists": false}]}), &[json!({}), json!({"a": "x"})], &[json!({"a": "y"})]);
}

#[test]
fn addresses_are_in_blocks() {
    rule(
        json!({"cidr": "10.0.0.0/24"}),
        &[json!("10.0.0.0"), json!("10.0.0.255")],
        &[json!("10.0.1.0"), json!("x"), json!("::1")],
    );
    rule(json!({"cidr": "0.0.0.0/0"}), &[json!("255.255.255.255")], &[json!("2001:db8::1")]);
    rule(json!({"cidr": "10.1.2.3/32"}), &[json!("10.1.2.3")], &[json!("10.1.2.4")]);
    rule(json!({"cidr": "2001:db8::/32"}), &[json!("2001:db8:ffff::1")], &[json!("2001:db9::1")]);
    rule(json!({"cidr": "::/0"}), &[json!("ffff::")], &[json!("10.0.0.1")]);
}

#[test]
fn one_alternative_of_each_or_is_enough() {
    let pattern = json!({
        "source": ["aws.cloudwatch"],
        "$or": [{"metric": [{"prefix": "AWS/"}]}, {"metric": ["CPU"], "detail": {"load": [{"numeric": [">", 9]}]}}],
    });
    check(
        pattern,
        &[
            json!({"source": "aws.cloudwatch", "metric": "AWS/EC2"}),
            json!({"source": "aws.cloudwatch", "metric": "CPU", "detail": {"load": 10}}),
        ],
        &[
            json!({"metric": "AWS/EC2"}),
            json!({"source": "aws.cloudwatch", "metric": "CPU", "detail": {"load": 9}}),
            json!({"source": "aws.cloudwatch"}),
        ],
    );
    let nested = json!({"detail": {"$or": [{"a": [1]}, {"$or": [{"b": [2]}, {"c": [3]}]}]}});
    check(nested, &[json!({"detail": {"c": 3}}), json!({"detail": {"a": 1}})], &[json!({"detail": {"c": 2}})]);
}

#[test]
fn fields_of_objects_in_an_array_match_within_one_of_them() {
    let pattern = json!({"items": {"name": ["a"], "size": [{"numeric": [">", 5]}]}});
    check(
        pattern,
        &[
            json!({"items": [{"name": "b", "size": 9}, {"name": "a", "size": 6}]}),
            json!({"items": {"name": "a", "size": 6}}),
        ],
        &[json!({"items": [{"name": "a", "size": 1}, {"name": "b", "size": 9}]}), json!({"items": []})],
    );
}

#[test]
fn what_is_no_pattern_is_refused() {
    for text in [
        "",
        "x",
        "[]",
        "1",
        "{}",
        r#"{"a": "x"}"#,
        r#"{"a": 1}"#,
        r#"{"a": null}"#,
        r#"{"a": []}"#,
        r#"{"a": {}}"#,
        r#"{"a": [["x"]]}"#,
        r#"{"a": [{}]}"#,
        r#"{"a": [{"prefix": "x", "suffix": "y"}]}"#,
        r#"{"a": [{"like": "x"}]}"#,
        r#"{"a": [{"prefix": 1}]}"#,
        r#"{"a": [{"suffix": ["x"]}]}"#,
        r#"{"a": [{"prefix": {"suffix": "x"}}]}"#,
        r#"{"a": [{"wildcard": "x**y"}]}"#,
        r#"{"a": [{"wildcard": "x\\y"}]}"#,
        r#"{"a": [{"wildcard": 1}]}"#,
        r#"{"a": [{"equals-ignore-case": null}]}"#,
        r#"{"a": [{"exists": "true"}]}"#,
        r#"{"a": [{"cidr": "10.0.0.0"}]}"#,
        r#"{"a": [{"cidr": "10.0.0.0/33"}]}"#,
        r#"{"a": [{"cidr": "x/8"}]}"#,
        r#"{"a": [{"anything-but": []}]}"#,
        r#"{"a": [{"anything-but": ["x", 1]}]}"#,
        r#"{"a": [{"anything-but": true}]}"#,
        r#"{"a": [{"anything-but": {}}]}"#,
        r#"{"a": [{"anything-but": {"numeric": ["=", 1]}}]}"#,
        r#"{"a": [{"numeric": []}]}"#,
        r#"{"a": [{"numeric": ["=", "1"]}]}"#,
        r#"{"a": [{"numeric": ["!=", 1]}]}"#,
        r#"{"a": [{"numeric": [">", 5, "<", 1]}]}"#,
        r#"{"a": [{"numeric": ["<", 5, ">", 1]}]}"#,
        r#"{"a": [{"numeric": [">", 1, ">", 2]}]}"#,
        r#"{"a": [{"numeric": ["=", 1, "<", 2]}]}"#,
        r#"{"a": [{"numeric": ["=", 5000000001]}]}"#,
        r#"{"a": [{"numeric": [">", 1, "<", 3, "<", 2]}]}"#,
        r#"{"$or": [{"a": [1]}]}"#,
        r#"{"$or": [{"a": [1]}, "x"]}"#,
        r#"{"$or": [{"a": [1]}, {}]}"#,
    ] {
        assert!(EventPattern::parse(text).is_err(), "{text}");
    }
}

/// The definition of a wildcard, letter by letter.
fn is_like(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('*', rest)) => (0..=text.len()).any(|taken| is_like(rest, &text[taken..])),
        Some((c, rest)) => text.first() == Some(c) && is_like(rest, &text[1..]),
    }
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-1_000_i64..1_000).prop_map(Value::from),
        "[a-c*]{0,4}".prop_map(Value::from),
    ]
}

fn event() -> impl Strategy<Value = Value> {
    let object = |inner: BoxedStrategy<Value>| {
        prop::collection::btree_map("[a-d]", inner, 1..4)
            .prop_map(|members| Value::Object(members.into_iter().collect()))
    };
    let leaf = prop_oneof![scalar(), prop::collection::vec(scalar(), 1..3).prop_map(Value::from)].boxed();
    object(leaf.prop_recursive(3, 16, 4, object).boxed())
}

/// The pattern that names every value of an event.
fn naming(event: &Value) -> Value {
    match event {
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), naming(value))).collect())
        }
        Value::Array(values) => Value::from(values.clone()),
        scalar => json!([scalar]),
    }
}

proptest! {
    #[test]
    fn an_event_matches_the_pattern_that_names_its_values_and_more_fields_change_nothing(event in event()) {
        let pattern = EventPattern::from_json(&naming(&event)).expect("a pattern");
        prop_assert!(pattern.matches(&event));
        let mut more = event.clone();
        more["zzz"] = json!({"new": [1, 2]});
        prop_assert!(pattern.matches(&more));
    }

    #[test]
    fn anything_but_a_value_is_the_opposite_of_the_value(value in "[a-b]{1,3}", field in scalar()) {
        let holds = |rule: Value| EventPattern::from_json(&json!({"f": [rule]})).expect("a pattern").matches(&json!({"f": field}));
        prop_assert_ne!(holds(json!(value)), holds(json!({"anything-but": value})));
        for operator in ["prefix", "suffix", "equals-ignore-case"] {
            prop_assert_ne!(holds(json!({operator: value})), holds(json!({"anything-but": {operator: value}})));
        }
    }

    #[test]
    fn wildcards_match_as_they_are_defined(pattern in "(\\*?[a-b]){0,4}\\*?", text in "[a-b]{0,8}") {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        let compiled = EventPattern::from_json(&json!({"f": [{"wildcard": pattern}]})).expect("a pattern");
        prop_assert_eq!(compiled.matches(&json!({"f": text})), is_like(&chars(&pattern), &chars(&text)));
    }

    #[test]
    fn ranges_hold_what_is_between_their_bounds(low in -50_i32..50, span in 1_i32..50, number in -120_i32..120) {
        let high = low + span;
        let compiled = EventPattern::from_json(&json!({"f": [{"numeric": [">=", low, "<", high]}]})).expect("a pattern");
        prop_assert_eq!(compiled.matches(&json!({"f": number})), (low..high).contains(&number));
    }

    #[test]
    fn whatever_is_sent_is_a_pattern_or_is_refused(text in "\\PC{0,60}", json in event()) {
        let _ = EventPattern::parse(&text);
        let _ = EventPattern::from_json(&json);
    }
}
