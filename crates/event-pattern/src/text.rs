//! Rules about texts: beginnings, ends, case and wildcards.

use std::fmt;

use crate::fault::Fault;

/// What asks for a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Prefix,
    Suffix,
    EqualsIgnoreCase,
    Wildcard,
}

impl Operator {
    const ALL: [Self; 4] = [Self::Prefix, Self::Suffix, Self::EqualsIgnoreCase, Self::Wildcard];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operator| operator.as_str() == name)
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prefix => "prefix",
            Self::Suffix => "suffix",
            Self::EqualsIgnoreCase => "equals-ignore-case",
            Self::Wildcard => "wildcard",
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Cases are ignored by comparing lower-case forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TextRule {
    Equals { lower: String },
    Prefix { text: String },
    PrefixIgnoringCase { lower: String },
    Suffix { text: String },
    SuffixIgnoringCase { lower: String },
    Wildcard(Wildcard),
}

impl TextRule {
    /// # Errors
    /// [`Fault::Stars`] or [`Fault::Escape`].
    pub(crate) fn new(operator: Operator, text: String) -> Result<Self, Fault> {
        Ok(match operator {
            Operator::Prefix => Self::Prefix { text },
            Operator::Suffix => Self::Suffix { text },
            Operator::EqualsIgnoreCase => Self::Equals { lower: text.to_lowercase() },
            Operator::Wildcard => Self::Wildcard(Wildcard::parse(&text)?),
        })
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Equals { lower } => text.to_lowercase() == *lower,
            Self::Prefix { text: prefix } => text.starts_with(prefix),
            Self::PrefixIgnoringCase { lower } => text.to_lowercase().starts_with(lower),
            Self::Suffix { text: suffix } => text.ends_with(suffix),
            Self::SuffixIgnoringCase { lower } => text.to_lowercase().ends_with(lower),
            Self::Wildcard(wildcard) => wildcard.matches(text),
        }
    }
}

/// A text in which `*` stands for any number of characters: what is between the stars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wildcard(Vec<String>);

impl Wildcard {
    /// # Errors
    /// [`Fault::Stars`]: two stars in a row. [`Fault::Escape`]: a backslash before anything else than one of its kind or a
    /// star.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let (mut pieces, mut piece) = (Vec::new(), String::new());
        let mut chars = text.chars().enumerate().peekable();
        while let Some((at, c)) = chars.next() {
            match c {
                // Counted from 1: the real service counts the quote before the text.
                '*' if chars.peek().is_some_and(|(_, next)| *next == '*') => return Err(Fault::Stars { at: at + 1 }),
                '*' => pieces.push(std::mem::take(&mut piece)),
                '\\' => match chars.next() {
                    Some((_, literal @ ('*' | '\\'))) => piece.push(literal),
                    _ => return Err(Fault::Escape),
                },
                c => piece.push(c),
            }
        }
        pieces.push(piece);
        Ok(Self(pieces))
    }

    /// Before the first star.
    pub(crate) fn first(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// Behind the last star.
    pub(crate) fn last(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    fn matches(&self, text: &str) -> bool {
        let (Some(first), Some(last)) = (self.0.first(), self.0.last()) else { return false };
        if self.0.len() == 1 {
            return text == first;
        }
        let Some(rest) = text.strip_prefix(first.as_str()) else { return false };
        let Some(mut rest) = rest.strip_suffix(last.as_str()) else { return false };
        // The earliest place for each piece leaves most for those behind it.
        for piece in &self.0[1..self.0.len() - 1] {
            let Some(at) = rest.find(piece.as_str()) else { return false };
            rest = &rest[at + piece.len()..];
        }
        true
    }
}
