//! From the text of an expression to its tree.

use super::{Expression, Operator};
use crate::limits::EXPRESSION_DEPTH_MAX;

/// Loosest first; those of a row bind alike, from the left.
const BINDING: [&[(&str, Operator)]; 5] = [
    &[("||", Operator::Or), ("OR", Operator::Or)],
    &[("&&", Operator::And), ("AND", Operator::And)],
    &[
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("/", Operator::Divide)],
];

/// # Errors
/// What is wrong with it, for its author.
pub(crate) fn parse(text: &str) -> Result<Expression, String> {
    let mut parser = Parser { rest: text, depth: 0 };
    let expression = parser.level(0)?;
    parser.space();
    if parser.rest.is_empty() { Ok(expression) } else { Err(format!("unexpected '{}'", shown(parser.rest))) }
}

struct Parser<'t> {
    rest: &'t str,
    depth: usize,
}

fn shown(rest: &str) -> String {
    rest.chars().take(20).collect()
}

const fn is_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

impl<'t> Parser<'t> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        self.space();
        let Some(rest) = self.rest.strip_prefix(token) else { return false };
        // A word ends where its letters end.
        if token.ends_with(is_word) && rest.starts_with(is_word) {
            return false;
        }
        self.rest = rest;
        true
    }

    fn need(&mut self, token: &str) -> Result<(), String> {
        if self.take(token) { Ok(()) } else { Err(format!("'{token}' is missing before '{}'", shown(self.rest))) }
    }

    fn level(&mut self, level: usize) -> Result<Expression, String> {
        let Some(operators) = BINDING.get(level) else { return self.power() };
        let mut left = self.level(level + 1)?;
        'more: loop {
            for (token, operator) in *operators {
                if self.take(token) {
                    let right = self.level(level + 1)?;
                    left = Expression::Operation(*operator, Box::new(left), Box::new(right));
                    continue 'more;
                }
            }
            return Ok(left);
        }
    }

    fn power(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > EXPRESSION_DEPTH_MAX {
            return Err(format!("it is more than {EXPRESSION_DEPTH_MAX} steps deep"));
        }
        let expression = if self.take("-") {
            Expression::Negation(Box::new(self.power()?))
        } else {
            let base = self.atom()?;
            if self.take("^") {
                Expression::Operation(Operator::Power, Box::new(base), Box::new(self.power()?))
            } else {
                base
            }
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn atom(&mut self) -> Result<Expression, String> {
        self.space();
        match self.rest.chars().next() {
            None => Err("it ends too early".to_owned()),
            Some('(') => {
                self.need("(")?;
                let inner = self.level(0)?;
                self.need(")")?;
                Ok(inner)
            }
            Some('[') => {
                self.need("[")?;
                Ok(Expression::List(self.arguments("]")?))
            }
            Some(quote @ ('"' | '\'')) => {
                let inner = &self.rest[1..];
                let (text, rest) = inner.split_once(quote).ok_or("a text has no end")?;
                self.rest = rest;
                Ok(Expression::Text(text.to_owned()))
            }
            Some(first) if first.is_ascii_digit() || first == '.' => {
                let length = number_length(self.rest);
                let (number, rest) = self.rest.split_at(length);
                self.rest = rest;
                number.parse().map(Expression::Number).map_err(|_| format!("'{number}' is no number"))
            }
            Some(first) if first.is_ascii_alphabetic() => {
                let length = self.rest.find(|letter| !is_word(letter)).unwrap_or(self.rest.len());
                let (name, rest) = self.rest.split_at(length);
                self.rest = rest;
                if self.take("(") {
                    return Ok(Expression::Call(name.to_owned(), self.arguments(")")?));
                }
                Ok(Expression::Name(name.to_owned()))
            }
            Some(_) => Err(format!("unexpected '{}'", shown(self.rest))),
        }
    }

    fn arguments(&mut self, end: &str) -> Result<Vec<Expression>, String> {
        let mut arguments = Vec::new();
        if self.take(end) {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.level(0)?);
            if self.take(end) {
                return Ok(arguments);
            }
            self.need(",")?;
        }
    }
}

/// Digits with a fraction and an exponent.
fn number_length(text: &str) -> usize {
    let mut before = ' ';
    let goes_on = |letter: char, before: char| {
        letter.is_ascii_digit()
            || letter == '.'
            || (matches!(letter, 'e' | 'E') && (before.is_ascii_digit() || before == '.'))
            || (matches!(letter, '+' | '-') && matches!(before, 'e' | 'E'))
    };
    for (at, letter) in text.char_indices() {
        if !goes_on(letter, before) {
            return at;
        }
        before = letter;
    }
    text.len()
}
