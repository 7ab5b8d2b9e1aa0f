//! How many events a second one core matches against 10,000 patterns of mixed kinds, indexed and one by one.
//!
//! `cargo run --release -p hearth-event-pattern --example ten_thousand_rules`

use std::hint::black_box;
use std::time::{Duration, Instant};

use hearth_event_pattern::{EventPattern, PatternIndex};
use serde_json::{Value, json};

const RULES: usize = 10_000;
const EVENTS: usize = 1_000;
const GOAL: f64 = 50_000.0;
const AT_LEAST: Duration = Duration::from_secs(3);

/// Ten kinds in turn. Some hold for one event in a hundred, some for nearly none, one in 200 of a kind that holds often.
fn pattern(number: usize) -> Value {
    let (account, state) = (format!("{:012}", number % 500), format!("state-{}", number % 40));
    match number % 10 {
        0 => json!({"source": ["my.app"], "detail": {"id": [format!("order-{number}")]}}),
        1 => json!({"source": [{"prefix": format!("my.{}", number % 300)}], "detail-type": ["order"]}),
        2 => json!({"detail": {"key": [{"suffix": format!("{number}.png")}], "state": [state]}}),
        3 => json!({"source": ["my.app"], "detail": {"amount": [{"numeric": [">=", number, "<", number + 20]}]}}),
        4 => json!({"account": [account], "detail": {"state": [{"anything-but": [state]}]}}),
        5 => json!({"detail": {"key": [{"wildcard": format!("img/{}/*/{}.png", number % 100, number)}]}}),
        6 => {
            json!({"source": ["my.app"], "detail": {"ip": [{"cidr": format!("10.{}.{}.0/24", number % 250, number % 199)}]}})
        }
        7 => {
            json!({"detail-type": [{"equals-ignore-case": format!("Kind-{number}")}], "detail": {"x": [{"exists": false}]}})
        }
        8 => json!({"account": [account], "$or": [{"detail": {"state": [state]}}, {"detail": {"amount": [number]}}]}),
        _ if number.is_multiple_of(200) => json!({"source": ["my.app"], "detail": {"state": [{"exists": true}]}}),
        _ => json!({"source": ["my.app", "other"], "account": [account], "resources": [format!("arn:{number}")]}),
    }
}

fn event(number: usize) -> Value {
    let spread = number * 7_919 % RULES;
    json!({
        "version": "0", "id": format!("id-{number}"), "detail-type": "order", "source": "my.app",
        "account": format!("{:012}", spread % 500), "time": "2026-01-12T15:37:12Z", "region": "us-east-1",
        "resources": [format!("arn:{spread}"), "arn:other"],
        "detail": {
            "id": format!("order-{spread}"), "amount": spread, "state": format!("state-{}", spread % 40),
            "key": format!("img/{}/x/{spread}.png", spread % 100), "ip": format!("10.{}.{}.7", spread % 250, spread % 199),
            "customer": {"name": "somebody", "tier": spread % 3}, "lines": [1, 2, 3],
        },
    })
}

fn rate(events: &[Value], mut matches: impl FnMut(&Value) -> usize) -> (f64, f64) {
    let (began, mut asked, mut found) = (Instant::now(), 0_u32, 0_usize);
    while began.elapsed() < AT_LEAST {
        for event in events.iter().take(100).cycle().skip(asked as usize % events.len()).take(100) {
            found += black_box(matches(event));
            asked += 1;
        }
    }
    (f64::from(asked) / began.elapsed().as_secs_f64(), found as f64 / f64::from(asked))
}

fn main() {
    let patterns: Vec<EventPattern> =
        (0..RULES).filter_map(|number| EventPattern::from_json(&pattern(number)).ok()).collect();
    assert_eq!(patterns.len(), RULES, "each is a pattern");
    let events: Vec<Value> = (0..EVENTS).map(event).collect();
    let mut index = PatternIndex::default();
    let began = Instant::now();
    for (number, pattern) in patterns.iter().enumerate() {
        index.insert(number, pattern.clone());
    }
    println!("{RULES} patterns of ten kinds put into the index in {:?}", began.elapsed());
    for event in &events {
        let naive = patterns.iter().filter(|pattern| pattern.matches(event)).count();
        assert_eq!(index.matches(event).len(), naive, "{event}");
    }
    let (indexed, found) = rate(&events, |event| index.matches(event).len());
    let (naive, _) = rate(&events, |event| patterns.iter().filter(|pattern| pattern.matches(event)).count());
    println!(
        "{indexed:.0} events/s on one core, {found:.1} matches an event ({naive:.0} events/s one pattern after the other)"
    );
    println!("goal {GOAL:.0} events/s: {}", if indexed >= GOAL { "reached" } else { "missed" });
}
