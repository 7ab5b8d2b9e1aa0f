//! `[ … ]`: conditions on the fields of an event, which spaces delimit. What stands in double quotes or square brackets
//! is one field; the last name takes all that is left.

use super::PatternError;
use super::compare::Comparison;
use super::cursor::Cursor;

#[derive(Debug)]
pub(super) struct Fields {
    /// From the front of the event.
    first: Vec<Field>,
    /// From its end, where an ellipsis stands between.
    last: Option<Vec<Field>>,
}

#[derive(Debug)]
struct Field {
    name: String,
    /// Any of these, all conditions of which hold; none: whatever it is.
    alternatives: Vec<Vec<Comparison>>,
}

impl Field {
    fn matches(&self, value: &str) -> bool {
        let holds = |all: &Vec<Comparison>| all.iter().all(|comparison| comparison.holds(value));
        self.alternatives.is_empty() || self.alternatives.iter().any(holds)
    }
}

impl Fields {
    pub(super) fn matches(&self, event: &str) -> bool {
        self.assign(event).is_some_and(|pairs| pairs.iter().all(|(field, value)| field.matches(value)))
    }

    pub(super) fn extract(&self, event: &str) -> Vec<(String, String)> {
        let pairs = self.assign(event).unwrap_or_default();
        pairs.into_iter().map(|(field, value)| (format!("${}", field.name), value.to_owned())).collect()
    }

    /// The fields with their values; `None` when the event has too few.
    fn assign<'e>(&self, event: &'e str) -> Option<Vec<(&Field, &'e str)>> {
        let Some(last) = &self.last else {
            let mut rest = event.trim();
            let mut values = Vec::new();
            for _ in 1..self.first.len() {
                let value;
                (value, rest) = next_field(rest)?;
                values.push(value);
            }
            // One field as it is, several as they stand.
            let (value, behind) = next_field(rest)?;
            values.push(if behind.is_empty() { value } else { rest });
            return Some(self.first.iter().zip(values).collect());
        };
        let mut values = Vec::new();
        let mut rest = event.trim();
        while let Some((value, behind)) = next_field(rest) {
            values.push(value);
            rest = behind;
        }
        let until_last = values.len().checked_sub(last.len()).filter(|count| *count >= self.first.len())?;
        let front = self.first.iter().zip(values.iter().copied());
        Some(front.chain(last.iter().zip(values[until_last..].iter().copied())).collect())
    }
}

/// The first field and what is behind it.
fn next_field(text: &str) -> Option<(&str, &str)> {
    let enclosed = |closing: char| {
        let inside = &text[1..];
        let end = inside.find(closing)?;
        let behind = &inside[end + 1..];
        (behind.is_empty() || behind.starts_with(char::is_whitespace)).then(|| (&inside[..end], behind.trim_start()))
    };
    let found = match text.chars().next()? {
        '"' => enclosed('"'),
        '[' => enclosed(']'),
        _ => None,
    };
    found.or_else(|| {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        Some((&text[..end], text[end..].trim_start()))
    })
}

pub(super) fn parse(text: &str) -> Result<Fields, PatternError> {
    let mut cursor = Cursor::new(text);
    cursor.demand("[")?;
    let (mut first, mut last) = (Vec::new(), None);
    loop {
        cursor.skip_spaces();
        if cursor.take("...") || cursor.take("…") {
            if last.replace(Vec::new()).is_some() {
                return Err(PatternError::Malformed);
            }
        } else {
            let number = first.len() + 1;
            last.as_mut().unwrap_or(&mut first).push(field(&mut cursor, number)?);
        }
        cursor.skip_spaces();
        if cursor.take("]") {
            break;
        }
        cursor.demand(",")?;
    }
    cursor.skip_spaces();
    if cursor.is_at_end() { Ok(Fields { first, last }) } else { Err(cursor.unexpected()) }
}

fn field(cursor: &mut Cursor<'_>, number: usize) -> Result<Field, PatternError> {
    let mut name = cursor.take_while(|c| c.is_alphanumeric() || c == '_' || c == '-').to_owned();
    if name.is_empty() {
        // A field nobody names is known by its number.
        if !matches!(cursor.peek(), Some(',' | ']')) {
            return Err(cursor.unexpected());
        }
        name = number.to_string();
    }
    let mut alternatives = Vec::new();
    let mut all = Vec::new();
    cursor.skip_spaces();
    if !matches!(cursor.peek(), Some(',' | ']') | None) {
        loop {
            all.push(Comparison::parse(cursor, |c| !c.is_whitespace() && !",]&|\"%=<>!".contains(c))?);
            cursor.skip_spaces();
            let goes_on = if cursor.take("||") {
                alternatives.push(std::mem::take(&mut all));
                true
            } else {
                cursor.take("&&")
            };
            if !goes_on {
                break;
            }
            cursor.skip_spaces();
            // Each comparison names its field again.
            cursor.demand(&name)?;
            cursor.skip_spaces();
        }
        alternatives.push(all);
    }
    Ok(Field { name, alternatives })
}
