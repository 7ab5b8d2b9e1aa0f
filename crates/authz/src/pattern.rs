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

/// What follows the plain text a pattern starts with.
#[derive(Clone, Debug)]
enum Rest {
    Nothing,
    /// One `*` that takes everything.
    Anything,
    Wildcards(Vec<Token>),
    Parts(Vec<Part>),
}

/// A text of a policy, ready to be matched.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    /// What every match starts with: rules out most texts at once.
    prefix: String,
    rest: Rest,
    ignores_case: bool,
}

impl Pattern {
    /// `keys` collects the names of variables, as they are written.
    pub(crate) fn read(text: &str, reading: Reading, keys: &mut Vec<String>) -> Self {
        let mut parts = parts(text, reading, keys);
        let mut prefix = String::new();
        if let Some(Part::Tokens(first)) = parts.first_mut() {
            let plain = first.iter().take_while(|token| matches!(token, Token::Literal(_))).count();
            prefix = first.drain(..plain).filter_map(literal).collect();
            if first.is_empty() {
                parts.remove(0);
            }
        }
        let rest = match parts.as_mut_slice() {
            [] => Rest::Nothing,
            [Part::Tokens(tokens)] => match tokens.as_slice() {
                [Token::Many { crosses_colons: true }] => Rest::Anything,
                _ => Rest::Wildcards(std::mem::take(tokens)),
            },
            _ => Rest::Parts(parts),
        };
        Self { prefix, rest, ignores_case: reading.ignores_case }
    }

    /// A variable without value, or with several, matches nothing.
    pub(crate) fn matches(&self, text: &str, keys: &dyn ConditionKeys) -> bool {
        if self.ignores_case { self.matches_folded(&fold(text), keys) } else { self.matches_folded(text, keys) }
    }

    /// For a text whose case is the pattern's already.
    pub(crate) fn matches_folded(&self, text: &str, keys: &dyn ConditionKeys) -> bool {
        let Some(text) = text.strip_prefix(self.prefix.as_str()) else { return false };
        match &self.rest {
            Rest::Nothing => text.is_empty(),
            Rest::Anything => true,
            Rest::Wildcards(tokens) => glob::matches(tokens, text),
            Rest::Parts(parts) => self.expanded(parts, keys).is_some_and(|tokens| glob::matches(&tokens, text)),
        }
    }

    fn expanded(&self, parts: &[Part], keys: &dyn ConditionKeys) -> Option<Vec<Token>> {
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
                    push_literals(&mut tokens, &value, self.ignores_case);
                }
            }
        }
        Some(tokens)
    }
}

/// Letter by letter, so that parts of a text fold as the whole does.
pub(crate) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().flat_map(char::to_lowercase).collect()
}

fn push_literals(tokens: &mut Vec<Token>, text: &str, ignores_case: bool) {
    if ignores_case {
        tokens.extend(text.chars().flat_map(char::to_lowercase).map(Token::Literal));
    } else {
        tokens.extend(text.chars().map(Token::Literal));
    }
}

fn literal(token: Token) -> Option<char> {
    if let Token::Literal(c) = token { Some(c) } else { None }
}

fn parts(text: &str, reading: Reading, keys: &mut Vec<String>) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut tokens = Vec::new();
    let mut rest = text;
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
        let (one, behind) = rest.split_at(c.len_utf8());
        rest = behind;
        match c {
            '*' | '?' if reading.wildcards => tokens.push(glob::token(c, rest.chars().next(), reading.is_arn)),
            _ => push_literals(&mut tokens, one, reading.ignores_case),
        }
    }
    if !tokens.is_empty() {
        parts.push(Part::Tokens(tokens));
    }
    parts
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
            ("${aws:username}-?", "ann*-x", true),
            ("a/${aws:username}", "a/", false),
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
        assert!(matches("X${AWS:UserName}Y", folded, "xANN*y"));
        assert!(matches("", NEW, "") && !matches("", NEW, "a"));
    }
}
