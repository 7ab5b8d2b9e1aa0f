//! Any text as an event pattern and, from the second line on, as events; what is no JSON is a wildcard, and texts.
//!
//! Nothing may panic. A pattern says the same whichever way it is written: within `$or`, below another field, member by
//! member; an index of several patterns finds it when asking it does. A wildcard matches what the plainest way of trying everything finds.
#![no_main]

use hearth_event_pattern::{EventPattern, PatternIndex};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let Some(first) = lines.next() else { return };
    match serde_json::from_str::<Value>(first) {
        Ok(pattern) => {
            lines.filter_map(|line| serde_json::from_str(line).ok()).for_each(|event| compare(&pattern, &event))
        }
        Err(_) => lines.for_each(|line| compare_wildcard(first, line)),
    }
});

fn matches(pattern: &Value, event: &Value) -> Option<bool> {
    Some(EventPattern::from_json(pattern).ok()?.matches(event))
}

fn compare(pattern: &Value, event: &Value) {
    let Some(answer) = matches(pattern, event) else { return };
    assert_eq!(matches(&json!({ "$or": [pattern, pattern] }), event), Some(answer), "either of two that are the same");
    assert_eq!(matches(&json!({ "below": pattern }), &json!({ "below": event })), Some(answer), "a field deeper");
    assert_eq!(matches(pattern, &json!([event, event])), Some(answer), "one of the elements");
    assert_eq!(indexed(pattern, event), answer, "by an index");
    if let (Value::Object(members), Value::Object(_)) = (pattern, event) {
        let all = members.iter().all(|(name, value)| matches(&json!({ name: value }), event) == Some(true));
        assert_eq!(all, answer, "member by member");
    }
}

/// Among the patterns of its members, some of which go again.
fn indexed(pattern: &Value, event: &Value) -> bool {
    let mut index = PatternIndex::default();
    let members = pattern.as_object().into_iter().flatten().enumerate();
    let others = members.filter_map(|(number, (name, value))| {
        Some((number + 1, EventPattern::from_json(&json!({ name: value })).ok()?))
    });
    others.for_each(|(number, other)| index.insert(number, other));
    EventPattern::from_json(pattern).into_iter().for_each(|pattern| index.insert(0, pattern));
    (1..100).step_by(2).for_each(|number| drop(index.remove(&number)));
    index.matches(event).contains(&&0)
}

fn compare_wildcard(wildcard: &str, text: &str) {
    let answer = matches(&json!({ "x": [{ "wildcard": wildcard }] }), &json!({ "x": text }));
    assert_eq!(answer, tokens(wildcard).map(|tokens| try_all(&tokens, &text.chars().collect::<Vec<_>>())));
}

/// `None` stands for a star.
fn tokens(wildcard: &str) -> Option<Vec<Option<char>>> {
    let mut tokens = Vec::new();
    let mut chars = wildcard.chars();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' if tokens.last() == Some(&None) => return None,
            '*' => None,
            '\\' => Some(chars.next().filter(|next| "*\\".contains(*next))?),
            c => Some(c),
        });
    }
    Some(tokens)
}

/// Which beginnings of the text the tokens so far match.
fn try_all(tokens: &[Option<char>], text: &[char]) -> bool {
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for token in tokens {
        let mut next = vec![false; text.len() + 1];
        for at in 0..=text.len() {
            next[at] = match token {
                None => reached[at] || (at > 0 && next[at - 1]),
                Some(c) => at > 0 && reached[at - 1] && text[at - 1] == *c,
            };
        }
        reached = next;
    }
    reached[text.len()]
}
