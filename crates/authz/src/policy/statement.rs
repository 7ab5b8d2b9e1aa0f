//! One statement, compiled: does it apply to a request?

use serde_json::Value;

use super::grammar::{self, OneOrMany};
use crate::condition::Condition;
use crate::evaluate::Request;
use crate::pattern::{Pattern, Reading};
use crate::principal::{Principals, Standing};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Allow,
    Deny,
}

/// A list, or everything but it: `Action` or `NotAction`.
#[derive(Debug)]
struct Listed<T> {
    items: T,
    is_negated: bool,
}

impl<T> Listed<T> {
    fn of<R>(plain: Option<R>, negated: Option<R>, read: impl FnOnce(R) -> T) -> Option<Self> {
        match (plain, negated) {
            (Some(plain), _) => Some(Self { items: read(plain), is_negated: false }),
            (None, Some(negated)) => Some(Self { items: read(negated), is_negated: true }),
            (None, None) => None,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Statement {
    /// `Sid`, or the position in the document.
    pub(crate) name: String,
    pub(crate) effect: Effect,
    actions: Option<Listed<Vec<Pattern>>>,
    resources: Option<Listed<Vec<Pattern>>>,
    principals: Option<Listed<Principals>>,
    conditions: Vec<Condition>,
}

const ACTION: Reading = Reading { wildcards: true, is_arn: false, variables: false, ignores_case: true };
const RESOURCE: Reading = Reading { wildcards: true, is_arn: true, variables: true, ignores_case: false };

impl Statement {
    pub(super) fn compile(at: usize, parsed: &grammar::Statement, has_variables: bool, keys: &mut Vec<String>) -> Self {
        let mut patterns = |list: &OneOrMany<String>, reading| {
            list.as_slice().iter().map(|text| Pattern::read(text, reading, keys)).collect::<Vec<_>>()
        };
        let actions = Listed::of(parsed.action.as_ref(), parsed.not_action.as_ref(), |list| patterns(list, ACTION));
        let resource = Reading { variables: has_variables, ..RESOURCE };
        let resources =
            Listed::of(parsed.resource.as_ref(), parsed.not_resource.as_ref(), |list| patterns(list, resource));
        let principals = Listed::of(parsed.principal.as_ref(), parsed.not_principal.as_ref(), |value: &Value| {
            Principals::read(value)
        });
        let operators = parsed.condition.iter().flatten();
        let conditions =
            operators.flat_map(|(operator, tests)| tests.iter().map(move |(key, values)| (operator, key, values)));
        let conditions = conditions
            .map(|(operator, key, values)| {
                keys.push(key.clone());
                let values: Vec<String> = values.as_slice().iter().map(grammar::Scalar::text).collect();
                Condition::read(operator, key, &values, has_variables, keys)
            })
            .collect();
        let sid = parsed.sid.as_deref().filter(|sid| !sid.is_empty());
        Self {
            name: sid.map_or_else(|| at.to_string(), str::to_owned),
            effect: if parsed.effect.as_deref() == Some("Allow") { Effect::Allow } else { Effect::Deny },
            actions,
            resources,
            principals,
            conditions,
        }
    }

    /// How the statement names the caller, if it applies. Statements of identity policies name nobody: they are about
    /// whoever has them, and so say [`Standing::Itself`]. `action` is in lower case.
    pub(crate) fn applies(&self, request: &Request<'_>, action: &str) -> Option<Standing> {
        let keys = request.keys;
        let covers = |listed: &Option<Listed<Vec<Pattern>>>, text: &str| {
            listed.as_ref().is_none_or(|listed| {
                listed.items.iter().any(|pattern| pattern.matches_folded(text, keys)) != listed.is_negated
            })
        };
        // Cheap and selective tests first.
        if !covers(&self.actions, action) || !covers(&self.resources, request.resource) {
            return None;
        }
        let standing = match &self.principals {
            None => Standing::Itself,
            Some(Listed { items, is_negated: false }) => items.standing(request.caller)?,
            Some(Listed { items, is_negated: true }) => items.standing_if_left_out(request.caller)?,
        };
        self.conditions.iter().all(|condition| condition.holds(keys)).then_some(standing)
    }
}
