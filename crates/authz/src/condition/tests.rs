//! Every operator in every form, against the rules of the guide.

use std::borrow::Cow;

use super::Condition;
use crate::evaluate::{ConditionKeys, Values};

/// operator, value in the policy, a value of a request that it matches, one that it does not, whether it is negated.
/// Source: IAM user guide, "IAM JSON policy elements: Condition operators".
const OPERATORS: [(&str, &str, &str, &str, bool); 26] = [
    ("StringEquals", "red", "red", "Red", false),
    ("StringNotEquals", "red", "red", "Red", true),
    ("StringEqualsIgnoreCase", "Red", "rED", "blue", false),
    ("StringNotEqualsIgnoreCase", "Red", "rED", "blue", true),
    ("StringLike", "r?d*", "red-hot", "bred", false),
    ("StringNotLike", "r?d*", "red-hot", "bred", true),
    ("NumericEquals", "5", "5.0", "6", false),
    ("NumericNotEquals", "5", "5.0", "6", true),
    ("NumericLessThan", "5", "4.5", "5", false),
    ("NumericLessThanEquals", "5", "5", "5.1", false),
    ("NumericGreaterThan", "5", "10", "5", false),
    ("NumericGreaterThanEquals", "5", "5", "4", false),
    ("DateEquals", "2026-01-12T00:00:00Z", "1768176000", "1768176001", false),
    ("DateNotEquals", "2026-01-12T00:00:00Z", "1768176000", "1768176001", true),
    ("DateLessThan", "2026-01-12T00:00:00Z", "2026-01-11T23:59:59Z", "1768176000", false),
    ("DateLessThanEquals", "2026-01-12T00:00:00Z", "1768176000", "1768176001", false),
    ("DateGreaterThan", "2026-01-12T00:00:00Z", "1768176001", "1768176000", false),
    ("DateGreaterThanEquals", "2026-01-12T00:00:00Z", "1768176000", "1768175999", false),
    ("Bool", "true", "true", "false", false),
    ("BinaryEquals", "aGVhcnRo", "aGVhcnRo", "SGVhcnRo", false),
    ("IpAddress", "203.0.113.0/24", "203.0.113.7", "203.0.114.7", false),
    ("NotIpAddress", "203.0.113.0/24", "203.0.113.7", "203.0.114.7", true),
    ("ArnEquals", "arn:aws:sns:*:1:t", "arn:aws:sns:us-east-1:1:t", "arn:aws:sqs:us-east-1:1:t", false),
    ("ArnLike", "arn:aws:sns:*:1:t", "arn:aws:sns:us-east-1:1:t", "arn:aws:sns:us-east-1:2:t", false),
    ("ArnNotEquals", "arn:aws:sns:*:1:t", "arn:aws:sns:us-east-1:1:t", "arn:aws:sqs:us-east-1:1:t", true),
    ("ArnNotLike", "arn:aws:sns:*:1:t", "arn:aws:sns:us-east-1:1:t", "arn:aws:sns:us-east-1:2:t", true),
];

/// One key, or none.
struct Key<'a>(Option<Values<'a>>);

impl ConditionKeys for Key<'_> {
    fn values(&self, key: &str) -> Option<Values<'_>> {
        self.0.clone().filter(|_| key == "aws:requesttag/k")
    }
}

fn one(value: &str) -> Key<'_> {
    Key(Some(Values::One(value.into())))
}

fn many<'a>(values: &[&'a str]) -> Key<'a> {
    Key(Some(Values::Many(values.iter().map(|value| Cow::Borrowed(*value)).collect())))
}

fn holds(operator: &str, wanted: &[&str], keys: &Key<'_>) -> bool {
    let wanted: Vec<String> = wanted.iter().map(|value| (*value).to_owned()).collect();
    Condition::read(operator, "aws:RequestTag/k", &wanted, true, &mut Vec::new()).holds(keys)
}

#[test]
fn every_operator_in_every_form_decides_as_the_guide_says() {
    for (operator, wanted, hit, miss, negated) in OPERATORS {
        let positive = !negated;
        let if_exists = format!("{operator}IfExists");
        let any = format!("ForAnyValue:{operator}");
        let all = format!("ForAllValues:{operator}");
        let absent = || Key(None);
        // A negated operator is true exactly where the other is false, also where the key is absent; IfExists is true
        // there; ForAnyValue is false and ForAllValues true of nothing.
        let any_if_exists = format!("{any}IfExists");
        let all_if_exists = format!("{all}IfExists");
        let cases = [
            (operator, one(hit), positive),
            (operator, one(miss), negated),
            (operator, absent(), negated),
            (operator, many(&[miss, hit]), positive),
            (operator, many(&[miss]), negated),
            (&if_exists, one(hit), positive),
            (&if_exists, one(miss), negated),
            (&if_exists, absent(), true),
            (&any, many(&[hit]), positive),
            (&any, many(&[miss]), negated),
            (&any, many(&[hit, miss]), true),
            (&any, many(&[]), false),
            (&any, absent(), false),
            (&any, one(hit), positive),
            (&all, many(&[hit]), positive),
            (&all, many(&[miss]), negated),
            (&all, many(&[hit, miss]), false),
            (&all, many(&[]), true),
            (&all, absent(), true),
            (&all, one(miss), negated),
            // A list without members: as if the key was absent.
            (operator, many(&[]), negated),
            (&if_exists, many(&[]), true),
            (&any_if_exists, absent(), true),
            (&any_if_exists, many(&[]), true),
            (&any_if_exists, many(&[hit, miss]), true),
            (&any_if_exists, many(&[miss]), negated),
            (&all_if_exists, absent(), true),
            (&all_if_exists, many(&[hit, miss]), false),
            (&all_if_exists, many(&[hit]), positive),
        ];
        for (at, (form, keys, expected)) in cases.into_iter().enumerate() {
            assert_eq!(holds(form, &[wanted], &keys), expected, "{form}, case {at}");
        }
    }
}

#[test]
fn several_values_are_alternatives_and_for_negated_operators_none_may_match() {
    assert!(holds("StringEquals", &["a", "b"], &one("b")));
    assert!(!holds("StringEquals", &["a", "b"], &one("c")));
    assert!(!holds("StringNotEquals", &["a", "b"], &one("b")));
    assert!(holds("StringNotEquals", &["a", "b"], &one("c")));
}

#[test]
fn null_asks_whether_the_key_is_there() {
    for (wanted, keys, expected) in [
        ("true", Key(None), true),
        ("true", one("x"), false),
        ("false", one("x"), true),
        ("false", Key(None), false),
        ("true", many(&[]), true),
        ("false", many(&[]), false),
        ("maybe", one("x"), false),
        ("maybe", Key(None), false),
    ] {
        assert_eq!(holds("Null", &[wanted], &keys), expected);
    }
}

#[test]
fn every_operator_of_the_grammar_is_one_here() {
    let document = |operator: &str| {
        format!(
            r#"{{"Statement":{{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{{"{operator}":{{"k":"v"}}}}}}}}"#
        )
    };
    for (operator, ..) in OPERATORS {
        assert!(crate::Policy::parse(&document(operator), crate::PolicyKind::Identity).is_ok(), "{operator}");
    }
}
