//! Any text as a filter pattern and, from the second line on, as events.
//!
//! Nothing may panic, and the empty pattern matches everything.
#![no_main]

use hearth_logs::pattern::Pattern;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let Some(pattern) = lines.next().and_then(|line| Pattern::parse(line).ok()) else { return };
    for event in lines {
        let first = pattern.matches(event);
        assert_eq!(first, pattern.matches(event), "one answer");
        assert!(first || !pattern.is_all(), "the empty pattern matches everything");
        let _ = pattern.extract(event);
    }
});
