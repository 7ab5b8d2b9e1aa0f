//! Which filter policies there are: the real service's checks in its own words, with the places it names. Pure.
//!
//! Source of the language: SNS developer guide, "Amazon SNS subscription filter policies"; texts as recorded.

use std::net::IpAddr;

use super::Scope;
use super::token::{Kind, Place, Token, tokens};
use crate::error::SnsError;
use crate::limits::{FILTER_BYTES_MAX, FILTER_COMBINATIONS_MAX, FILTER_KEYS_MAX, FILTER_NUMBER_MAX};

/// Characters of a policy that a refusal quotes.
const QUOTED_MAX: usize = 500;

type Checked<T> = Result<T, SnsError>;

/// What is counted of a policy.
#[derive(Clone, Copy)]
struct Counts {
    /// With lists of values, however deep.
    keys: usize,
    combinations: u64,
}

struct Checker<'t> {
    text: &'t str,
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    is_nested: bool,
}

/// # Errors
/// [`SnsError::Parameter`]: what is wrong with it.
pub(super) fn check(text: &str, scope: Scope) -> Checked<()> {
    if text.len() > FILTER_BYTES_MAX {
        return Err(plain("Filter policy is too long"));
    }
    if let Err(error) = serde_json::from_str::<serde_json::Value>(text) {
        return Err(super::unreadable("FilterPolicy", text, &error));
    }
    let mut checker = Checker { text, tokens: tokens(text).into_iter().peekable(), is_nested: false };
    let first = checker.next()?;
    if first.kind != Kind::ObjectStart {
        return Err(checker.at("Filter is not an object", first.read));
    }
    let (counts, top_keys) = checker.object()?;
    if checker.is_nested && scope == Scope::MessageAttributes {
        let reason = "Filter policy scope MessageAttributes does not support nested filter policy";
        return Err(SnsError::parameter(reason));
    }
    let keys = match scope {
        Scope::MessageAttributes => counts.keys,
        Scope::MessageBody => top_keys,
    };
    if keys > FILTER_KEYS_MAX {
        return Err(plain(&format!("Filter policy can not have more than {FILTER_KEYS_MAX} keys")));
    }
    if counts.combinations > FILTER_COMBINATIONS_MAX {
        return Err(plain("Filter policy is too complex"));
    }
    Ok(())
}

fn plain(reason: &str) -> SnsError {
    SnsError::parameter(format!("FilterPolicy: {reason}"))
}

impl Checker<'_> {
    fn next(&mut self) -> Checked<Token> {
        self.tokens.next().ok_or_else(|| plain("failed to parse JSON."))
    }

    fn at(&self, reason: &str, Place { line, column }: Place) -> SnsError {
        let quoted = match self.text.char_indices().nth(QUOTED_MAX) {
            Some((end, _)) => {
                let left = self.text[end..].chars().count();
                format!("\"{}\"[truncated {left} chars]", &self.text[..end])
            }
            None => format!("\"{}\"", self.text),
        };
        plain(&format!("{reason}\n at [Source: (String){quoted}; line: {line}, column: {column}]"))
    }

    /// Behind its start. Also how many members it has.
    fn object(&mut self) -> Checked<(Counts, usize)> {
        let mut counts = Counts { keys: 0, combinations: 1 };
        let mut members = 0;
        loop {
            let name = self.next()?;
            let Kind::Name(key) = &name.kind else {
                return if members == 0 {
                    Err(self.at("Empty objects are not allowed", name.read))
                } else {
                    Ok((counts, members))
                };
            };
            members += 1;
            let value = self.next()?;
            let inner = match value.kind {
                Kind::ArrayStart if key == "$or" && self.is_object_next() => self.alternatives()?,
                Kind::ArrayStart => Counts { keys: 1, combinations: self.values()? },
                Kind::ObjectStart => {
                    self.is_nested = true;
                    self.object()?.0
                }
                _ => return Err(self.at(&format!("\"{key}\" must be an object or an array"), value.seen)),
            };
            counts.keys += inner.keys;
            counts.combinations = counts.combinations.saturating_mul(inner.combinations);
        }
    }

    fn is_object_next(&mut self) -> bool {
        self.tokens.peek().is_some_and(|token| token.kind == Kind::ObjectStart)
    }

    /// Of `$or`.
    fn alternatives(&mut self) -> Checked<Counts> {
        let mut all = Counts { keys: 0, combinations: 0 };
        let mut number = 0;
        loop {
            let token = self.next()?;
            match token.kind {
                Kind::ObjectStart => {
                    let (counts, _) = self.object()?;
                    number += 1;
                    all.keys += counts.keys;
                    all.combinations = all.combinations.saturating_add(counts.combinations);
                }
                Kind::ArrayEnd if number >= 2 => return Ok(all),
                _ => return Err(self.at("$or takes a list of two objects or more", token.read)),
            }
        }
    }

    /// The values of a key, behind the start of their list; how many there are.
    fn values(&mut self) -> Checked<u64> {
        let mut number = 0;
        loop {
            let token = self.next()?;
            match token.kind {
                Kind::ArrayEnd if number == 0 => return Err(self.at("Empty arrays are not allowed", token.read)),
                Kind::ArrayEnd => return Ok(number),
                Kind::ObjectStart => self.expression()?,
                Kind::Text(_) | Kind::Number(_) | Kind::Word(_) => {}
                _ => {
                    return Err(self.at("Match value must be String, number, true, false, or null", token.read));
                }
            }
            number += 1;
        }
    }

    /// `{"prefix": "text"}` and so on, behind its start.
    fn expression(&mut self) -> Checked<()> {
        let name = self.next()?;
        let Kind::Name(operator) = &name.kind else {
            return Err(self.at("Empty objects are not allowed", name.read));
        };
        let value = self.next()?;
        match (operator.as_str(), &value.kind) {
            ("anything-but", _) => self.anything_but(&value)?,
            ("prefix" | "suffix" | "equals-ignore-case", Kind::Text(_)) => {}
            ("prefix" | "suffix" | "equals-ignore-case", _) => {
                return Err(self.at(&format!("{operator} match pattern must be a string"), value.seen));
            }
            ("cidr", Kind::Text(text)) => check_cidr(text)?,
            // Recorded: it says prefix.
            ("cidr", _) => return Err(self.at("prefix match pattern must be a string", value.seen)),
            ("exists", Kind::Word("true" | "false")) => {}
            ("exists", _) => {
                return Err(self.at("exists match pattern must be either true or false.", value.seen));
            }
            ("numeric", Kind::ArrayStart) => self.numeric()?,
            ("numeric", _) => return Err(self.at("Value of numeric must be an array.", value.seen)),
            _ => return Err(self.at(&format!("Unrecognized match type {operator}"), value.seen)),
        }
        self.end_of_expression()
    }

    fn end_of_expression(&mut self) -> Checked<()> {
        let end = self.next()?;
        match end.kind {
            Kind::ObjectEnd => Ok(()),
            _ => Err(self.at("Only one key allowed in match expression", end.seen)),
        }
    }

    fn anything_but(&mut self, value: &Token) -> Checked<()> {
        match value.kind {
            Kind::Text(_) | Kind::Number(_) => Ok(()),
            Kind::ArrayStart => {
                let mut number = 0;
                loop {
                    let token = self.next()?;
                    match token.kind {
                        Kind::Text(_) | Kind::Number(_) => number += 1,
                        Kind::ArrayEnd if number > 0 => return Ok(()),
                        Kind::ArrayEnd => return Err(self.at("Empty arrays are not allowed", token.read)),
                        _ => {
                            let reason = "Inside anything but list, start|null|boolean is not supported.";
                            return Err(self.at(reason, token.seen));
                        }
                    }
                }
            }
            Kind::ObjectStart => {
                let name = self.next()?;
                let inner = self.next()?;
                match (name.shown(), &inner.kind) {
                    ("prefix", Kind::Text(_)) => self.end_of_expression(),
                    ("prefix", _) => Err(self.at("prefix match pattern must be a string", inner.seen)),
                    (other, _) => Err(self.at(&format!("Unsupported anything-but pattern: {other}"), inner.seen)),
                }
            }
            _ => Err(self.at("Value of anything-but must be an array or single string/number value.", value.seen)),
        }
    }

    /// Behind the start of its list.
    fn numeric(&mut self) -> Checked<()> {
        let first = self.next()?;
        let Kind::Text(operator) = &first.kind else {
            return Err(self.at(&format!("Invalid member in numeric match: {}", first.shown()), first.read));
        };
        match operator.as_str() {
            "=" | "<" | "<=" => {
                self.number(if operator == "=" { "equals" } else { operator })?;
                self.end_of_list("Too many elements in numeric expression").map(drop)
            }
            ">" | ">=" => {
                let bottom = self.number(operator)?;
                let next = self.next()?;
                let second = match &next.kind {
                    Kind::ArrayEnd => return Ok(()),
                    Kind::Text(second) => second,
                    _ => return Err(self.at(&format!("Bad value in numeric range: {}", next.shown()), next.read)),
                };
                if !["<", "<="].contains(&second.as_str()) {
                    return Err(self.at(&format!("Bad numeric range operator: {second}"), next.read));
                }
                let top = self.number(second)?;
                let end = self.end_of_list("Too many terms in numeric range expression")?;
                if bottom >= top {
                    return Err(self.at("Bottom must be less than top", end.read));
                }
                Ok(())
            }
            _ => {
                let next = self.next()?;
                Err(self.at(&format!("Unrecognized numeric range operator: {operator}"), next.seen))
            }
        }
    }

    fn number(&mut self, operator: &str) -> Checked<f64> {
        let token = self.next()?;
        let number = match &token.kind {
            Kind::Number(text) => text.parse::<f64>().ok(),
            _ => None,
        };
        match number {
            Some(number) if number.abs() <= FILTER_NUMBER_MAX => Ok(number),
            Some(_) => Err(self.at("Value must be between -1.0E9 and 1.0E9, inclusive", token.read)),
            None => Err(self.at(&format!("Value of {operator} must be numeric"), token.seen)),
        }
    }

    fn end_of_list(&mut self, otherwise: &str) -> Checked<Token> {
        let end = self.next()?;
        if end.kind == Kind::ArrayEnd { Ok(end) } else { Err(self.at(otherwise, end.seen)) }
    }
}

fn check_cidr(text: &str) -> Checked<()> {
    let mut parts = text.split('/');
    let (Some(ip), Some(bits), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(plain("Malformed CIDR, one '/' required"));
    };
    let Ok(bits) = bits.parse::<u32>() else {
        return Err(plain("Malformed CIDR, mask bits must be an integer"));
    };
    let width = match ip.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => u32::BITS,
        Ok(IpAddr::V6(_)) => u128::BITS,
        Err(_) => return Err(plain(&format!("Nonstandard IP address: {ip}"))),
    };
    if bits > width {
        return Err(plain(&format!("Malformed CIDR, mask bits must be at most {width}")));
    }
    Ok(())
}
