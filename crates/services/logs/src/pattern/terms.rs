//! Terms anywhere in an event: all of them, none of those with `-`, or any of those with `?`.

use super::PatternError;
use super::cursor::Cursor;
use super::regex::Regex;

#[derive(Debug, Default)]
pub(super) struct Terms {
    required: Vec<Term>,
    excluded: Vec<Term>,
    /// Of no account beside others. Source: "Match terms in unstructured log events", optional terms.
    optional: Vec<Term>,
}

#[derive(Debug)]
enum Term {
    Text(String),
    Regex(Regex),
}

impl Term {
    fn is_in(&self, event: &str) -> bool {
        match self {
            Self::Text(text) => event.contains(text.as_str()),
            Self::Regex(regex) => regex.is_match(event),
        }
    }
}

impl Terms {
    pub(super) fn matches(&self, event: &str) -> bool {
        let is_in = |term: &Term| term.is_in(event);
        if self.required.is_empty() && self.excluded.is_empty() {
            return self.optional.iter().any(is_in);
        }
        self.required.iter().all(is_in) && !self.excluded.iter().any(is_in)
    }
}

pub(super) fn parse(text: &str) -> Result<Terms, PatternError> {
    let mut cursor = Cursor::new(text);
    let mut terms = Terms::default();
    loop {
        cursor.skip_spaces();
        if cursor.is_at_end() {
            return Ok(terms);
        }
        let list = if cursor.take("-") {
            &mut terms.excluded
        } else if cursor.take("?") {
            &mut terms.optional
        } else {
            &mut terms.required
        };
        list.push(match cursor.peek() {
            Some('"') => Term::Text(cursor.quoted()?),
            Some('%') => Term::Regex(cursor.regex()?),
            _ => match cursor.take_while(|c| c.is_alphanumeric() || c == '_') {
                "" => return Err(cursor.unexpected()),
                word => Term::Text(word.to_owned()),
            },
        });
        if cursor.peek().is_some_and(|c| !c.is_whitespace()) {
            return Err(cursor.unexpected());
        }
    }
}
