//! A policy document: its grammar, and its compiled form that requests are held against.

mod edit;
mod grammar;
mod statement;
mod unique;

use std::sync::Arc;

pub use edit::PolicyEdit;
pub use grammar::{PolicyError, PolicyKind};
pub(crate) use statement::{Effect, Statement};

/// A policy document, checked and compiled.
#[derive(Debug)]
pub struct Policy {
    text: Arc<str>,
    pub(crate) statements: Vec<Statement>,
    keys: Vec<String>,
}

impl Policy {
    /// # Errors
    /// The first flaw found, in AWS's words.
    pub fn parse(text: &str, kind: PolicyKind) -> Result<Self, PolicyError> {
        let document = grammar::check(text, kind)?;
        let has_variables = document.version.as_deref() == Some("2012-10-17");
        let mut keys = Vec::new();
        let statements = document.statement.as_ref().map_or(&[][..], grammar::OneOrMany::as_slice);
        let compile = |(at, statement)| Statement::compile(at, statement, has_variables, &mut keys);
        let statements = statements.iter().enumerate().map(compile).collect();
        keys.sort_by_cached_key(|key| key.to_lowercase());
        keys.dedup_by(|one, other| one.to_lowercase() == other.to_lowercase());
        Ok(Self { text: text.into(), statements, keys })
    }

    /// The policy that says nothing: as a boundary or session policy it allows nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self { text: "".into(), statements: Vec::new(), keys: Vec::new() }
    }

    /// The document as it was sent.
    #[must_use]
    pub const fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Condition keys and variables that the document names, as it spells them, each once.
    #[must_use]
    pub fn context_keys(&self) -> Vec<String> {
        self.keys.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Source: IAM API reference, GetContextKeysForCustomPolicy: keys of conditions and of variables.
    #[test]
    fn the_keys_of_conditions_and_variables_are_named_once() {
        let document = |version: &str| {
            format!(
                r#"{{{version}"Statement":[{{"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::b/${{aws:UserName}}/${{*}}","*"],
                "Condition":{{"StringLike":{{"s3:prefix":["${{aws:PrincipalTag/Team, 'none'}}/*"]}},
                "StringEqualsIgnoreCase":{{"aws:username":"${{saml:Sub}}"}},"Null":{{"aws:TokenIssueTime":"true"}}}}}}]}}"#
            )
        };
        let keys = |version| Policy::parse(&document(version), PolicyKind::Identity).expect("valid").context_keys();
        let all = ["aws:PrincipalTag/Team", "aws:TokenIssueTime", "aws:UserName", "s3:prefix", "saml:Sub"];
        assert_eq!(keys(r#""Version":"2012-10-17","#), all);
        // Before 2012 there were no variables.
        assert_eq!(keys(""), ["aws:TokenIssueTime", "aws:username", "s3:prefix"]);
    }

    #[test]
    fn the_text_is_kept_as_it_was_sent() {
        let text = "{ \"Statement\": {\"Effect\":\"Allow\", \"Action\":\"*\", \"Resource\":\"*\"} }";
        let policy = Policy::parse(text, PolicyKind::Identity).expect("valid");
        assert_eq!(&**policy.text(), text);
    }
}
