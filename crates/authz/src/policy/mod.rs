//! A policy document: its grammar, and its compiled form that requests are held against.

mod grammar;
mod statement;

use std::sync::Arc;

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
        keys.sort();
        keys.dedup();
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

    /// Condition keys and variables that the document names, as it spells them.
    #[must_use]
    pub fn context_keys(&self) -> Vec<String> {
        self.keys.clone()
    }
}
