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
    parts: Vec<Part>,
    /// What every match starts with: rules out most texts at once.
    prefix: String,
    /// There is nothing but the prefix.
    is_literal: bool,
    ignores_case: bool,
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
        let first = match parts.first() {
            Some(Part::Tokens(tokens)) => tokens.as_slice(),
            _ => &[],
        };
        let literal = |token: &Token| if let Token::Literal(c) = token { Some(*c) } else { None };
        let prefix: String = first.iter().map_while(literal).collect();
        let is_literal = parts.is_empty() || parts.len() == 1 && first.iter().all(|token| literal(token).is_some());
        let is_literal = is_literal && !matches!(parts.first(), Some(Part::Variable { .. }));
        Self { parts, prefix, is_literal, ignores_case: reading.ignores_case }
    }

    /// A variable without value, or with several, matches nothing.
    pub(crate) fn matches(&self, text: &str, keys: &dyn ConditionKeys) -> bool {
        let folded: Cow<'_, str> = if self.ignores_case { text.to_lowercase().into() } else { text.into() };
        self.matches_folded(&folded, keys)
    }

    /// For a text whose case is the pattern's already.
    pub(crate) fn matches_folded(&self, text: &str, keys: &dyn ConditionKeys) -> bool {
        if self.is_literal {
            return text == self.prefix;
        }
        if !text.starts_with(self.prefix.as_str()) {
            return false;
        }
        match self.parts.as_slice() {
            [Part::Tokens(tokens)] => {
                // One token a character: the prefix takes as many.
                glob::matches(&tokens[self.prefix.chars().count()..], &text[self.prefix.len()..])
            }
            parts => Self::expanded(parts, self.ignores_case, keys).is_some_and(|tokens| glob::matches(&tokens, text)),
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
