//! The index finds what asking each pattern finds.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use serde_json::{Value, json};

use super::*;

fn naive(patterns: &[(usize, EventPattern)], event: &Value) -> Vec<usize> {
    patterns.iter().filter(|(_, pattern)| pattern.matches(event)).map(|(key, _)| *key).collect()
}

fn indexed(index: &PatternIndex<usize>, event: &Value) -> Vec<usize> {
    let mut found: Vec<usize> = index.matches(event).into_iter().copied().collect();
    found.sort_unstable();
    found
}

fn compiled(pattern: &Value) -> EventPattern {
    EventPattern::from_json(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"))
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-1_i64..3).prop_map(Value::from),
        prop_oneof![Just(1.5), Just(2.0), Just(-0.0)].prop_map(Value::from),
        "[abA]{0,2}".prop_map(Value::from),
        prop_oneof![Just("10.0.0.1"), Just("10.0.1.9"), Just("2001:db8::1")].prop_map(Value::from),
    ]
}

fn event() -> impl Strategy<Value = Value> {
    let object = |inner: BoxedStrategy<Value>| {
        prop::collection::btree_map("[ab]", inner, 1..3)
            .prop_map(|members| Value::Object(members.into_iter().collect()))
            .boxed()
    };
    let leaf = prop_oneof![2 => scalar(), 1 => prop::collection::vec(scalar(), 0..4).prop_map(Value::from)].boxed();
    let any = leaf.prop_recursive(3, 12, 3, move |inner| {
        prop_oneof![3 => object(inner.clone()), 1 => prop::collection::vec(inner, 0..3).prop_map(Value::from)]
    });
    object(any.boxed())
}

fn rule() -> impl Strategy<Value = Value> {
    let text = || "[abA]{1,2}";
    prop_oneof![
        6 => scalar(),
        1 => text().prop_map(|text| json!({"prefix": text})),
        1 => text().prop_map(|text| json!({"prefix": {"equals-ignore-case": text}})),
        1 => text().prop_map(|text| json!({"suffix": text})),
        1 => text().prop_map(|text| json!({"suffix": {"equals-ignore-case": text}})),
        1 => text().prop_map(|text| json!({"equals-ignore-case": text})),
        1 => "(\\*?[abA]){0,3}\\*?".prop_map(|text| json!({"wildcard": text})),
        1 => scalar().prop_filter("a text or number", |value| value.is_string() || value.is_number())
            .prop_map(|value| json!({"anything-but": value})),
        1 => text().prop_map(|text| json!({"anything-but": {"prefix": text}})),
        1 => any::<bool>().prop_map(|is| json!({"exists": is})),
        1 => (-3_i64..4).prop_map(|number| json!({"numeric": ["=", number]})),
        1 => (-3_i64..4).prop_map(|number| json!({"numeric": [">", number]})),
        1 => (-3_i64..2, 1_i64..3).prop_map(|(low, span)| json!({"numeric": [">=", low, "<", low + span]})),
        1 => prop_oneof![Just("10.0.0.0/24"), Just("10.0.0.0/8"), Just("2001:db8::/32")]
            .prop_map(|block| json!({"cidr": block})),
    ]
}

fn pattern() -> impl Strategy<Value = Value> {
    let rules = prop::collection::vec(rule(), 1..5).prop_map(Value::from).boxed();
    let fields = |inner: BoxedStrategy<Value>| {
        prop::collection::btree_map("[ab]", inner, 1..2)
            .prop_map(|members| Value::Object(members.into_iter().collect()))
            .boxed()
    };
    let nested = rules.prop_recursive(2, 8, 2, move |inner| {
        let object = fields(inner).boxed();
        let or = (object.clone(), prop::collection::vec(object.clone(), 2..3)).prop_map(|(mut object, any)| {
            object["$or"] = any.into();
            object
        });
        prop_oneof![3 => object, 1 => or]
    });
    prop::collection::btree_map("[ab]", nested, 1..2).prop_map(|members| Value::Object(members.into_iter().collect()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn indexed_is_naive_whatever_the_patterns_and_events(
        patterns in prop::collection::vec(pattern(), 1..40),
        events in prop::collection::vec(event(), 1..12),
        gone in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut all: Vec<(usize, EventPattern)> = patterns.iter().map(compiled).enumerate().collect();
        let mut index = PatternIndex::default();
        all.iter().for_each(|(key, pattern)| index.insert(*key, pattern.clone()));
        for event in &events {
            prop_assert_eq!(indexed(&index, event), naive(&all, event), "{}", event);
        }
        // Some go, and one comes in the place of another.
        for gone in &gone {
            let key = gone.index(patterns.len());
            let was_there = all.iter().any(|(known, _)| *known == key);
            prop_assert_eq!(index.remove(&key), was_there);
            all.retain(|(known, _)| *known != key);
        }
        if let Some((key, pattern)) = all.first().cloned() {
            index.insert(key, all.last().expect("the same at least").1.clone());
            all[0].1 = all.last().expect("the same at least").1.clone();
            drop(pattern);
        }
        for event in &events {
            prop_assert_eq!(indexed(&index, event), naive(&all, event), "{}", event);
        }
        // Nothing is left of what is gone.
        for (key, _) in &all {
            index.remove(key);
        }
        prop_assert!(index.is_empty() && index.known.is_empty() && index.buckets.is_empty());
        prop_assert!(index.of_absence.is_empty() && index.whole.is_empty());
        prop_assert_eq!(index.conditions.places.iter().flatten().count(), 0);
    }
}

/// A property that nothing ever comes under would say nothing.
#[test]
fn what_is_generated_matches_often_also_in_arrays_of_objects() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut matches, mut ambiguous) = (0_usize, 0_usize);
    for _ in 0..400 {
        let patterns = prop::collection::vec(pattern(), 20).new_tree(&mut runner).expect("a tree").current();
        let event = event().new_tree(&mut runner).expect("a tree").current();
        let all: Vec<(usize, EventPattern)> = patterns.iter().map(compiled).enumerate().collect();
        let found = naive(&all, &event).len();
        matches += found;
        let mut index = PatternIndex::default();
        all.iter().for_each(|(key, pattern)| index.insert(*key, pattern.clone()));
        ambiguous += usize::from(found > 0 && index.paths.leaves(&event).is_ambiguous);
    }
    assert!(matches > 400, "{matches}");
    assert!(ambiguous > 10, "{ambiguous}");
}

#[test]
fn a_pattern_of_very_many_combinations_is_asked_by_itself() {
    let alternative = |name: &str| (0..40).map(|value| json!({name: [value]})).collect::<Vec<_>>();
    let pattern = json!({"a": {"$or": alternative("x")}, "b": {"$or": alternative("y")}});
    let mut index = PatternIndex::default();
    index.insert(1, compiled(&pattern));
    assert_eq!(index.whole.len(), 1);
    assert_eq!(indexed(&index, &json!({"a": {"x": 3}, "b": {"y": 39}})), [1]);
    assert!(indexed(&index, &json!({"a": {"x": 3}, "b": {"y": 40}})).is_empty());
    assert!(index.remove(&1) && index.whole.is_empty());
}

#[test]
fn fields_of_two_objects_do_not_match_together() {
    let mut index = PatternIndex::default();
    index.insert(1, compiled(&json!({"items": {"name": ["a"], "size": [9]}})));
    index.insert(2, compiled(&json!({"items": {"name": ["a"], "size": [{"exists": false}]}})));
    assert!(indexed(&index, &json!({"items": [{"name": "a", "size": 1}, {"name": "b", "size": 9}]})).is_empty());
    assert_eq!(indexed(&index, &json!({"items": [{"name": "a", "size": 9}, {"name": "b"}]})), [1]);
    assert_eq!(indexed(&index, &json!({"items": [{"name": "a"}, {"name": "b", "size": 9}]})), [2]);
}
