//! From the text of a pattern to a compiled one. What is checked when is the real service's order, for its faults come
//! with how far it has read.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::fault::{Fault, PatternError};
use crate::reader::{Reader, Token};
use crate::rule::{Bound, Cidr, Range, Rule};
use crate::text::{Operator, TextRule};
use crate::{Fields, Node};

/// Source: EventBridge user guide, "Numeric matching".
const NUMBER_MAX: f64 = 5.0e9;

type Parsed<T> = Result<T, PatternError>;

pub(crate) fn pattern(text: &str) -> Parsed<Fields> {
    let mut reader = Reader::new(text);
    if reader.next()? != Token::ObjectStart {
        return reader.wrong(Fault::NoObject);
    }
    let fields = fields(&mut reader)?;
    reader.end()?;
    Ok(fields)
}

fn fields(reader: &mut Reader<'_>) -> Parsed<Fields> {
    // Of a name that comes twice the last one counts.
    let (mut named, mut ors) = (BTreeMap::new(), Vec::new());
    while reader.next()? == Token::Key {
        let name = reader.key();
        let node = match reader.next()? {
            Token::ArrayStart if name == "$or" => {
                ors.push(alternatives(reader)?);
                continue;
            }
            Token::ArrayStart => Node::Rules(rules(reader)?),
            Token::ObjectStart => Node::Fields(self::fields(reader)?),
            _ if name == "$or" => return reader.wrong(Fault::Alternatives),
            _ => return reader.wrong(Fault::Scalar { name }),
        };
        named.insert(name, node);
    }
    if named.is_empty() && ors.is_empty() {
        return reader.wrong(Fault::EmptyObject);
    }
    Ok(Fields { named: named.into_iter().collect(), alternatives: ors })
}

fn alternatives(reader: &mut Reader<'_>) -> Parsed<Vec<Fields>> {
    let mut alternatives = Vec::new();
    loop {
        match reader.next()? {
            Token::ObjectStart => alternatives.push(fields(reader)?),
            Token::ArrayEnd if alternatives.len() >= 2 => return Ok(alternatives),
            _ => return reader.wrong(Fault::Alternatives),
        }
    }
}

fn rules(reader: &mut Reader<'_>) -> Parsed<Vec<Rule>> {
    let mut rules = Vec::new();
    loop {
        rules.push(match reader.next()? {
            Token::ArrayEnd if rules.is_empty() => return reader.wrong(Fault::EmptyArray),
            Token::ArrayEnd => return Ok(rules),
            Token::ObjectStart => operator(reader)?,
            token => match reader.scalar(token)? {
                Some(scalar) => Rule::Exact(scalar),
                None => return reader.wrong(Fault::ArrayInArray),
            },
        });
    }
}

fn operator(reader: &mut Reader<'_>) -> Parsed<Rule> {
    if reader.next()? != Token::Key {
        return reader.wrong(Fault::OneOperator);
    }
    let name = reader.key();
    let rule = match (name.as_str(), Operator::named(&name)) {
        (_, Some(operator)) => Rule::Text(text_rule(reader, operator)?),
        ("anything-but", _) => anything_but(reader)?,
        ("numeric", _) => Rule::Numeric(numeric(reader)?),
        ("exists", _) => match reader.next()? {
            Token::True => Rule::Exists(true),
            Token::False => Rule::Exists(false),
            _ => return reader.wrong(Fault::Exists),
        },
        ("cidr", _) => match reader.next()? {
            Token::Text => Rule::Cidr(cidr(&reader.text()?)?),
            _ => return reader.wrong(Fault::CidrNoText),
        },
        _ => return reader.wrong(Fault::UnknownOperator { name }),
    };
    close(reader)?;
    Ok(rule)
}

fn close(reader: &mut Reader<'_>) -> Parsed<()> {
    if reader.next()? == Token::ObjectEnd { Ok(()) } else { reader.wrong(Fault::OneOperator) }
}

fn cidr(text: &str) -> Parsed<Cidr> {
    Cidr::parse(text).map_err(|fault| PatternError { fault, place: None, is_in_list: false })
}

fn text_rule(reader: &mut Reader<'_>, operator: Operator) -> Parsed<TextRule> {
    match (operator, reader.next()?) {
        (_, Token::Text) => compiled(reader, operator),
        (Operator::Prefix | Operator::Suffix, Token::ObjectStart) => {
            let is_named = reader.next()? == Token::Key && reader.key() == Operator::EqualsIgnoreCase.as_str();
            if !is_named || reader.next()? != Token::Text {
                return reader.wrong(Fault::NoText { operator });
            }
            let lower = reader.text()?.to_lowercase();
            close(reader)?;
            Ok(match operator {
                Operator::Prefix => TextRule::PrefixIgnoringCase { lower },
                _ => TextRule::SuffixIgnoringCase { lower },
            })
        }
        _ => reader.wrong(Fault::NoText { operator }),
    }
}

/// The text that comes.
fn compiled(reader: &mut Reader<'_>, operator: Operator) -> Parsed<TextRule> {
    let text = reader.text()?;
    TextRule::new(operator, text).or_else(|fault| reader.wrong(fault))
}

fn anything_but(reader: &mut Reader<'_>) -> Parsed<Rule> {
    match reader.next()? {
        token @ (Token::Text | Token::Number) => Ok(Rule::AnythingBut(reader.scalar(token)?.into_iter().collect())),
        Token::ArrayStart => {
            let list = listed(reader, |reader, token| match token {
                Token::Text | Token::Number => reader.scalar(token),
                _ => reader.wrong(Fault::AnythingButElement),
            })?;
            let list: Vec<Value> = list.into_iter().flatten().collect();
            let is_of_one_kind = list.iter().all(Value::is_string) || list.iter().all(Value::is_number);
            if list.is_empty() || !is_of_one_kind {
                return reader.wrong(Fault::AnythingButMixed);
            }
            Ok(Rule::AnythingBut(list))
        }
        Token::ObjectStart => {
            if reader.next()? != Token::Key {
                return reader.wrong(Fault::OneOperator);
            }
            let name = reader.key();
            let Some(operator) = Operator::named(&name) else {
                return reader.wrong(Fault::AnythingButOperator { name });
            };
            let rules = anything_but_texts(reader, operator)?;
            close(reader)?;
            Ok(Rule::AnythingButText(rules))
        }
        _ => reader.wrong(Fault::AnythingBut),
    }
}

fn anything_but_texts(reader: &mut Reader<'_>, operator: Operator) -> Parsed<Vec<TextRule>> {
    let one = |reader: &mut Reader<'_>, token| {
        if token != Token::Text {
            return reader.wrong(Fault::AnythingButNoText { operator });
        }
        match compiled(reader, operator)? {
            TextRule::Prefix { text } | TextRule::Suffix { text } if text.is_empty() => {
                reader.wrong(Fault::AnythingButEmpty { operator })
            }
            rule => Ok(rule),
        }
    };
    match reader.next()? {
        Token::ArrayStart => match listed(reader, one)? {
            none if none.is_empty() => reader.wrong(Fault::AnythingButEmpty { operator }),
            rules => Ok(rules),
        },
        token @ (Token::Text | Token::Number) => Ok(vec![one(reader, token)?]),
        _ => reader.wrong(Fault::AnythingBut),
    }
}

/// To the end of a list.
fn listed<T>(reader: &mut Reader<'_>, mut element: impl FnMut(&mut Reader<'_>, Token) -> Parsed<T>) -> Parsed<Vec<T>> {
    let mut list = Vec::new();
    loop {
        match reader.next()? {
            Token::ArrayEnd => return Ok(list),
            token => {
                list.push(element(reader, token).map_err(|error| PatternError { is_in_list: true, ..error })?);
            }
        }
    }
}

/// `["=", 5]`, `[">", 0]`, `["<=", 5]` or a lower and an upper bound.
fn numeric(reader: &mut Reader<'_>) -> Parsed<Range> {
    if reader.next()? != Token::ArrayStart {
        return reader.wrong(Fault::NumericNoArray);
    }
    let first = match reader.next()? {
        Token::Text => reader.text()?,
        _ => return reader.wrong(Fault::Numeric),
    };
    if !matches!(first.as_str(), "=" | ">" | ">=" | "<" | "<=") {
        return reader.wrong(Fault::Numeric);
    }
    let bound = self::bound(reader, &first)?;
    let more = reader.next()?;
    match (first.as_str(), more) {
        ("=", Token::ArrayEnd) => Ok(Range { low: Some(bound), high: Some(bound) }),
        (">" | ">=", Token::ArrayEnd) => Ok(Range { low: Some(bound), high: None }),
        ("<" | "<=", Token::ArrayEnd) => Ok(Range { low: None, high: Some(bound) }),
        (">" | ">=", Token::Text) => Ok(Range { low: Some(bound), high: Some(upper(reader, bound)?) }),
        _ => reader.wrong(Fault::Numeric),
    }
}

fn upper(reader: &mut Reader<'_>, low: Bound) -> Parsed<Bound> {
    let comparison = reader.text()?;
    if !matches!(comparison.as_str(), "<" | "<=") {
        return reader.wrong(Fault::SecondComparison { comparison });
    }
    let high = bound(reader, &comparison)?;
    if reader.next()? != Token::ArrayEnd {
        return reader.wrong(Fault::Numeric);
    }
    if low.value >= high.value { reader.wrong(Fault::EmptyRange) } else { Ok(high) }
}

/// The number behind a comparison.
fn bound(reader: &mut Reader<'_>, comparison: &str) -> Parsed<Bound> {
    let value = match reader.next()? {
        Token::Number => reader.number()?.as_f64(),
        _ => return reader.wrong(Fault::NoNumber { comparison: comparison.to_owned() }),
    };
    match value.filter(|value| value.abs() <= NUMBER_MAX) {
        Some(value) => Ok(Bound { value, is_included: comparison.ends_with('=') }),
        None => reader.wrong(Fault::NumberSize),
    }
}
