//! JSON as tokens with their places, as the real service's parser counts them: its refusals name a line and a column.
//! Pure. The text has been found to be JSON before.

use std::iter::Peekable;
use std::str::Chars;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    ObjectStart,
    ObjectEnd,
    ArrayStart,
    ArrayEnd,
    /// Of a member.
    Name(String),
    Text(String),
    Number(String),
    /// `true`, `false` or `null`.
    Word(&'static str),
}

/// Line and column of the next character, each from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// Where the parser stands when it knows what comes. Of a text that is behind its first quote; of a name it is where
    /// it stands with the value behind it.
    pub(crate) seen: Place,
    /// Behind the token.
    pub(crate) read: Place,
}

struct Scanner<'a> {
    chars: Peekable<Chars<'a>>,
    place: Place,
}

impl Scanner<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.chars.next()?;
        self.place = match c {
            '\n' => Place { line: self.place.line + 1, column: 1 },
            _ => Place { column: self.place.column + 1, ..self.place },
        };
        Some(c)
    }

    /// The rest of a text whose first quote has been read, as it stands there.
    fn text(&mut self) -> String {
        let mut quoted = String::from('"');
        while let Some(c) = self.next() {
            quoted.push(c);
            match c {
                '\\' => quoted.extend(self.next()),
                '"' => break,
                _ => {}
            }
        }
        serde_json::from_str(&quoted).unwrap_or_default()
    }

    /// The rest of a number or word.
    fn bare(&mut self, first: char) -> String {
        let mut text = String::from(first);
        while let Some(c) = self.chars.next_if(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')) {
            self.place.column += 1;
            text.push(c);
        }
        text
    }
}

/// The tokens of a JSON text.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut scanner = Scanner { chars: text.chars().peekable(), place: Place { line: 1, column: 1 } };
    let mut tokens: Vec<Token> = Vec::new();
    while let Some(c) = scanner.next() {
        let mut seen = scanner.place;
        let kind = match c {
            '{' => Kind::ObjectStart,
            '}' => Kind::ObjectEnd,
            '[' => Kind::ArrayStart,
            ']' => Kind::ArrayEnd,
            '"' => Kind::Text(scanner.text()),
            ':' => {
                // What stood before it was a name.
                if let Some(Token { kind, .. }) = tokens.last_mut()
                    && let Kind::Text(name) = kind
                {
                    *kind = Kind::Name(std::mem::take(name));
                }
                continue;
            }
            c if c == ',' || c.is_ascii_whitespace() => continue,
            c => {
                let bare = scanner.bare(c);
                seen = scanner.place;
                match ["true", "false", "null"].into_iter().find(|word| *word == bare) {
                    Some(word) => Kind::Word(word),
                    None => Kind::Number(bare),
                }
            }
        };
        if let Some(Token { kind: Kind::Name(_), seen: of_name, .. }) = tokens.last_mut() {
            *of_name = seen;
        }
        tokens.push(Token { kind, seen, read: scanner.place });
    }
    tokens
}

impl Token {
    /// As it stands in the text, about.
    pub(crate) fn shown(&self) -> &str {
        match &self.kind {
            Kind::ObjectStart => "{",
            Kind::ObjectEnd => "}",
            Kind::ArrayStart => "[",
            Kind::ArrayEnd => "]",
            Kind::Name(text) | Kind::Text(text) | Kind::Number(text) => text,
            Kind::Word(word) => word,
        }
    }
}
