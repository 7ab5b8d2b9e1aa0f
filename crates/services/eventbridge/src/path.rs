//! Paths into an event: `$`, `$.detail.state`, `$.resources[0]`. What is found stays as it is written. Pure. Source:
//! EventBridge user guide, "Amazon EventBridge input transformation": dot notation, no brackets but for places in arrays.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Member(String),
    Element(usize),
}

/// `None`: it is no path that Hearth knows.
pub(crate) fn parse(path: &str) -> Option<Vec<Step>> {
    let rest = path.strip_prefix('$')?;
    if rest.is_empty() {
        return Some(Vec::new());
    }
    let mut steps = Vec::new();
    for part in rest.strip_prefix('.')?.split('.') {
        let (name, mut indices) = part.split_at(part.find('[').unwrap_or(part.len()));
        if name.is_empty() || name.contains([']', '*', '\'', '"', '(', ')', '?', '@']) {
            return None;
        }
        steps.push(Step::Member(name.to_owned()));
        while let Some(rest) = indices.strip_prefix('[') {
            let (index, rest) = rest.split_once(']')?;
            steps.push(Step::Element(index.parse().ok()?));
            indices = rest;
        }
        if !indices.is_empty() {
            return None;
        }
    }
    Some(steps)
}

/// What is at the end of the steps in a JSON text.
pub(crate) fn find<'j>(json: &'j str, steps: &[Step]) -> Option<&'j RawValue> {
    let mut found: &RawValue = serde_json::from_str(json).ok()?;
    for step in steps {
        found = match step {
            Step::Member(name) => {
                // Names may be written with escapes.
                let members: HashMap<Cow<'_, str>, &RawValue> = serde_json::from_str(found.get()).ok()?;
                members.get(name.as_str()).copied()?
            }
            Step::Element(index) => {
                let elements: Vec<&RawValue> = serde_json::from_str(found.get()).ok()?;
                elements.get(*index).copied()?
            }
        };
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"detail-type":"x","detail":{"z":1,"a":{"b":[10,{"c":"d"}]}},"resources":["r0","r1"]}"#;

    fn found(path: &str) -> Option<String> {
        find(EVENT, &parse(path).expect("a path")).map(|raw| raw.get().to_owned())
    }

    #[test]
    fn paths_lead_to_what_is_written_there() {
        assert_eq!(found("$").as_deref(), Some(EVENT));
        assert_eq!(found("$.detail-type").as_deref(), Some(r#""x""#));
        assert_eq!(found("$.detail").as_deref(), Some(r#"{"z":1,"a":{"b":[10,{"c":"d"}]}}"#));
        assert_eq!(found("$.detail.a.b[1].c").as_deref(), Some(r#""d""#));
        assert_eq!(found("$.resources[1]").as_deref(), Some(r#""r1""#));
        for nothing in ["$.x", "$.detail.z.y", "$.resources[2]", "$.detail[0]", "$.resources.x"] {
            assert_eq!(found(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn what_is_no_path_is_told_from_one() {
        for text in
            ["", "detail", "$detail", "$.", "$..a", "$.a.", "$['a']", "$.a[x]", "$.a[*]", "$.a[0", "$.a[0]b", "$.*"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
