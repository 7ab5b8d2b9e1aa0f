//! The models' patterns: Java regular expressions, matched against whole values.
//!
//! Java and Rust mostly agree; [`translate`] rewrites what differs. Backtracking is bounded, so that a hostile value
//! costs a bounded time.

use fancy_regex::{Regex, RegexBuilder};

/// Steps a match with look-around may take. Far above what an honest value of the longest member needs.
const BACKTRACK_STEPS_MAX: usize = 200_000;

/// A compiled pattern.
#[derive(Debug)]
pub struct Pattern(Regex);

/// The pattern is not one this engine can run.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(Box<fancy_regex::Error>);

impl Pattern {
    pub(crate) fn compile(java: &str) -> Result<Self, PatternError> {
        let anchored = format!(r"\A(?:{})\z", translate(java));
        RegexBuilder::new(&anchored)
            .backtrack_limit(BACKTRACK_STEPS_MAX)
            .build()
            .map(Self)
            .map_err(|error| PatternError(Box::new(error)))
    }

    /// Whether the whole text matches. A value that costs too many steps does not.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text).unwrap_or(false)
    }
}

/// Java's meaning in Rust's syntax: `\d`, `\w`, `\s` are ASCII, the dot excludes every line terminator, `[` inside a
/// class is literal where Rust would open a nested class, and `--`, `~~` mean nothing special.
/// Source: Java platform API, `java.util.regex.Pattern`; documentation of the `regex` crate.
fn translate(java: &str) -> String {
    let mut rust = String::with_capacity(java.len() + 16);
    let mut in_class = false;
    let mut chars = java.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match (chars.next(), in_class) {
                (Some('d'), false) => rust.push_str("[0-9]"),
                (Some('d'), true) => rust.push_str("0-9"),
                (Some('D'), _) => rust.push_str("[^0-9]"),
                (Some('w'), false) => rust.push_str("[a-zA-Z0-9_]"),
                (Some('w'), true) => rust.push_str("a-zA-Z0-9_"),
                (Some('W'), _) => rust.push_str("[^a-zA-Z0-9_]"),
                (Some('s'), false) => rust.push_str(r"[ \t\n\x0B\f\r]"),
                (Some('s'), true) => rust.push_str(r" \t\n\x0B\f\r"),
                (Some('S'), _) => rust.push_str(r"[^ \t\n\x0B\f\r]"),
                // Escaped letters have meanings; escaped punctuation is itself, but Rust refuses some of it.
                (Some(other), _) if other.is_ascii_punctuation() && !"\\.+*?()|[]{}^$#&-~".contains(other) => {
                    rust.push(other);
                }
                (Some(other), _) => rust.extend(['\\', other]),
                (None, _) => rust.push('\\'),
            },
            '[' if in_class => rust.push_str(r"\["),
            '[' => {
                in_class = true;
                rust.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    rust.push('^');
                }
                // A bracket right behind the opening one is literal.
                if chars.next_if_eq(&']').is_some() {
                    rust.push_str(r"\]");
                }
            }
            ']' if in_class => {
                in_class = false;
                rust.push(']');
            }
            '-' | '~' if in_class && chars.peek() == Some(&c) => rust.extend(['\\', c]),
            '.' if !in_class => rust.push_str(r"[^\n\r\x{85}\x{2028}\x{2029}]"),
            _ => rust.push(c),
        }
    }
    rust
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::compile(pattern).expect("compiles").matches(text)
    }

    #[test]
    fn a_pattern_must_match_the_whole_value() {
        assert!(matches("[0-9]+|LATEST", "LATEST"));
        assert!(!matches("[0-9]+|LATEST", "12x"));
        assert!(!matches("[0-9]+", "12\n"));
    }

    #[test]
    fn look_ahead_works() {
        let alias = "(?!^[0-9]+$)([a-zA-Z0-9-_]+)";
        assert!(matches(alias, "v2024"));
        assert!(!matches(alias, "2024"));
    }

    #[test]
    fn classes_are_ascii_as_in_java() {
        assert!(!matches(r"\d+", "٣"));
        assert!(!matches(r"[\w]+", "é"));
        assert!(matches(r"[^\d]+", "é"));
        assert!(!matches(".*", "a\u{2028}b"));
    }

    #[test]
    fn a_hostile_value_costs_a_bounded_time() {
        let started = std::time::Instant::now();
        assert!(!matches("(?=(a+)+$)(a+)+", &format!("{}b", "a".repeat(2_000))));
        assert!(started.elapsed() < std::time::Duration::from_secs(5));
    }
}
