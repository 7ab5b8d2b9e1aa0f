//! JSON token by token, with the place each fault is at. How far a token reaches is Jackson's way, whose places the real
//! service tells: a name comes with the beginning of its value, and a text that nobody asked for ends at its first quote.

use serde_json::{Number, Value};

use crate::fault::{Fault, PatternError, Place};

/// How deep objects and arrays may be within each other; the same as of events.
const DEPTH_MAX: usize = 127;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    ObjectStart,
    ObjectEnd,
    ArrayStart,
    ArrayEnd,
    Key,
    Text,
    Number,
    True,
    False,
    Null,
    End,
}

struct Container {
    is_object: bool,
    is_empty: bool,
}

pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    within: Vec<Container>,
    /// The value behind a key, whose beginning was read with it.
    ahead: Option<Token>,
    key: String,
    /// Where the scalar read last begins.
    scalar: usize,
    is_text_open: bool,
}

type Read<T> = Result<T, PatternError>;

impl<'a> Reader<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { text, at: 0, within: Vec::new(), ahead: None, key: String::new(), scalar: 0, is_text_open: false }
    }

    /// # Errors
    /// The fault, here.
    pub(crate) fn wrong<T>(&self, fault: Fault) -> Read<T> {
        Err(PatternError { fault, place: Some(self.place()), is_in_list: false })
    }

    fn place(&self) -> Place {
        let read = &self.text[..self.at];
        let line = read.rsplit('\n').next().unwrap_or_default();
        Place { line: read.matches('\n').count() + 1, column: line.encode_utf16().count() + 1 }
    }

    /// # Errors
    /// [`Fault::Json`], [`Fault::NoName`], [`Fault::Word`] or [`Fault::Depth`].
    pub(crate) fn next(&mut self) -> Read<Token> {
        if let Some(token) = self.ahead.take() {
            return Ok(token);
        }
        if self.is_text_open {
            self.text()?;
        }
        self.skip_space();
        let Some(container) = self.within.last_mut() else { return self.value() };
        let (is_object, is_first) = (container.is_object, std::mem::take(&mut container.is_empty));
        let (end, token) = if is_object { ('}', Token::ObjectEnd) } else { (']', Token::ArrayEnd) };
        if self.take(end) {
            self.within.pop();
            return Ok(token);
        }
        if !is_first {
            self.demand(',')?;
            self.skip_space();
        }
        if !is_object {
            return self.value();
        }
        match self.peek() {
            Some('"') => {}
            Some(character @ ' '..='~') => return self.wrong(Fault::NoName { character }),
            _ => return self.wrong(Fault::Json),
        }
        self.scalar = self.at;
        self.at += 1;
        self.key = self.text()?;
        self.skip_space();
        self.demand(':')?;
        self.skip_space();
        self.ahead = Some(self.value()?);
        Ok(Token::Key)
    }

    /// Behind the last token: nothing more.
    ///
    /// # Errors
    /// [`Fault::Json`].
    pub(crate) fn end(&mut self) -> Read<()> {
        self.skip_space();
        if self.at == self.text.len() { Ok(()) } else { self.wrong(Fault::Json) }
    }

    pub(crate) fn key(&mut self) -> String {
        std::mem::take(&mut self.key)
    }

    /// Of the token that was read last, to its end.
    ///
    /// # Errors
    /// [`Fault::Json`].
    pub(crate) fn text(&mut self) -> Read<String> {
        self.is_text_open = false;
        let mut is_escaped = false;
        let length = self.text[self.at..].find(|c| match c {
            _ if is_escaped => {
                is_escaped = false;
                false
            }
            '\\' => {
                is_escaped = true;
                false
            }
            c => c == '"',
        });
        let Some(length) = length else { return self.wrong(Fault::Json) };
        self.at += length + 1;
        serde_json::from_str(&self.text[self.scalar..self.at]).or_else(|_| self.wrong(Fault::Json))
    }

    /// Of the token that was read last.
    ///
    /// # Errors
    /// [`Fault::Json`].
    pub(crate) fn number(&self) -> Read<Number> {
        serde_json::from_str(&self.text[self.scalar..self.at]).or_else(|_| self.wrong(Fault::Json))
    }

    /// Of the token that was read last; nothing where it is no scalar.
    ///
    /// # Errors
    /// [`Fault::Json`].
    pub(crate) fn scalar(&mut self, token: Token) -> Read<Option<Value>> {
        Ok(match token {
            Token::Text => Some(Value::String(self.text()?)),
            Token::Number => Some(Value::Number(self.number()?)),
            Token::True => Some(Value::Bool(true)),
            Token::False => Some(Value::Bool(false)),
            Token::Null => Some(Value::Null),
            _ => None,
        })
    }

    fn value(&mut self) -> Read<Token> {
        self.scalar = self.at;
        match self.peek() {
            None if self.within.is_empty() => Ok(Token::End),
            Some('{') => self.open(true, Token::ObjectStart),
            Some('[') => self.open(false, Token::ArrayStart),
            Some('"') => {
                self.at += 1;
                self.is_text_open = true;
                Ok(Token::Text)
            }
            Some('-' | '0'..='9') => {
                self.take_while(|c| matches!(c, '-' | '+' | '.' | 'e' | 'E' | '0'..='9'));
                self.number().map(|_| Token::Number)
            }
            Some(c) if is_of_word(c) => self.word(),
            _ => self.wrong(Fault::Json),
        }
    }

    fn word(&mut self) -> Read<Token> {
        self.take_while(is_of_word);
        match &self.text[self.scalar..self.at] {
            "true" => Ok(Token::True),
            "false" => Ok(Token::False),
            "null" => Ok(Token::Null),
            word => self.wrong(Fault::Word { word: word.to_owned() }),
        }
    }

    fn open(&mut self, is_object: bool, token: Token) -> Read<Token> {
        if self.within.len() == DEPTH_MAX {
            return self.wrong(Fault::Depth { max: DEPTH_MAX });
        }
        self.at += 1;
        self.within.push(Container { is_object, is_empty: true });
        Ok(token)
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let is_there = self.peek() == Some(wanted);
        self.at += if is_there { wanted.len_utf8() } else { 0 };
        is_there
    }

    fn demand(&mut self, wanted: char) -> Read<()> {
        if self.take(wanted) { Ok(()) } else { self.wrong(Fault::Json) }
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) {
        let rest = &self.text[self.at..];
        self.at += rest.find(|c| !belongs(c)).unwrap_or(rest.len());
    }

    fn skip_space(&mut self) {
        self.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
    }
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$')
}
