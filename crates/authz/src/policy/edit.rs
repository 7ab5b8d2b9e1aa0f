//! A resource policy's document, edited statement by statement: what the AddPermission and RemovePermission of queues and
//! topics do. Source: SQS and SNS API references, AddPermission.

use serde_json::{Value, json};

/// Of a label, characters.
const LABEL_MAX: usize = 80;

/// A document whose statements can be counted, added and taken out. Nothing else in it is changed.
#[derive(Debug)]
pub struct PolicyEdit {
    document: Value,
    statements: Vec<Value>,
}

impl PolicyEdit {
    #[must_use]
    pub fn new(mut document: Value) -> Self {
        // One statement need not be in a list.
        let statements = match document.get_mut("Statement").map(Value::take) {
            Some(Value::Array(statements)) => statements,
            Some(Value::Null) | None => Vec::new(),
            Some(one) => vec![one],
        };
        Self { document, statements }
    }

    /// Whether a statement may be called so.
    #[must_use]
    pub fn is_label(label: &str) -> bool {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=LABEL_MAX).contains(&label.len()) && label.bytes().all(is_plain)
    }

    #[must_use]
    pub fn all(&self) -> &[Value] {
        &self.statements
    }

    #[must_use]
    pub fn has(&self, label: &str) -> bool {
        self.statements.iter().any(|statement| statement["Sid"] == label)
    }

    /// Lets principals (ARNs) do actions to the resource.
    pub fn allow(&mut self, label: &str, principals: Vec<String>, actions: Vec<String>, resource: &str) {
        self.statements.push(json!({
            "Sid": label,
            "Effect": "Allow",
            "Principal": { "AWS": one_or_many(principals) },
            "Action": one_or_many(actions),
            "Resource": resource,
        }));
    }

    /// Takes the statements of that label out; whether there were any.
    pub fn remove(&mut self, label: &str) -> bool {
        let before = self.statements.len();
        self.statements.retain(|statement| statement["Sid"] != label);
        self.statements.len() < before
    }

    /// The document with the statements as they are now.
    #[must_use]
    pub fn into_text(mut self) -> String {
        if let Some(members) = self.document.as_object_mut() {
            members.insert("Statement".to_owned(), self.statements.into());
        }
        self.document.to_string()
    }
}

fn one_or_many(mut values: Vec<String>) -> Value {
    if values.len() == 1 { values.remove(0).into() } else { values.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_comes_and_goes_and_the_rest_stays() {
        let mut edited = PolicyEdit::new(json!({"Id": "i", "Statement": {"Sid": "first", "Effect": "Deny"}}));
        assert!(edited.has("first") && !edited.has("second"));
        edited.allow("second", vec!["a".to_owned()], vec!["s:A".to_owned(), "s:B".to_owned()], "r");
        assert_eq!(edited.all().len(), 2);
        assert!(edited.remove("first") && !edited.remove("first"));
        let text: Value = serde_json::from_str(&edited.into_text()).expect("JSON");
        let second = json!({
            "Sid": "second", "Effect": "Allow", "Principal": {"AWS": "a"}, "Action": ["s:A", "s:B"], "Resource": "r",
        });
        assert_eq!(text, json!({"Id": "i", "Statement": [second]}));
    }

    #[test]
    fn labels_are_short_and_plain() {
        assert!(PolicyEdit::is_label("a-B_9") && PolicyEdit::is_label(&"x".repeat(80)));
        assert!(!["", "a b", "ä", &"x".repeat(81)].into_iter().any(PolicyEdit::is_label));
    }
}
