//! Reading a pattern's text from left to right.

use super::regex::Regex;
use super::{PatternError, REGEXES_MAX};

pub(super) struct Cursor<'a> {
    rest: &'a str,
    regexes: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { rest: text, regexes: 0 }
    }

    pub(super) fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes the text if it comes next.
    pub(super) fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes the text or refuses the pattern.
    pub(super) fn demand(&mut self, text: &str) -> Result<(), PatternError> {
        if self.take(text) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Takes a word, in any case, that ends where a word ends.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let Some((head, rest)) = self.rest.split_at_checked(word.len()) else { return false };
        let ends = rest.chars().next().is_none_or(|next| !next.is_alphanumeric() && next != '_');
        let is_it = ends && head.eq_ignore_ascii_case(word);
        if is_it {
            self.rest = rest;
        }
        is_it
    }

    pub(super) fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// What is inside of double quotes, which come next; a backslash takes away the meaning of what follows it.
    pub(super) fn quoted(&mut self) -> Result<String, PatternError> {
        self.demand("\"")?;
        let mut text = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                '\\' => match chars.next() {
                    Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                    Some((_, other)) => text.extend(['\\', other]),
                    None => return Err(PatternError::Malformed),
                },
                c => text.push(c),
            }
        }
        Err(PatternError::Malformed)
    }

    /// The regular expression between percent signs, which come next.
    pub(super) fn regex(&mut self) -> Result<Regex, PatternError> {
        self.demand("%")?;
        let mut is_escaped = false;
        let end = self.rest.find(|c| {
            let ends = c == '%' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            ends
        });
        let end = end.ok_or(PatternError::Regex)?;
        self.regexes += 1;
        if self.regexes > REGEXES_MAX {
            return Err(PatternError::TooManyRegexes);
        }
        let regex = Regex::compile(&self.rest[..end])?;
        self.rest = &self.rest[end + 1..];
        Ok(regex)
    }

    /// What comes next does not belong here.
    pub(super) fn unexpected(&self) -> PatternError {
        self.peek().map_or(PatternError::Malformed, |c| PatternError::Characters(c.to_string()))
    }
}
