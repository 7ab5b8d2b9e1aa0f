//! Where a statement stands in its document, in lines and columns.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::shape::Position;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: Position,
    pub(crate) end: Position,
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow, rename = "Statement")]
    statement: &'a RawValue,
}

#[derive(Deserialize)]
struct Sid {
    #[serde(rename = "Sid")]
    sid: Option<String>,
}

/// `statement` is a `Sid` or a position counted from 0, as the evaluator names statements.
pub(crate) fn of_statement(document: &str, statement: &str) -> Option<Span> {
    let list = serde_json::from_str::<Document<'_>>(document).ok()?.statement.get();
    let statements: Vec<&RawValue> =
        serde_json::from_str(list).or_else(|_| serde_json::from_str(list).map(|one| vec![one])).ok()?;
    let by_sid = |raw: &&&RawValue| {
        serde_json::from_str::<Sid>(raw.get()).is_ok_and(|found| found.sid.as_deref() == Some(statement))
    };
    let raw = statements.iter().find(by_sid).or_else(|| statements.get(statement.parse::<usize>().ok()?))?.get();
    // The pieces borrow from the document: their addresses say where they stand.
    let start = (raw.as_ptr() as usize).checked_sub(document.as_ptr() as usize)?;
    Some(Span { start: at(document, start)?, end: at(document, start + raw.len())? })
}

/// Lines and columns count from 1.
fn at(document: &str, offset: usize) -> Option<Position> {
    let before = document.get(..offset)?;
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Some(Position { line, column })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_found_by_its_sid_or_its_place() {
        let document = "{\"Statement\": [\n  {\"Sid\": \"a\"},\n  {\"b\": 1}\n]}";
        let first = Span { start: Position { line: 2, column: 3 }, end: Position { line: 2, column: 15 } };
        let second = Span { start: Position { line: 3, column: 3 }, end: Position { line: 3, column: 11 } };
        assert_eq!(of_statement(document, "a"), Some(first));
        assert_eq!(of_statement(document, "0"), Some(first));
        assert_eq!(of_statement(document, "1"), Some(second));
        assert_eq!(of_statement(document, "2"), None);
        assert_eq!(of_statement("{\"Statement\":{\"x\":1}}", "0").map(|span| span.start.column), Some(14));
    }
}
