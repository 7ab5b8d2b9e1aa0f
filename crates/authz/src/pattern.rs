//! Text of a policy that requests are held against: with wildcards, and with policy variables.
//!
//! Source: IAM user guide, "IAM policy elements: Variables and tags".

use std::borrow::Cow;

use crate::evaluate::{ConditionKeys, Values};
use crate::glob::{self, Token};

/// How a text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) wildcards: bool,
    /// `*` stays within its segment.
    pub(crate) is_arn: bool,
    /// `${…}` stands for a key's value: version 2012-10-17.
    pub(crate) variables: bool,
    pub(crate) ignores_case: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Tokens(Vec<Token>),
    Variable {
        /// In lower case.
        key: String,
        default: Option<String>,
    },
}

/// A text of a policy, ready to be matched.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    shape: Shape,
    ignores_case: bool,
}

/// How a pattern is matched: most are of the cheap kinds.
#[derive(Clone, Debug)]
enum Shape {
    /// `*`
    Any,
    /// No wildcard.
    Literal(String),
    /// Only stars that match anything: what stands between them must come in this order.
    Pieces {
        first: String,
        middle: Vec<String>,
        last: String,
    },
    /// What it starts with rules out most texts at once.
    Tokens {
        prefix: String,
        rest: Vec<Token>,
    },
    Variables(Vec<Part>),
}

impl Shape {
    fn of(mut parts: Vec<Part>) -> Self {
        let tokens = match parts.as_mut_slice() {
            [] => return Self::Literal(String::new()),
            [Part::Tokens(tokens)] => std::mem::take(tokens),
            _ => return Self::Variables(parts),
        };
        if tokens == [Token::Many { crosses_colons: true }] {
            return Self::Any;
        }
        let literal = |token: &Token| if let Token::Literal(c) = token { Some(*c) } else { None };
        let is_free = |token: &Token| matches!(token, Token::Literal(_) | Token::Many { crosses_colons: true });
        if tokens.iter().all(|token| literal(token).is_some()) {
            return Self::Literal(tokens.iter().filter_map(literal).collect());
        }
        if tokens.iter().all(is_free) {
            let mut pieces = tokens.split(|token| literal(token).is_none()).map(|piece| piece.iter().filter_map(literal).collect());
            let first = pieces.next().unwrap_or_default();
            let mut middle: Vec<String> = pieces.collect();
            let last = middle.pop().unwrap_or_default();
            return Self::Pieces { first, middle, last };
        }
        let prefix: String = tokens.iter().map_while(literal).collect();
        // One token a character.
        let rest = tokens[prefix.chars().count()..].to_vec();
        Self::Tokens { prefix, rest }
    }
}

impl Pattern {
    /// `keys` collects the names of variables, as they are written.
    pub(crate) fn read(text: &str, reading: Reading, keys: &mut Vec<String>) -> Self {
        let folded: Cow<'_, str> = if reading.ignores_case { text.to_lowercase().into() } else { text.into() };
        let mut parts = Vec::new();
        let mut tokens = Vec::new();
        let mut rest: &str = &folded;
        while let Some(c) = rest.chars().next() {
            if reading.variables
                && let Some((variable, behind)) = rest.strip_prefix("${").and_then(|inner| inner.split_once('}'))
            {
                match variable {
                    "*" | "?" | "$" => tokens.extend(variable.chars().map(Token::Literal)),
                    _ => {
                        if !tokens.is_empty() {
                            parts.push(Part::Tokens(std::mem::take(&mut tokens)));
                        }
                        let (key, default) = with_default(variable);
                        keys.push(key.to_owned());
                        parts.push(Part::Variable { key: key.to_lowercase(), default });
                    }
                }
                rest = behind;
                continue;
            }
            rest = &rest[c.len_utf8()..];
            let next = rest.chars().next();
            tokens.push(if reading.wildcards { glob::token(c, next, reading.is_arn) } else { Token::Literal(c) });
        }
        if !tokens.is_empty() {
            parts.push(Part::Tokens(tokens));
        }
        Self { shape: Shape::of(parts), ignores_case: reading.ignores_case }
    }

    /// A variable without value, or with several, matches nothing.
    pub(crate) fn matches(&self, text: &str, keys: &dyn ConditionKeys) -> bool {
        let folded: Cow<'_, str> = if self.ignores_case { text.to_lowercase().into() } else { text.into() };
        self.matches_folded(&folded, keys)
    }

    /// For a text whose case is the pattern's already.
    pub(crate) fn matches_folded(&self, text: &str, keys: &dyn ConditionKeys) -> bool {
        match &self.shape {
            Shape::Any => true,
            Shape::Literal(literal) => text == literal,
            Shape::Pieces { first, middle, last } => in_order(first, middle, last, text),
            Shape::Tokens { prefix, rest } => {
                text.strip_prefix(prefix.as_str()).is_some_and(|text| glob::matches(rest, text))
            }
            Shape::Variables(parts) => {
                Self::expanded(parts, self.ignores_case, keys).is_some_and(|tokens| glob::matches(&tokens, text))
            }
        }
    }

    fn expanded(parts: &[Part], ignores_case: bool, keys: &dyn ConditionKeys) -> Option<Vec<Token>> {
        let mut tokens = Vec::new();
        for part in parts {
            match part {
                Part::Tokens(more) => tokens.extend_from_slice(more),
                Part::Variable { key, default } => {
                    let value: Cow<'_, str> = match keys.values(key) {
                        Some(Values::One(value)) => value,
                        Some(Values::Many(_)) => return None,
                        None => default.as_deref()?.into(),
                    };
                    // Wildcards in a value are plain characters.
                    let folded = if ignores_case { value.to_lowercase().into() } else { value };
                    tokens.extend(folded.chars().map(Token::Literal));
                }
            }
        }
        Some(tokens)
    }
}

/// Whether the text is `first*middle*…*last`. The earliest place of each piece leaves the most room for the next.
fn in_order(first: &str, middle: &[String], last: &str, text: &str) -> bool {
    let Some(text) = text.strip_prefix(first) else { return false };
    let Some(mut text) = text.strip_suffix(last) else { return false };
    for piece in middle {
        let Some(at) = text.find(piece.as_str()) else { return false };
        text = &text[at + piece.len()..];
    }
    true
}

/// `key, 'default'`
fn with_default(variable: &str) -> (&str, Option<String>) {
    let Some((key, default)) = variable.split_once(',') else { return (variable.trim(), None) };
    let default = default.trim();
    let quoted = default.strip_prefix('\'').and_then(|default| default.strip_suffix('\''));
    (key.trim(), quoted.map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Keys;

    impl ConditionKeys for Keys {
        fn values(&self, key: &str) -> Option<Values<'_>> {
            match key {
                "aws:username" => Some(Values::One("ann*".into())),
                "aws:tagkeys" => Some(Values::Many(vec!["a".into()])),
                _ => None,
            }
        }
    }

    const NEW: Reading = Reading { wildcards: true, is_arn: true, variables: true, ignores_case: false };

    fn matches(pattern: &str, reading: Reading, text: &str) -> bool {
        Pattern::read(pattern, reading, &mut Vec::new()).matches(text, &Keys)
    }

    #[test]
    fn a_variable_stands_for_its_value_and_nothing_else() {
        for (pattern, text, expected) in [
            ("b/${aws:username}/*", "b/ann*/x", true),
            ("b/${aws:username}/*", "b/annie/x", false),
            ("${AWS:UserName}", "ann*", true),
            ("${aws:none}", "", false),
            ("a${aws:none, 'x'}c", "axc", true),
            ("${aws:tagkeys}", "a", false),
            ("${*}${?}${$}", "*?$", true),
            ("${*}", "x", false),
            ("${unfinished", "${unfinished", true),
        ] {
            assert_eq!(matches(pattern, NEW, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn the_cheap_ways_decide_as_the_general_one_does() {
        for (pattern, text, expected) in [
            ("ab*ba", "aba", false),
            ("ab*ba", "abba", true),
            ("*a*a*", "a", false),
            ("*a*a*", "xaya", true),
            ("a**b", "ab", true),
            ("**", "", true),
            ("a*:*b", "a:b", true),
        ] {
            assert_eq!(matches(pattern, NEW, text), expected, "{pattern} {text}");
            let tokens = pattern.chars().map(|c| glob::token(c, None, false)).collect::<Vec<_>>();
            assert_eq!(glob::matches(&tokens, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn the_old_version_knows_no_variables() {
        let old = Reading { variables: false, ..NEW };
        assert!(matches("${aws:username}", old, "${aws:username}"));
        assert!(!matches("${aws:username}", old, "ann*"));
    }

    #[test]
    fn a_text_without_wildcards_is_compared_as_it_is() {
        let plain = Reading { wildcards: false, ..NEW };
        assert!(matches("a*", plain, "a*") && !matches("a*", plain, "ab"));
        let folded = Reading { ignores_case: true, ..plain };
        assert!(matches("AbÄ", folded, "aBä"));
        assert!(matches("", NEW, "") && !matches("", NEW, "a"));
    }
}
